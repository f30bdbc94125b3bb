"""The command `numpy-diffusion`."""

from numpy_diffusion.cli.commands import main

__all__ = ["main"]
