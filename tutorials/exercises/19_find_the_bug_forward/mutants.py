"""What is left of the three bugs, and wrong ways to mend them."""

from tinycnn.learn.case import Mutant

SUM = "np.sum(window * w[k, c], axis=(1, 2))\n                y[:, k, p, q] += b[k]\n"

BIAS = (SUM, "np.sum(window * w[k, c], axis=(1, 2)) + b[k]\n")
ROWS, COLUMNS = "(H + 2 * padding - R) // stride", "(W + 2 * padding - S) // stride"
SIZES = ((ROWS, "(?)"), (COLUMNS, ROWS), ("(?)", COLUMNS))
STRIDE = ("p * stride, q * stride", "p * stride, q")

MUTANTS = (
    Mutant("untouched", (BIAS, *SIZES, STRIDE)),
    Mutant("bias_in_the_sum", (BIAS,)),
    Mutant("sizes_swapped", SIZES),
    Mutant("columns_without_stride", (STRIDE,)),
    Mutant("bias_and_sizes", (BIAS, *SIZES)),
    Mutant("bias_and_stride", (BIAS, STRIDE)),
    Mutant("sizes_and_stride", (*SIZES, STRIDE)),
    Mutant("bias_lost", "                y[:, k, p, q] += b[k]\n", ""),
    Mutant("bias_in_each_entry", (("window * w[k, c]", "window * w[k, c] + b[k]"),
                                  ("                y[:, k, p, q] += b[k]\n", ""))),
    Mutant("size_from_stride_1", (("- R) // stride + 1", "- R) + 1"), ("- S) // stride + 1", "- S) + 1"))),
)  # fmt: skip
