"""Exit statuses."""

DONE = 0
FAILED = 1
"""A check failed, or a training diverged."""
BAD_INPUT = 2
INTERRUPTED = 130
PIPE_CLOSED = 141
"""Whoever read the output went away, as in ``tinycnn info | head -3``."""
