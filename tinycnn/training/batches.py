"""Batches on the side of the model, and one sentence where memory does not suffice for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from tinycnn.arrays import Array, is_cupy
from tinycnn.nn import Module
from tinycnn.wording import readable_bytes

Batch = tuple[Array, Array]


def is_on_gpu(model: Module) -> bool:
    """Whether any of a model's parameters is on the GPU."""
    return any(is_cupy(parameter.data) for parameter in model.parameters())


def on_side_of(model: Module, batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches themselves where the model is in main memory, and copies on the GPU where it is there.

    A batch is copied while the one before it is computed on.

    Examples
    --------
    >>> import tinycnn as tc
    >>> images, labels = tc.data.digits("test")
    >>> loader = tc.data.DataLoader(images, labels)
    >>> images, labels = next(on_side_of(tc.models.lenet5().to("numpy"), loader.batches(0)))
    >>> images.shape
    (64, 8, 8)
    """
    if not is_on_gpu(model):
        return batches
    from tinycnn.kernels.cuda.stream import arriving

    return arriving(batches)


class NotEnoughMemory(MemoryError):
    """A MemoryError that says what would need less."""


@contextmanager
def room_for(images: Array, advice: str) -> Iterator[None]:
    """Say what to do where a batch needs more memory than there is.

    Parameters
    ----------
    images
        The batch.
    advice
        Names a smaller one, which ``{half}`` stands for: half as many images.

    Raises
    ------
    NotEnoughMemory
        With what was asked for and what there was, and the advice.
    """
    device = _device() if is_cupy(images) else None
    try:
        with device.explained() if device else nullcontext():
            yield
    except MemoryError as error:
        size = len(images)
        said = f"{str(error) or 'memory is used up'}; this was a batch of {size} image{'s' if size > 1 else ''}"
        if device:
            said += f", and {readable_bytes(device.used())} were in use"
        remedy = advice.format(half=size // 2) + " needs about half" if size > 1 else "a smaller model needs less"
        raise NotEnoughMemory(f"{said}: {remedy}") from None


def _device() -> Any:
    from tinycnn.kernels.cuda import device

    return device
