"""Optimisers, which move parameters against their gradients, and schedules, which set the learning rate meanwhile.

An optimiser is made from ``model.parameters()``; after each backward pass ``step()`` moves them and ``zero_grad()``
forgets the gradients. A schedule is made from the optimiser and stepped once an epoch (or once a batch, where its
arguments count batches).
"""

from tinycnn.optim.adam import Adam, AdamW
from tinycnn.optim.optimizer import Optimizer
from tinycnn.optim.plateau import ReduceLROnPlateau
from tinycnn.optim.schedule import CosineAnnealingLR, MultiStepLR, Schedule, StepLR, WarmupLR
from tinycnn.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "MultiStepLR",
    "Optimizer",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
    "WarmupLR",
]
