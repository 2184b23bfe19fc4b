"""Wrong activations."""

from tinycnn.learn.case import Mutant

MUTANTS = (
    Mutant("axis", "np.maximum(x, 0)", "np.max(x, 0)"),
    Mutant("absolute", "np.maximum(x, 0)", "np.abs(x)"),
    Mutant("grad_mask", "grad * (x > 0)", "grad * (grad > 0)"),
    Mutant("both_masks", "grad * (x > 0)", "grad * ((x > 0) & (grad > 0))"),
    Mutant("passes_at_zero", "(x > 0)", "(x >= 0)"),
    Mutant("half_at_zero", "(x > 0)", "((x > 0) + 0.5 * (x == 0))"),
    Mutant("mask_alone", "grad * (x > 0)", "(x > 0) * 1.0"),
    Mutant("relu_times_input", "grad * (x > 0)", "grad * np.maximum(x, 0)"),
    Mutant("overflows", "np.tanh(x)", "(np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))"),
    Mutant("overflows_above", "np.tanh(x)", "(np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)"),
    Mutant("not_squared", "(1 - y * y)", "(1 - y)"),
    Mutant("tanh_twice", "(1 - y * y)", "(1 - np.tanh(y) ** 2)"),
    Mutant("sigmoid", "(1 - y * y)", "y * (1 - y)"),
    Mutant("upstream_ignored", "grad * (1 - y * y)", "1 - y * y"),
)
