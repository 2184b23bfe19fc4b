"""Wrong local response normalisation."""

from tinycnn.learn.case import Mutant

BEFORE, AFTER = "c - size // 2", "c + (size - 1) // 2"
TERM = "dx[:, first : last + 1] -= 2 * alpha * beta * x[:, first : last + 1] * share[:, None]"

MUTANTS = (
    Mutant("mean", (("+= alpha", "+= alpha / size"), ("2 * alpha", "2 * alpha / size"))),
    Mutant("mean_of_present", ((".sum(axis=1)", ".mean(axis=1)"), ("2 * alpha", "2 * alpha / (last + 1 - first)"))),
    Mutant("last_channel_lost", "first : last + 1", "first : last"),
    Mutant("mirrored", ((BEFORE, "c - (size - 1) // 2"), (AFTER, "c + size // 2"))),
    Mutant("always_odd", AFTER, "c + size // 2"),
    Mutant("negative_start", "max(0, c - size // 2)", "c - size // 2"),
    Mutant("over_space", "** 2).sum(axis=1)", "** 2).sum(axis=(1, 2, 3))[:, None, None]"),
    Mutant("multiplied", "return x * d**-beta", "return x * d**beta"),
    Mutant("norm_constant", TERM, "dx[:, c] -= 0 * share"),
    Mutant("own_output", TERM, "dx[:, c] -= 2 * alpha * beta * x[:, c] * share"),
    Mutant("neighbours_factor", TERM, TERM.replace("x[:, first : last + 1] *", "x[:, c, None] *")),
    Mutant(
        "window_not_turned",
        TERM,
        "dx[:, c] -= 2 * alpha * beta * x[:, c] * (grad * x * d ** (-beta - 1))[:, first : last + 1].sum(axis=1)",
    ),
    Mutant("no_two", "2 * alpha * beta", "alpha * beta"),
    Mutant("power", "(-beta - 1)", "-beta"),
    Mutant("upstream_once", "share = grad[:, c] * x[:, c]", "share = x[:, c]"),
)
