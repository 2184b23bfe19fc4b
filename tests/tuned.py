"""A table of tuned convolutions of a test's own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tinycnn.backend import forget_choices


@contextmanager
def own_table() -> Iterator[Path]:
    """The path of a file that does not exist yet, and that alone is read and written until the end of the block."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "cache" / "convolutions.json"
        patch.setitem(os.environ, "TINYCNN_TUNED", str(path))
        forget_choices()
        try:
            yield path
        finally:
            patch.undo()
            forget_choices()
