"""What operations ask of their inputs, and sentences that guess the mistake."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinycnn.tensor import Tensor, as_tensor


def image_batch(name: str, value: Any) -> Tensor:
    """``value`` as a floating-point Tensor (N, C, H, W).

    Raises
    ------
    ValueError
        For another number of axes, with the reshape that was probably meant.
    TypeError
        For integers or booleans.
    """
    x = floating(name, "input", value)
    if x.ndim != 4:
        raise ValueError(f"{name} expected input (N, C, H, W), got {x.shape}{_reshape_hint(x.shape)}")
    return x


def channel_batch(name: str, value: Any) -> Tensor:
    """``value`` as a floating-point Tensor (N, C, …) of at least two axes.

    Raises
    ------
    ValueError, TypeError
        For fewer axes, or for integers.
    """
    x = floating(name, "input", value)
    if x.ndim < 2:
        raise ValueError(f"{name} expected input (N, C, …), got {x.shape}: one row is x.reshape(1, -1)")
    return x


def floating(name: str, argument: str, value: Any) -> Tensor:
    """``value`` as a Tensor of floating-point numbers.

    Raises
    ------
    TypeError
        For integers or booleans: they are converted where data enters, never inside an operation.
    """
    x = as_tensor(value)
    if x.dtype.kind != "f":
        scale = " / 255 for pixels" if x.dtype == np.uint8 else ""
        raise TypeError(
            f"{name} expected a floating-point {argument}, got {x.dtype}: x.astype(np.float32){scale} where data enters"
        )
    return x


def same_dtype(name: str, **tensors: Tensor | None) -> None:
    """Refuse tensors of different dtypes: mixing them would silently widen, and slow down, all that follows.

    Raises
    ------
    TypeError
        Naming each tensor and its dtype.
    """
    dtypes = [tensor.dtype for tensor in tensors.values() if tensor is not None]
    if dtypes.count(dtypes[0]) < len(dtypes):
        given = {argument: tensor for argument, tensor in tensors.items() if tensor is not None}
        told = ", ".join(f"{argument} {tensor.dtype}" for argument, tensor in given.items())
        first = next(iter(given.values()))
        raise TypeError(f"{name} got {told}: bring them to one dtype, for example .astype(np.{first.dtype})")


def axis(name: str, dim: Any, ndim: int) -> int:
    """``dim`` as an axis number from 0 to ndim − 1; negative numbers count from the end.

    Raises
    ------
    ValueError
        When there is no such axis.
    """
    if isinstance(dim, (bool, np.bool_)) or not isinstance(dim, (int, np.integer)):
        raise TypeError(f"{name}: dim must be an int, got {dim!r}")
    if not -ndim <= dim < ndim:
        raise ValueError(f"{name}: dim {dim} does not exist in a tensor of {ndim} axes")
    return int(dim) % ndim


def one_of(name: str, argument: str, value: Any, allowed: tuple[str, ...]) -> str:
    """``value`` where it is one of the allowed words.

    Raises
    ------
    ValueError
        Naming the words.
    """
    if value not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        raise ValueError(f"{name}: {argument} must be one of {words}, got {value!r}")
    return str(value)


def per_channel(name: str, argument: str, value: Any, channels: int, like: Tensor) -> Tensor | None:
    """``value`` as a floating-point Tensor of one number a channel, or None; plain numbers take the dtype of ``like``.

    Raises
    ------
    ValueError
        For another shape.
    """
    if value is None:
        return None
    x = floating(name, argument, as_tensor(value, like))
    if x.shape != (channels,):
        raise ValueError(f"{name}: {argument} must have one value for each of {channels} channels, got {x.shape}")
    return x


def _reshape_hint(shape: tuple[int, ...]) -> str:
    sizes = ", ".join(str(size) for size in shape)
    if len(shape) == 2:
        return f": one grey image is x.reshape(1, 1, {sizes})"
    if len(shape) == 3 and shape[0] in (1, 3):
        return f": one image is x.reshape(1, {sizes})"
    if len(shape) == 3 and shape[2] in (1, 3):
        return ": one image with its channels last is x.permute(2, 0, 1).reshape(1, C, H, W)"
    if len(shape) == 3:
        return f": a batch of grey images is x.reshape({shape[0]}, 1, {shape[1]}, {shape[2]})"
    return ""
