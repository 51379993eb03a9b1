"""Goldenrod: the open, self-hosted catalogue of golden machine images."""

__version__ = "0.1.0"
