"""Looking inside: gradient check, summary of a model."""

from tinycnn.inspect.gradcheck import GradcheckReport, gradcheck
from tinycnn.inspect.summary import Summary, summary

__all__ = ["GradcheckReport", "Summary", "gradcheck", "summary"]
