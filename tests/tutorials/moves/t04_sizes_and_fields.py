"""Where the controls of tutorial 4 are moved to, and what NumPy says the page must show then."""

import numpy as np

from tests.tutorials.move import Move


def axis(size, kernel, stride, padding, dilation):
    """Count the windows one by one."""
    span = dilation * (kernel - 1) + 1
    starts = [start for start in range(0, size + 2 * padding, stride) if start + span <= size + 2 * padding]
    return {
        "span": span,
        "before_floor": (size + 2 * padding - span) / stride + 1,
        "by_rule": len(starts),
        "by_engine": len(starts),
        "never_read": size + 2 * padding - starts[-1] - span,
    }


def field(pixels, jump):
    return {
        "field_by_rule": pixels,
        "field_by_pixels": pixels,
        "field_by_gradient": pixels,
        "field_by_summary": pixels,
        "jump": jump,
    }


def paths(depth):
    """The share of each column: one box of three for each layer."""
    shares = np.ones(1)
    for _ in range(depth):
        shares = np.convolve(shares, np.ones(3) / 3)
    halves = [half for half in range(depth + 1) if shares[depth - half : depth + half + 1].sum() >= 0.95]
    return {"whole_field": 2 * depth + 1, "most_field": 2 * halves[0] + 1, "outermost": 3.0**-depth}


MOVES = (
    Move("size", 12, axis(12, 3, 3, 0, 1)),
    Move("kernel", 4, axis(12, 4, 3, 0, 1)),
    Move("stride", 2, axis(12, 4, 2, 0, 1)),
    Move("padding", 1, axis(12, 4, 2, 1, 1)),
    Move("dilation", 2, axis(12, 4, 2, 1, 2)),
    Move("mode", "full", {"mode_size": 10, "added": 4}),
    Move("mode_kernel", 5, {"mode_size": 12, "added": 8}),
    Move("mode", "valid", {"mode_size": 4, "added": 0}),
    Move("mode", "same", {"mode_size": 8, "added": 4}),
    Move("chain", "3 × 3 twice", field(5, 1)),
    Move("chain", "3 × 3 three times", field(7, 1)),
    Move("chain", "3 × 3 with dilation 1, 2, 4", field(1 + 2 + 4 + 8, 1)),
    Move("chain", "LeNet-5 up to S4", field(5 + 1 + 4 * 2 + 2, 4)),
    Move("chain", "AlexNet's conv1 and pool1", field(11 + 2 * 4, 8)),
    Move("chain", "3 × 3, pool 2 × 2", field(2 + 3 - 1, 2)),
    Move(
        "channels_of_layer",
        256,
        {"two_of_3": 18 * 256**2, "one_of_5": 25 * 256**2, "three_of_3": 27 * 256**2, "one_of_7": 49 * 256**2},
    ),
    Move("depth", 3, paths(3)),
    Move("depth", 18, paths(18)),
)
