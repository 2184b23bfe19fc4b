"""Pictures for pages that hold everything they show: curves as SVG text, images as data URIs."""

from tinycnn.plot.curves import training_curve
from tinycnn.plot.pictures import ink_picture, reduced, signed_picture

__all__ = ["ink_picture", "reduced", "signed_picture", "training_curve"]
