"""What learners write in the place of zero_pad."""

from tinycnn.learn.case import Mutant

SHAPE = "(N, C, top + H + bottom, left + W + right)"
PLACE = "top : top + H, left : left + W"

MUTANTS = (
    Mutant(
        "sides_swapped",
        ((f"np.zeros({SHAPE})", "np.zeros((N, C, left + H + right, top + W + bottom))"),
         (PLACE, "left : left + H, top : top + W")),
    ),
    Mutant("order_of_sides", "top, bottom, left, right = padding", "top, left, bottom, right = padding"),
    Mutant("symmetric", "right = padding", "right = padding\n    bottom, right = top, left"),
    Mutant("after_in_front", PLACE, "bottom : bottom + H, right : right + W"),
    Mutant("all_at_the_end", PLACE, ":H, :W"),
    Mutant("minus_zero", PLACE, "top:-bottom, left:-right"),
    Mutant("first_image", f"y[:, :, {PLACE}] = x", f"y[:1, :, {PLACE}] = x[:1]"),
    Mutant("first_channel", f"y[:, :, {PLACE}] = x", f"y[:, :1, {PLACE}] = x[:, :1]"),
    Mutant(
        "channels_last",
        ((f"np.zeros({SHAPE})", "np.zeros((N, top + C + bottom, left + H + right, W))"),
         (f"y[:, :, {PLACE}]", "y[:, top : top + C, left : left + H, :]")),
    ),
    Mutant("ones", "np.zeros", "np.ones"),
    Mutant("edge_repeated", "    return y",
           "    rows = np.clip(np.arange(y.shape[2]) - top, 0, H - 1)\n"
           "    columns = np.clip(np.arange(y.shape[3]) - left, 0, W - 1)\n"
           "    return x[:, :, rows][..., columns]"),
)  # fmt: skip
