"""Reproduce medical-image-segmentation papers from the published bytes."""

__version__ = "0.1.0"
