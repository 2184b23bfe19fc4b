"""What learners assemble in the place of LeNet-5."""

from tinycnn.learn.case import Mutant

MUTANTS = (
    Mutant("padded", "nn.Conv2d(1, 6, 5)", "nn.Conv2d(1, 6, 5, padding=2)"),
    Mutant("max_pool", "nn.AvgPool2d(2)", "nn.MaxPool2d(2)"),
    Mutant("pool_stride_1", "nn.AvgPool2d(2)", "nn.AvgPool2d(2, 1)"),
    Mutant("relu", "nn.Tanh()", "nn.ReLU()"),
    Mutant("three_by_three", (("nn.Conv2d(1, 6, 5)", "nn.Conv2d(1, 6, 3)"),
                              ("nn.Conv2d(6, 16, 5)", "nn.Conv2d(6, 16, 3)"))),
    Mutant("no_bias", (("6, 5)", "6, 5, bias=False)"), ("120, 5)", "120, 5, bias=False)"))),
    Mutant("no_activation", "        nn.Tanh(),\n", ""),
    Mutant("full_c5", (("        nn.Conv2d(16, 120, 5),\n        nn.Tanh(),\n        nn.Flatten(),\n",
                        "        nn.Flatten(),\n        nn.Linear(16 * 5 * 5, 120),\n        nn.Tanh(),\n"),)),
    Mutant("not_flattened", "        nn.Flatten(),\n", ""),
    Mutant("f6_linear", "nn.Linear(120, 84),\n        nn.Tanh(),\n", "nn.Linear(120, 84),\n"),
    Mutant("squashed_output", "nn.Linear(84, classes),\n", "nn.Linear(84, classes),\n        nn.Tanh(),\n"),
    Mutant("always_ten", "nn.Linear(84, classes)", "nn.Linear(84, 10)"),
)  # fmt: skip
