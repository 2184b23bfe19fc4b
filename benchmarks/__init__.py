"""The convolution lab and the comparisons."""
