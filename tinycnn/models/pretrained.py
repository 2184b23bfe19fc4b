"""Trained models that come with tinycnn."""

from __future__ import annotations

from pathlib import Path

from tinycnn.choices import look_up

FILES = {"lenet5": "lenet5-mnist.safetensors"}


def pretrained_path(name: str = "lenet5") -> Path:
    """The checkpoint of a trained model; `tinycnn.training.load_checkpoint` reads it, with the recipe it was made by.

    Parameters
    ----------
    name
        ``"lenet5"``: trained on MNIST.

    Raises
    ------
    ValueError
        When none of that name comes with tinycnn.

    Examples
    --------
    >>> import tinycnn as tc
    >>> checkpoint = tc.training.load_checkpoint(tc.models.pretrained_path("lenet5"))
    >>> checkpoint.recipe.data, sum(p.size for p in checkpoint.build().parameters())
    ('mnist', 61706)
    """
    return Path(__file__).with_name("weights") / look_up("trained model", name, FILES)
