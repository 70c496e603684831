"""The version of the package, written into everything it makes."""

__version__ = "0.1.0"
