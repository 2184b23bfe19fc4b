"""What learners write in the place of correlate2d."""

from tinycnn.learn.case import Mutant

TERM = "y[p, q] += x[p + r, q + s] * w[r, s]"

MUTANTS = (
    Mutant("flipped", "w[r, s]", "w[-1 - r, -1 - s]"),
    Mutant("flipped_rows", "w[r, s]", "w[-1 - r, s]"),
    Mutant("transposed", "x[p + r, q + s]", "x[p + s, q + r]"),
    Mutant("overwritten", "y[p, q] +=", "y[p, q] ="),
    Mutant(
        "carried_over",
        (
            ("y = np.zeros((P, Q))", "y, total = np.zeros((P, Q)), 0.0"),
            (TERM, "total += x[p + r, q + s] * w[r, s]; y[p, q] = total"),
        ),
    ),
    Mutant("averaged", "* w[r, s]", "* w[r, s] / w.size"),
    Mutant("last_window_lost", "H - R + 1, W - S + 1", "H - R, W - S"),
    Mutant("output_swapped", (("np.zeros((P, Q))", "np.zeros((Q, P))"), ("y[p, q]", "y[q, p]"))),
    Mutant("window_stands_still", "x[p + r, q + s]", "x[r, s]"),
)
