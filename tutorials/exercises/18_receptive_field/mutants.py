"""What learners write in the place of receptive_field."""

from tinycnn.learn.case import Mutant

GROWTH = "size += (kernel - 1) * jump"
SHIFT = "start -= padding * jump"
JUMP = "        jump *= stride\n"
LINES = f"        {GROWTH}\n        {SHIFT}\n"

MUTANTS = (
    Mutant("own_stride_first", LINES + JUMP, JUMP + LINES),
    Mutant("strides_ignored", "(kernel - 1) * jump", "(kernel - 1)"),
    Mutant("own_stride_only", "(kernel - 1) * jump", "(kernel - 1) * stride"),
    Mutant("kernels_added", "(kernel - 1) * jump", "kernel * jump"),
    Mutant("strides_added", "jump *= stride", "jump += stride - 1"),
    Mutant("start_not_scaled", SHIFT, "start -= padding"),
    Mutant("padding_grows", GROWTH, "size += (kernel - 1 + 2 * padding) * jump"),
    Mutant("padding_ignored", f"        {SHIFT}\n", ""),
    Mutant("start_positive", "start -=", "start +="),
    Mutant("last_layer_first", "zip(kernels, strides, paddings, strict=True)",
           "reversed(list(zip(kernels, strides, paddings, strict=True)))"),
)  # fmt: skip
