"""What learners write in the place of im2col."""

from tinycnn.learn.case import Mutant

RESULT = "columns.reshape(C * R * S, N * P * Q)"
STARTS = "p * stride + r, q * stride + s"

MUTANTS = (
    Mutant("windows_as_rows", RESULT, f"{RESULT}.T"),
    Mutant("channels_last", RESULT, "columns.transpose(1, 2, 0, 3, 4, 5).reshape(C * R * S, N * P * Q)"),
    Mutant("images_last", RESULT, "columns.transpose(0, 1, 2, 4, 5, 3).reshape(C * R * S, N * P * Q)"),
    Mutant("window_transposed", RESULT, "columns.swapaxes(1, 2).reshape(C * R * S, N * P * Q)"),
    Mutant("places_down_first", RESULT, "columns.swapaxes(4, 5).reshape(C * R * S, N * P * Q)"),
    Mutant("reshaped_only", RESULT, "columns.transpose(3, 4, 5, 0, 1, 2).reshape(C * R * S, N * P * Q)"),
    Mutant("images_for_channels", "q * stride + s].T", "q * stride + s]"),
    Mutant("stride_forgotten", STARTS, "p + r, q + s"),
    Mutant("stride_inside", STARTS, "(p + r) * stride, (q + s) * stride"),
    Mutant("not_padded", "    x = zero_pad(x, padding)\n", ""),
    Mutant("padding_after", "zero_pad(x, padding)\n", "np.roll(zero_pad(x, padding), (-padding, -padding), (2, 3))\n"),
    Mutant("flipped", "columns[:, r, s, :", "columns[:, -1 - r, -1 - s, :"),
    Mutant("first_image", f"x[:, :, {STARTS}]", f"x[:1, :, {STARTS}]"),
)
