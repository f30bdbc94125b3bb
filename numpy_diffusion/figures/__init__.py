"""The pictures of the article (Figs 1-5), images, the loss, the bound's terms, the reverse chain as an animation.

>>> from numpy_diffusion import figures

imports matplotlib, which `import numpy_diffusion` does not; `nd.figures` is the same.  Each function takes data and
returns a matplotlib Figure, which shows itself in a notebook.  Where it is given a path, it also writes a PNG there,
under a temporary name that is moved into place when it is whole; missing folders are made.  What fits on one axes
can be drawn on the user's, `ax`.  `animation` and `explorable` always write a file, and return its path.

All of them look alike on any machine, whatever the user's matplotlibrc says, and leave its settings as they were:
`style` has what a figure of one's own needs to look like them.
"""

from numpy_diffusion.figures import style
from numpy_diffusion.figures.animations import animation
from numpy_diffusion.figures.bound_terms import bound_terms
from numpy_diffusion.figures.chains import chain_against_jump, forward_reverse
from numpy_diffusion.figures.curves import loss_curve, schedules
from numpy_diffusion.figures.explorables import explorable
from numpy_diffusion.figures.image_grid import captioned_images, image_grid, image_rows

__all__ = [
    "animation",
    "bound_terms",
    "captioned_images",
    "chain_against_jump",
    "explorable",
    "forward_reverse",
    "image_grid",
    "image_rows",
    "loss_curve",
    "schedules",
    "style",
]


def __dir__() -> list[str]:
    return __all__
