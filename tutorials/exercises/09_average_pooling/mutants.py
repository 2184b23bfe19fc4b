"""Wrong average pooling."""

from tinycnn.learn.case import Mutant

SPREAD = "wide[:, :, top : top + kernel_size, left : left + kernel_size] += share[:, :, None, None]"

MUTANTS = (
    Mutant("overwrites", SPREAD, SPREAD.replace("+=", "=")),
    Mutant("sum_forward", "window.sum(axis=(2, 3)) / kernel_size**2", "window.sum(axis=(2, 3))"),
    Mutant("whole_gradient", "share = grad[:, :, p, q] / kernel_size**2", "share = grad[:, :, p, q]"),
    Mutant("one_side", "/ kernel_size**2", "/ kernel_size"),
    Mutant(
        "padding_left_out",
        "/ kernel_size**2",
        "/ ((min(top + kernel_size, padding + H) - max(top, padding))"
        " * (min(left + kernel_size, padding + W) - max(left, padding)))",
    ),
    Mutant(
        "to_corner",
        SPREAD,
        "wide[:, :, top, left] += grad[:, :, p, q]",
    ),
    Mutant("stride_ignored", "p * stride, q * stride", "p, q"),
    Mutant("uncropped", "return wide[:, :, padding : padding + H, padding : padding + W]", "return wide"),
    Mutant("global_over_batch", "axis=(2, 3), keepdims=True", "axis=(0, 2, 3), keepdims=True"),
    Mutant("global_over_channels", "axis=(2, 3), keepdims=True", "axis=(1, 2, 3), keepdims=True"),
    Mutant("global_flat", "axis=(2, 3), keepdims=True", "axis=(2, 3)"),
    Mutant("global_whole_gradient", "np.ones(shape) * grad / (H * W)", "np.ones(shape) * grad"),
    Mutant("global_all_sizes", "/ (H * W)", "/ (N * C * H * W)"),
)
