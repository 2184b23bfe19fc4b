"""Wrong dropout."""

from tinycnn.learn.case import Mutant

MUTANTS = (
    Mutant("no_scale", " / (1 - p)", ""),
    Mutant(
        "scaled_at_evaluation",
        (
            (" / (1 - p)", ""),
            ("return x.copy()", "return x * (1 - p)"),
            ("return grad.copy()", "return grad * (1 - p)"),
        ),
    ),
    Mutant("always_training", "if not training:", "if False:"),
    Mutant("kept_below", "u >= p", "u < p"),
    Mutant("p_is_kept", (("u >= p", "u < p"), ("/ (1 - p)", "/ p"))),
    Mutant("divided_by_p", "/ (1 - p)", "/ p"),
    Mutant("multiplied", "/ (1 - p)", "* (1 - p)"),
    Mutant("strict", "u >= p", "u > p"),
    Mutant("gradient_of_all", "np.where(u >= p, grad / (1 - p), 0)", "grad / (1 - p)"),
    Mutant("gradient_not_scaled", "grad / (1 - p)", "grad"),
    Mutant("gradient_of_training", "return grad.copy()", "return np.where(u >= p, grad / (1 - p), 0)"),
    Mutant("gradient_untouched", "np.where(u >= p, grad / (1 - p), 0)", "grad.copy()"),
)
