"""Tests that run as root, as in a container, see no file that they may not touch; here they do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

NOBODY = 65534


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who may not touch what is not theirs; modules that are still to be imported may be among it."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that others may enter, unlike tmp_path; what is in it may be made unreadable or read-only."""
    folder = Path(mkdtemp(prefix="tinycnn-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for inside in (folder, *folder.rglob("*")):
            inside.chmod(0o755)
        shutil.rmtree(folder)
