"""The libraries of the extras, imported where they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXTRAS = {"jinja2": "plot", "marimo": "tutorials", "matplotlib": "plot", "PIL": "plot", "pooch": "data"}
"""Which extra installs a module."""


def require(name: str, purpose: str, otherwise: str = "") -> Any:
    """Import a module of an optional library.

    Parameters
    ----------
    name
        Of the module, such as ``"matplotlib.figure"``.
    purpose
        What it is for, in the plural, such as ``"reports"``.
    otherwise
        What else would help.

    Raises
    ------
    ModuleNotFoundError
        With the line that installs it.

    Examples
    --------
    >>> require("json", "nothing").dumps([])
    '[]'
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        library = name.partition(".")[0]
        if (error.name or "").partition(".")[0] != library:
            raise  # it is installed, and lacks something itself
        told = {"PIL": "Pillow"}.get(library, library)
        raise ModuleNotFoundError(
            f"{purpose} need {told}: pip install 'tinycnn[{EXTRAS[library]}]'" + (otherwise and f", or {otherwise}"),
            name=library,
        ) from None
