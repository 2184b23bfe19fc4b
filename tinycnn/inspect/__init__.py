"""Looking inside: gradient check, summary of a model, what its layers make of an image."""

from tinycnn.inspect.activations import feature_maps
from tinycnn.inspect.gradcheck import GradcheckReport, gradcheck
from tinycnn.inspect.summary import Summary, summary

__all__ = ["GradcheckReport", "Summary", "feature_maps", "gradcheck", "summary"]
