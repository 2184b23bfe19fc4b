"""A bar that shows how far long work has come, where a person can see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(task: str, total: float) -> Iterator[Callable[[float], None]]:
    """A bar on standard error where that is a terminal.

    Parameters
    ----------
    task
        What is done, in a word.
    total
        How much of it there is, in any unit.

    Yields
    ------
    callable
        To be told how much more is done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), TextColumn("left"), console=console, transient=True) as progress:
        shown = progress.add_task(task, total=total)
        yield lambda done: progress.advance(shown, done)
