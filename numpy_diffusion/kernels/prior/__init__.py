"""The prior in Numba: the twin of `networks/prior/definition.py`."""
