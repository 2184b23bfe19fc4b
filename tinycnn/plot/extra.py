"""The libraries of the extra ``plot``, imported where they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def extra(name: str) -> Any:
    """Import a module of matplotlib, Pillow or Jinja2.

    Parameters
    ----------
    name
        Of the module, such as ``"PIL.Image"``.

    Raises
    ------
    ModuleNotFoundError
        With the line that installs it.

    Examples
    --------
    >>> extra("no_such_library.figure")
    Traceback (most recent call last):
    ModuleNotFoundError: plots and reports need no_such_library: pip install 'tinycnn[plot]'
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or name).partition(".")[0]
        raise ModuleNotFoundError(
            f"plots and reports need {missing}: pip install 'tinycnn[plot]'", name=missing
        ) from None
