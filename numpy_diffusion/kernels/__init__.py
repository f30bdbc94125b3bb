"""Numba twins of the hot operations: nothing here is needed to understand the mathematics."""
