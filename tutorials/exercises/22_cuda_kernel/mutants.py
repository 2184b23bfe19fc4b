"""What learners write in the place of the kernel's body."""

from tinycnn.learn.case import Mutant

CELL = "window[r * W + s]"
PLACE = "(plane * H + p * stride) * W + q * stride"

MUTANTS = (
    Mutant("no_bound", "    if (i >= planes * P * Q) return;\n", ""),
    Mutant("one_too_many", "i >= planes * P * Q", "i > planes * P * Q"),
    Mutant("block_forgotten", "blockIdx.x * blockDim.x + threadIdx.x", "threadIdx.x"),
    Mutant("starts_at_0", "best = window[0]", "best = 0"),
    Mutant("rows_of_the_window", CELL, "window[r * kernel + s]"),
    Mutant("stride_forgotten", PLACE, "(plane * H + p) * W + q"),
    Mutant("first_plane", PLACE, "p * stride * W + q * stride"),
    Mutant("p_and_q_swapped", "q = i % Q, p = i / Q % P", "p = i % P, q = i / P % Q"),
    Mutant("size_of_x", "i % Q, p = i / Q % P, plane = i / Q / P", "i % W, p = i / W % H, plane = i / W / H"),
    Mutant("nothing_written", "    y[i] = best;\n", ""),
    Mutant("one_cell_more", "r < kernel", "r <= kernel"),
)  # fmt: skip
