"""What learners write in the place of SGD."""

from tinycnn.learn.case import Mutant

VELOCITY = "self.momentum * self.velocities[i] + g"
STEP = "p -= self.lr * self.velocities[i]"
DECAYED = "grads[i] + self.weight_decay * p"

MUTANTS = (
    Mutant("rate_in_velocity", ((VELOCITY, "self.momentum * self.velocities[i] + self.lr * g"),
                                (STEP, "p -= self.velocities[i]"))),
    Mutant("averaged", VELOCITY, "self.momentum * self.velocities[i] + (1 - self.momentum) * g"),
    Mutant("velocity_forgotten", VELOCITY, "g"),
    Mutant("nesterov", STEP, "p -= self.lr * (g + self.momentum * self.velocities[i])"),
    Mutant("decay_beside_momentum", ((DECAYED, "grads[i]"),
                                     (STEP, "p -= self.lr * (self.velocities[i] + self.weight_decay * p)"))),
    Mutant("decay_of_the_gradient", DECAYED, "grads[i] + self.weight_decay * grads[i]"),
    Mutant("grows_with_decay", DECAYED, "grads[i] - self.weight_decay * p"),
    Mutant("not_in_place", STEP, "p = p - self.lr * self.velocities[i]"),
    Mutant("shared_velocity", (("[np.zeros_like(p) for p in params]", "0.0"),
                               ("self.velocities[i]", "self.velocities"))),
    Mutant("uphill", STEP, "p += self.lr * self.velocities[i]"),
)  # fmt: skip
