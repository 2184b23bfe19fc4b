"""What learners write in the place of col2im."""

from tinycnn.learn.case import Mutant

AXES = "columns.reshape(C, R, S, N, P, Q)"
PLACE = "p * stride + r, q * stride + s"
RESULT = "padded[:, :, padding : padding + H, padding : padding + W]"
ADDED = f"padded[:, :, {PLACE}] += columns[:, r, s, :, p, q].T"
TAP_BY_TAP = """
    for r in range(R):
        for s in range(S):
            for p in range(P):
                for q in range(Q):
"""
WINDOW_BY_WINDOW = """
    for p in range(P):
        for q in range(Q):
            for r in range(R):
                for s in range(S):
"""

MUTANTS = (
    Mutant("overwritten", f"{PLACE}] +=", f"{PLACE}] ="),
    Mutant("overwritten_by_the_last", ((TAP_BY_TAP, WINDOW_BY_WINDOW), (f"{PLACE}] +=", f"{PLACE}] ="))),
    Mutant(
        "averaged",
        (
            ("    for r in range(R):\n", "    count = np.zeros_like(padded)\n    for r in range(R):\n"),
            (ADDED, f"{ADDED}; count[:, :, {PLACE}] += 1"),
            (RESULT, f"(padded / np.maximum(count, 1)){RESULT.removeprefix('padded')}"),
        ),
    ),
    Mutant("padding_kept", RESULT, "padded"),
    Mutant("cut_at_the_end", RESULT, "padded[:, :, :H, :W]"),
    Mutant("minus_zero", RESULT, "padded[:, :, padding:-padding, padding:-padding]"),
    Mutant("channels_last", AXES, "columns.reshape(R, S, C, N, P, Q).transpose(2, 0, 1, 3, 4, 5)"),
    Mutant("images_last", AXES, "columns.reshape(C, R, S, P, Q, N).transpose(0, 1, 2, 5, 3, 4)"),
    Mutant("reshaped_only", AXES, "columns.reshape(N, P, Q, C, R, S).transpose(3, 4, 5, 0, 1, 2)"),
    Mutant("window_transposed", AXES, "columns.reshape(C, S, R, N, P, Q).swapaxes(1, 2)"),
    Mutant("stride_forgotten", PLACE, "p + r, q + s"),
    Mutant("flipped", "columns[:, r, s, :", "columns[:, -1 - r, -1 - s, :"),
    Mutant("images_for_channels", "columns[:, r, s, :, p, q].T", "columns[:, r, s, :, p, q]"),
)
