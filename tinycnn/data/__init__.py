"""Data sets."""

from tinycnn.data.idx import data_directory, mnist, read_idx

__all__ = ["data_directory", "mnist", "read_idx"]
