"""What learners write in the place of conv2d."""

from tinycnn.learn.case import Mutant

INSIDE = "if 0 <= h < H and 0 <= v < W:"
START = "                    total = b[k]\n"
CHANNELS = "                    for c in range(C):\n"
IMAGES = "            for p in range(P):\n"

MUTANTS = (
    Mutant("not_compiled", "@njit\n", ""),
    Mutant("wraps_around", INSIDE, "if h < H and v < W:"),
    Mutant("no_check", INSIDE, "if True:"),
    Mutant("border_lost", INSIDE, "if 0 < h < H and 0 < v < W:"),
    Mutant("last_lost", INSIDE, "if 0 <= h < H - 1 and 0 <= v < W - 1:"),
    Mutant("padding_added", (("r - padding", "r + padding"), ("s - padding", "s + padding"))),
    Mutant("carried_over", ((START, ""), (IMAGES, "            total = b[k]\n" + IMAGES))),
    Mutant("last_channel", ((START, ""), (CHANNELS, CHANNELS + "                        total = b[k]\n"))),
    Mutant("flipped", "w[k, c, r, s]", "w[k, c, R - 1 - r, S - 1 - s]"),
    Mutant("first_image", "x[n, c, h, v]", "x[0, c, h, v]"),
)  # fmt: skip
