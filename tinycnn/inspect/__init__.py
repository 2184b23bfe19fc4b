"""Looking inside: gradient check, trace of every step, summary of a model, its convolutions, feature maps and reasons.

The reasons for one class score are asked for in four ways: by gradients (`saliency`, `guided_backprop`), by gradients
and maps (`grad_cam`), by covering (`occlusion`); `randomisation_test` shows which of them to distrust.
"""

from tinycnn.inspect.activations import feature_maps
from tinycnn.inspect.convolutions import ModelConvolution, convolutions
from tinycnn.inspect.grad_cam import enlarged, grad_cam
from tinycnn.inspect.gradcheck import GradcheckReport, gradcheck
from tinycnn.inspect.gradients import guided_backprop, image_gradient, saliency
from tinycnn.inspect.occlusion import occlusion
from tinycnn.inspect.randomisation import cascading_randomisation, randomisation_test, rank_similarity
from tinycnn.inspect.summary import Summary, summary
from tinycnn.inspect.trace import Trace, trace
from tinycnn.inspect.trace.crop import trace_part

__all__ = [
    "GradcheckReport",
    "ModelConvolution",
    "Summary",
    "Trace",
    "cascading_randomisation",
    "convolutions",
    "enlarged",
    "feature_maps",
    "grad_cam",
    "gradcheck",
    "guided_backprop",
    "image_gradient",
    "occlusion",
    "randomisation_test",
    "rank_similarity",
    "saliency",
    "summary",
    "trace",
    "trace_part",
]
