"""Figures for notebooks; pictures for pages that hold everything they show: curves as SVG text, images as data URIs."""

from tinycnn.plot.data_uri import ink_picture, reduced, signed_picture
from tinycnn.plot.figures import Figure, bars, curves, pictures
from tinycnn.plot.training_curves import training_curve

__all__ = ["Figure", "bars", "curves", "ink_picture", "pictures", "reduced", "signed_picture", "training_curve"]
