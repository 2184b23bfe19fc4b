"""Looking inside: gradient check, summary of a model, its convolutions, what its layers make of an image."""

from tinycnn.inspect.activations import feature_maps
from tinycnn.inspect.convolutions import ModelConvolution, convolutions
from tinycnn.inspect.gradcheck import GradcheckReport, gradcheck
from tinycnn.inspect.summary import Summary, summary

__all__ = [
    "GradcheckReport",
    "ModelConvolution",
    "Summary",
    "convolutions",
    "feature_maps",
    "gradcheck",
    "summary",
]
