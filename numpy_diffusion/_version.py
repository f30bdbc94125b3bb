"""The version: of the package, of its command, and of what its files say wrote them."""

__version__ = "0.1.0"
