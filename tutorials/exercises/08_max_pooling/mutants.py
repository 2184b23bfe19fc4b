"""Wrong max pooling."""

from tinycnn.learn.case import Mutant

WINNER = "wide[n, c, top + r, left + s] += grad[n, c, p, q]"
WINDOW = "wide[n, c, top : top + kernel_size, left : left + kernel_size] += "

MUTANTS = (
    Mutant("zero_padding", "-np.inf", "0.0"),
    Mutant("overwrites", WINNER, WINNER.replace("+=", "=")),
    Mutant("all_maxima", WINNER, f"{WINDOW}grad[n, c, p, q] * (window == window.max())"),
    Mutant(
        "shared_tie",
        WINNER,
        f"{WINDOW}grad[n, c, p, q] * (window == window.max()) / (window == window.max()).sum()",
    ),
    Mutant("last_maximum", "window.argmax()", "window.size - 1 - window[::-1, ::-1].argmax()"),
    Mutant("every_cell", WINNER, f"{WINDOW}grad[n, c, p, q]"),
    Mutant("counts_wins", WINNER, WINNER.replace("grad[n, c, p, q]", "1")),
    Mutant("window_place", WINNER, "wide[n, c, p + r, q + s] += grad[n, c, p, q]"),
    Mutant("stride_ignored", "p * stride, q * stride", "p, q"),
    Mutant("uncropped", "return wide[:, :, padding : padding + H, padding : padding + W]", "return wide"),
    Mutant(
        "cropped_late",
        "return wide[:, :, padding : padding + H, padding : padding + W]",
        "return wide[:, :, :H, :W]",
    ),
)
