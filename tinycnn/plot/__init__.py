"""Pictures: for pages, curves as SVG text and images as data URIs, with all that they show; the lab's as PNG."""

from tinycnn.plot.curves import training_curve
from tinycnn.plot.lab import draw
from tinycnn.plot.pictures import ink_picture, reduced, signed_picture

__all__ = ["draw", "ink_picture", "reduced", "signed_picture", "training_curve"]
