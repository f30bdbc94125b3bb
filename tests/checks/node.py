"""JavaScript outside a browser: what an expression comes to, with the page's own files before it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

from numpy_diffusion.figures.explorables import MATHEMATICS, script

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node on this machine")


def value(expression: str, **given: Any) -> Any:
    """The value of an expression, in which the given values have their names; arrays come back as lists.

    NaN and the infinities come as JSON has them, as null.
    """
    assert NODE is not None
    names = "\n".join(f"const {name} = {json.dumps(_plain(what))};" for name, what in given.items())
    plain = "(key, found) => ArrayBuffer.isView(found) ? Array.from(found) : found"
    program = f'"use strict";\n{script(*MATHEMATICS)}\n{names}\nconsole.log(JSON.stringify({expression}, {plain}));'
    done = subprocess.run([NODE, "-"], input=program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _plain(what: Any) -> Any:
    return what.tolist() if isinstance(what, np.ndarray) else what
