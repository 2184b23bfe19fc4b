"""Wrong softmax cross-entropy."""

from tinycnn.learn.case import Mutant

LOG = "log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))"
SOFTMAX = "np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)"

MUTANTS = (
    Mutant("overflows", "logits - logits.max(axis=1, keepdims=True)", "logits"),
    Mutant("one_maximum", "logits.max(axis=1, keepdims=True)", "logits.max()"),
    Mutant("log_of_zero", LOG, f"log_p = np.log({SOFTMAX})"),
    Mutant("epsilon", LOG, f"log_p = np.log({SOFTMAX} + 1e-12)"),
    Mutant("sum_over_batch", ((".mean()", ".sum()"), ("return grad * p / len(targets)", "return grad * p"))),
    Mutant("batch_forgotten", "return grad * p / len(targets)", "return grad * p"),
    Mutant("mean_of_all", "return grad * p / len(targets)", "return grad * p / p.size"),
    Mutant("across_the_batch", ".sum(axis=1, keepdims=True)", ".sum(axis=0, keepdims=True)"),
    Mutant("every_row", "[np.arange(len(targets)), targets]", "[:, targets]"),
    Mutant("sign_of_loss", "return -log_p", "return log_p"),
    Mutant("p_alone", "targets] -= 1", "targets] -= 0"),
    Mutant("sign_of_gradient", "return grad * p", "return -grad * p"),
    Mutant("upstream_ignored", "return grad * p", "return p"),
    Mutant("own_logit", "return grad * p / len(targets)", "return grad * np.minimum(p, 0) / len(targets)"),
)
