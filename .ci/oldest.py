"""Print the oldest dependencies that setup.cfg admits, as constraints for pip."""

import configparser
import re
from pathlib import Path

setup = configparser.ConfigParser()
setup.read(Path(__file__).parents[1] / "setup.cfg")
extras = setup["options.extras_require"]
wanted = "\n".join([setup["options"]["install_requires"], *(extras[name] for name in ("images", "text", "test"))])
for name, oldest in re.findall(r"^([\w-]+)>=([\d.]+)$", wanted, re.MULTILINE):
    print(f"{name}=={oldest}")
