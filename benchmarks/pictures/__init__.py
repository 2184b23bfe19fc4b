"""The lab's pictures, as PNG."""

from tinycnn.benchmarks.pictures.draw import draw

__all__ = ["draw"]
