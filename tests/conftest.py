"""The draws of Hypothesis are the same in every run, so that a green suite stays green until something is changed.

New draws, to look for what these miss: `python -m pytest --hypothesis-profile default`.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")
