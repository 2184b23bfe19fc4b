"""LeNet-5, assembled.

Write lenet5(classes): one nn.Sequential of the twelve layers of LeNet-5, as it is taught today.
"""

from tinycnn import nn


def lenet5(classes):
    """(N, 1, 32, 32) -> (N, classes)."""
    # --- solution
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 120, 5),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, classes),
    )
    # --- stub
    # raise NotImplementedError("write lenet5: return nn.Sequential(first layer, second layer, …)")
    # --- end
