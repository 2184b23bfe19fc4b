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
    sha256
        Of the file.
    content
        Algorithm and digest of the unpacked bytes, such as ``"sha256:…"``: they tell the file also where it is stored
        unpacked or was packed again.
    """

    name: str
    sha256: str
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
    path = present[0] if present else _download(folder, file, mirrors)
    raw = path.read_bytes()
    content = unzipped(path, raw)
    return path, content if _is_published(file, raw, content) else _refused(path, file, content)


def _is_published(file: PublishedFile, raw: bytes, content: bytes) -> bool:
    algorithm, _, digest = file.content.partition(":")
    return hashlib.new(algorithm, content).hexdigest() == digest or hashlib.sha256(raw).hexdigest() == file.sha256


def _refused(path: Path, file: PublishedFile, content: bytes) -> bytes:
    parse_idx(path, content)  # where the format itself is broken, this tells more
    raise ValueError(
        f"{path} is not the {file.name} that was published (its checksum differs): "
        "delete it, and it is fetched again; read_idx reads other IDX files"
    )


def _download(folder: Path, file: PublishedFile, mirrors: Sequence[str]) -> Path:
    otherwise = "put the file there, or name the parent folder in TINYCNN_DATA"
    pooch = require("pooch", f"{file.name} is not in {folder}, and downloads", otherwise)
    pooch.get_logger().setLevel("ERROR")
    fetch = pooch.HTTPDownloader(progressbar=False, timeout=TIMEOUT)
    reasons = []
    for mirror in mirrors:
        registry = {file.name: f"sha256:{file.sha256}"}
        source = pooch.create(folder, mirror, registry=registry, retry_if_failed=RETRIES)
        try:
            fetched = Path(source.fetch(file.name, downloader=fetch))
            # pooch's files are readable by their owner alone; a class may share a folder of data.
            replace(fetched, partial(copyfile, fetched))
            return fetched
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and not hasattr(error, "response"):  # requests' own OSErrors have one
                raise _folder_error(folder, file, error) from None
            reasons.append(f"{urlsplit(mirror).hostname} {_reason(error)}")
    raise ConnectionError(
        f"{file.name} could not be fetched ({'; '.join(reasons)}): put it into {folder}, "
        "or name the parent folder of one that has it in TINYCNN_DATA"
    )


def _folder_error(folder: Path, file: PublishedFile, error: OSError) -> OSError:
    reason = error.strerror or "Permission denied"  # pooch's PermissionError is a text alone
    return OSError(f"{file.name} cannot be stored in {folder} ({reason}): name another folder in TINYCNN_DATA")


def _reason(error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return "sent another file (its checksum differs)"
    response = getattr(error, "response", None)
    if response is not None:
        return f"answered {response.status_code}"
    if "timed out" in str(error):  # requests calls it a Timeout before the first byte, a ConnectionError after it
        return "did not answer in time"
    return "broke off" if type(error).__name__ == "ChunkedEncodingError" else "could not be reached"
