"""The pictures of the article (Figs 1-5), images, the loss, the bound's terms, the reverse chain as an animation.

>>> from numpy_diffusion import figures

imports matplotlib, which `import numpy_diffusion` does not.  Each function takes data and a path, writes one file
under a temporary name, moves it into place when it is whole, and returns the path; missing folders are made.
All of them look alike on any machine, whatever the user's matplotlibrc says, and leave its settings as they were.
"""

from numpy_diffusion.figures.animations import animation
from numpy_diffusion.figures.bound_terms import bound_terms
from numpy_diffusion.figures.chains import chain_against_jump, forward_reverse
from numpy_diffusion.figures.curves import loss_curve, schedules
from numpy_diffusion.figures.image_grid import image_grid, image_rows

__all__ = [
    "animation",
    "bound_terms",
    "chain_against_jump",
    "forward_reverse",
    "image_grid",
    "image_rows",
    "loss_curve",
    "schedules",
]
