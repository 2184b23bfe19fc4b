"""The receptive field of a chain of layers.

Write receptive_field(kernels, strides, paddings), which returns three whole numbers (size, stride, start).
"""


def receptive_field(kernels, strides, paddings):
    """One number per layer in each tuple, the first layer first -> (size, stride, start)."""
    # --- solution
    size, jump, start = 1, 1, 0
    for kernel, stride, padding in zip(kernels, strides, paddings, strict=True):
        size += (kernel - 1) * jump
        start -= padding * jump
        jump *= stride
    return size, jump, start
    # --- stub
    # raise NotImplementedError("write receptive_field")
    # --- end
