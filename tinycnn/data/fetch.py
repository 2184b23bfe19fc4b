"""Where data sets are found, and how a file comes from a mirror when it is not there yet."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import copyfile
from urllib.parse import urlsplit

from tinycnn.data.idx import parse_idx, unzipped
from tinycnn.optional import require
from tinycnn.storage import replace, user_cache

RETRIES = 2  # of each mirror, a second or more apart
TIMEOUT = 20  # seconds without an answer


@dataclass(frozen=True)
class PublishedFile:
    """A gzipped file as it was published, and what is in it.

    Attributes
    ----------
    name
        Of the file on every mirror.
    packed
        Algorithm and digest of the file, such as ``"sha256:…"``.
    content
        The same of the unpacked bytes: they tell the file also where it is stored unpacked or was packed again.
    """

    name: str
    packed: str
    content: str


def data_directory() -> Path:
    """The folder of data sets: ``TINYCNN_DATA``, or ``tinycnn`` in the user's cache directory."""
    named = os.environ.get("TINYCNN_DATA")
    if named:
        return Path(named).expanduser()
    return user_cache()


def obtain(folder: Path, file: PublishedFile, mirrors: Sequence[str]) -> tuple[Path, bytes]:
    """The unpacked bytes of a file in ``folder``; where it is missing, the first mirror that has it gives it.

    A file that is there is accepted for what it contains, gzipped or not, and never replaced.

    Returns
    -------
    tuple
        The path it was read from, and the bytes.

    Raises
    ------
    ValueError
        When the file that is there is damaged or is another one.
    OSError
        When it is missing and no mirror gave it, saying why for each, or the folder cannot be written to.
    ModuleNotFoundError
        When it is missing and pooch is not installed.
    """
    present = [path for path in (folder / file.name, folder / file.name.removesuffix(".gz")) if path.exists()]
    if present and not present[0].is_file():
        raise ValueError(f"{present[0]} is no regular file: put the {file.name} that was published in its place")
    path = present[0] if present else download(folder, file.name, file.packed, mirrors)
    raw = path.read_bytes()
    content = unzipped(path, raw)
    return path, content if _is_published(file, raw, content) else _refused(path, file, content)


def has_digest(raw: bytes, expected: str) -> bool:
    """Whether bytes have a digest such as ``"sha256:…"``."""
    algorithm, _, digest = expected.partition(":")
    return hashlib.new(algorithm, raw).hexdigest() == digest


def _is_published(file: PublishedFile, raw: bytes, content: bytes) -> bool:
    return has_digest(content, file.content) or has_digest(raw, file.packed)


def _refused(path: Path, file: PublishedFile, content: bytes) -> bytes:
    parse_idx(path, content)  # where the format itself is broken, this tells more
    raise ValueError(
        f"{path} is not the {file.name} that was published (its checksum differs): "
        "delete it, and it is fetched again; read_idx reads other IDX files"
    )


def download(folder: Path, name: str, digest: str, mirrors: Sequence[str]) -> Path:
    """Fetch a file from the first mirror that gives it with this digest, such as ``"sha256:…"``.

    Raises
    ------
    OSError
        When no mirror gave it, saying why for each, or the folder cannot be written to.
    ModuleNotFoundError
        When pooch is not installed.
    """
    otherwise = "put the file there, or name the parent folder in TINYCNN_DATA"
    pooch = require("pooch", f"{name} is not in {folder}, and downloads", otherwise)
    pooch.get_logger().setLevel("ERROR")
    fetch = pooch.HTTPDownloader(progressbar=False, timeout=TIMEOUT)
    reasons = []
    for mirror in mirrors:
        source = pooch.create(folder, mirror, registry={name: digest}, retry_if_failed=RETRIES)
        try:
            fetched = Path(source.fetch(name, downloader=fetch))
            # pooch's files are readable by their owner alone; a class may share a folder of data.
            replace(fetched, partial(copyfile, fetched))
            return fetched
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and not hasattr(error, "response"):  # requests' own OSErrors have one
                raise _folder_error(folder, name, error) from None
            reasons.append(f"{urlsplit(mirror).hostname} {_reason(error)}")
    raise ConnectionError(
        f"{name} could not be fetched ({'; '.join(reasons)}): put it into {folder}, "
        "or name the parent folder of one that has it in TINYCNN_DATA"
    )


def _folder_error(folder: Path, name: str, error: OSError) -> OSError:
    reason = error.strerror or "Permission denied"  # pooch's PermissionError is a text alone
    return OSError(f"{name} cannot be stored in {folder} ({reason}): name another folder in TINYCNN_DATA")


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "sent another file (its checksum differs)"
    response = getattr(error, "response", None)
    if response is not None:
        return f"answered {response.status_code}"
    if "timed out" in str(error):  # requests calls it a Timeout before the first byte, a ConnectionError after it
        return "did not answer in time"
    return "broke off" if type(error).__name__ == "ChunkedEncodingError" else "could not be reached"
