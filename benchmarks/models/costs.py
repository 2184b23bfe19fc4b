"""What a model costs by its sizes, operations and memory, known before it runs; a refusal of what would not fit."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from tinycnn.backend import use_backend
from tinycnn.benchmarks.memory import PROCESS
from tinycnn.benchmarks.models.worker import TRAIN
from tinycnn.inspect import summary
from tinycnn.models import architecture
from tinycnn.wording import counted, readable_bytes

FLOAT = 4  # bytes
SCRATCH = (
    1.3  # of what the sizes say: kernels' scratch memory, kept for the next step; on AlexNet and VGG-11 so measured
)


@dataclass(frozen=True)
class Cost:
    """Figures of a model, those of activations for one image.

    Attributes
    ----------
    multiply_adds, first
        Of the forward pass, counted as direct convolution, and of the first layer that has any.
    weights, trained
        Bytes of all parameters and buffers, and of those that are trained.
    kept
        Bytes that a backward pass needs kept.
    largest
        Bytes of the two largest activations: one is read while the other is written.
    image
        Bytes of an image.
    """

    multiply_adds: int
    first: int
    weights: int
    trained: int
    kept: int
    largest: int
    image: int

    def flops(self, work: str, batch: int) -> int:
        """Operations of a step, two for a multiply-add.

        Training takes three times what inference does, as each multiply-add has a gradient on two sides, but no
        gradient of the images is computed.
        """
        return 2 * batch * (3 * self.multiply_adds - self.first if work == TRAIN else self.multiply_adds)

    def bytes(self, work: str, batch: int) -> int:
        """Memory of a process that does it, about."""
        needed = self.weights + batch * (self.largest + self.image)
        if work == TRAIN:
            needed += 2 * self.trained + batch * self.kept  # gradients, and the optimiser's momentum
        return PROCESS + round(SCRATCH * needed)


class Costs:
    """Finds costs, in a worker: building VGG takes memory that is then given back."""

    def __init__(self) -> None:
        use_backend("numpy")  # which compiles nothing

    def of(self, name: str) -> Cost:
        """Those of a model."""
        found = architecture(name)
        told = summary(found.build(), found.input_shape)
        step = told.memory(batch_size=1, states=1)
        image = FLOAT * prod(found.input_shape)
        sizes = sorted((FLOAT * prod(layer.output_shape) for layer in told.layers), reverse=True)
        first = next(layer.multiply_adds for layer in told.layers if layer.multiply_adds)
        weights = told.multiply_adds, first, step.parameters, step.gradients
        return Cost(*weights, step.activations, sum(sizes[:2]), image)


def require_memory(name: str, work: str, batch: int, sides: int, cost: Cost, free: int) -> None:
    """Refuse work that would not fit.

    Parameters
    ----------
    name, work, batch
        What is to be done.
    sides
        In how many processes at once.
    cost
        The model's.
    free
        Bytes that there are.

    Raises
    ------
    ValueError
        Naming the largest power of two that fits.
    """
    needed = sides * cost.bytes(work, batch)
    if needed <= free:
        return
    powers = (1 << i for i in range(batch.bit_length()))
    fitting = [size for size in powers if sides * cost.bytes(work, size) <= free]
    doing = ("train" if work == TRAIN else "infer") + (f", in {sides} processes at once" if sides > 1 else "")
    fix = f"--batch {fitting[-1]} would fit" if fitting else "not even one image fits"
    if not fitting and sides > 1:
        fix += "; fewer of --against and --backend need less"
    raise ValueError(
        f"{name} with {counted(batch, 'image')} needs about {readable_bytes(needed)} to {doing}, "
        f"{readable_bytes(max(0, free))} are free here: {fix}"
    )
