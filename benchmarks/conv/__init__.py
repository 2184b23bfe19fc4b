"""The convolution lab: algorithms against each other, and against other engines."""
