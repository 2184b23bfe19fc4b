"""What learners write in the place of output_size."""

from tinycnn.learn.case import Mutant

CHECK = "if room < 0:"
ROOM = "size + 2 * padding - span"

MUTANTS = (
    Mutant("one_too_few", "room // stride + 1", "room // stride"),
    Mutant("rounded_up", "room // stride + 1", "-(-room // stride) + 1"),
    Mutant("not_floored", "room // stride + 1", "room / stride + 1"),
    Mutant("plus_one_inside", "room // stride + 1", "(room + 1) // stride"),
    Mutant("padding_once", ROOM, "size + padding - span"),
    Mutant("padding_ignored", ROOM, "size - span"),
    Mutant("dilation_ignored", "dilation * (kernel - 1) + 1", "kernel"),
    Mutant("dilation_times_kernel", "dilation * (kernel - 1) + 1", "dilation * kernel"),
    Mutant("never_refuses", CHECK, "if False:"),
    Mutant("gives_zero", CHECK, "if room < 0:\n        return 0\n    if False:"),
    Mutant("cut_towards_zero", ((CHECK, "if int(room / stride) + 1 < 1:"), ("room // stride", "int(room / stride)"))),
    Mutant("check_without_padding", CHECK, "if size < span:"),
    Mutant("check_refuses_exact_fit", CHECK, "if room <= 0:"),
)
