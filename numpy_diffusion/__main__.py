"""`python -m numpy_diffusion` is `numpy-diffusion`."""

import sys

from numpy_diffusion.cli import main

sys.exit(main())
