"""Output size.

Write output_size(size, kernel, stride, padding, dilation): how many windows fit along one axis. All are whole numbers;
padding is added on both sides, and the entries of a dilated kernel are dilation apart.

    floor((size + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1

Raise ValueError where not even one window fits.
"""


def output_size(size, kernel, stride, padding, dilation):
    """Number of windows along one axis."""
    # --- solution
    span = dilation * (kernel - 1) + 1
    room = size + 2 * padding - span
    if room < 0:
        raise ValueError(f"a window of {span} never fits in {size} with padding {padding}")
    return room // stride + 1
    # --- stub
    # raise NotImplementedError("write output_size")
    # --- end
