"""Trained models that come with tinycnn."""

from __future__ import annotations

from pathlib import Path

from tinycnn.choices import look_up

FILES = {"lenet5": "lenet5-mnist.safetensors", "vgg-small": "vgg-small-cifar10.safetensors"}


def pretrained_path(name: str = "lenet5") -> Path:
    """The checkpoint of a trained model; `tinycnn.training.load_checkpoint` reads it, with the recipe it was made by.

    Parameters
    ----------
    name
        ``"lenet5"``: trained on MNIST. ``"vgg-small"``: trained on 41,250 of CIFAR-10's training images, as pictures
        (`tinycnn.data.cifar10`), by ``tinycnn train vgg-small --data cifar10 --seed 0 --threads 2``; it gets 85.74 % of
        the 5,000 right that are held out there as ``"test"``.

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
