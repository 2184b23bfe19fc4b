"""Looking inside: gradient check, trace of every step, summary of a model, its convolutions, its feature maps."""

from tinycnn.inspect.activations import feature_maps
from tinycnn.inspect.convolutions import ModelConvolution, convolutions
from tinycnn.inspect.gradcheck import GradcheckReport, gradcheck
from tinycnn.inspect.summary import Summary, summary
from tinycnn.inspect.trace import Trace, trace
from tinycnn.inspect.trace.crop import trace_part

__all__ = [
    "GradcheckReport",
    "ModelConvolution",
    "Summary",
    "Trace",
    "convolutions",
    "feature_maps",
    "gradcheck",
    "summary",
    "trace",
    "trace_part",
]
