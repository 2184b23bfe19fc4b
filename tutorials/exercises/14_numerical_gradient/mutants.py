"""Wrong numerical gradients."""

from tinycnn.learn.case import Mutant

COPIES = "x.astype(float), x.astype(float)"
DIFFERENCE = "(f(up) - f(down))).sum() / (2 * h)"
STEPS = f"""up, down = {COPIES}
        up[i] += h
        down[i] -= h
        dx[i] = (grad * (f(up) - f(down)))"""

MUTANTS = (
    Mutant("forward_difference", DIFFERENCE, "(f(up) - f(x))).sum() / h"),
    Mutant("backward_difference", DIFFERENCE, "(f(x) - f(down))).sum() / h"),
    Mutant("one_step", DIFFERENCE, "(f(up) - f(down))).sum() / h"),
    Mutant("no_brackets", DIFFERENCE, "(f(up) - f(down))).sum() / 2 * h"),
    Mutant("upstream_ignored", "(grad * (f(up) - f(down)))", "(f(up) - f(down))"),
    Mutant("mean", "(f(up) - f(down))).sum()", "(f(up) - f(down))).mean()"),
    Mutant("own_result", "(f(up) - f(down))).sum()", "(f(up) - f(down))).flat[np.ravel_multi_index(i, x.shape)]"),
    Mutant("all_at_once", (("up[i] +=", "up +="), ("down[i] -=", "down -="))),
    Mutant("integers", COPIES, "x.copy(), x.copy()"),
    Mutant("same_array", (("up, down = x.astype(float), x.astype(float)", "up = down = x.astype(float)"),)),
    Mutant(
        "result_is_a_view",
        STEPS,
        """moved = x.astype(float)
        moved[i] += h
        high = f(moved)
        moved[i] -= 2 * h
        dx[i] = (grad * (high - f(moved)))""",
    ),
    Mutant(
        "never_put_back",
        (
            ("dx = np.zeros(x.shape)", "dx, moved = np.zeros(x.shape), x.astype(float)"),
            (
                STEPS,
                """moved[i] += h
        high = f(moved).copy()
        moved[i] -= 2 * h
        dx[i] = (grad * (high - f(moved)))""",
            ),
        ),
    ),
)
