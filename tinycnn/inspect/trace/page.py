"""The page of a trace: the record, the words of one language and a script that draws them, in one file.

The page asks nobody for anything: style, script and record are inside it, the record compressed. Where scripts are
blocked, a picture of one stop stands in their place.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinycnn.choices import look_up
from tinycnn.inspect.trace.record import TooLargeError
from tinycnn.inspect.trace.sheet import sheet_svg
from tinycnn.inspect.trace.short import shortened
from tinycnn.storage import write_text
from tinycnn.texts import LANGUAGES, Texts
from tinycnn.version import __version__

FOLDER = Path(__file__).parent
LIMIT = 150_000
"""Bytes of a page, at most."""

STYLES = ("page.css", "grids.css", "graph.css")
SCRIPTS = (
    "numbers.js",
    "restore.js",
    "record.js",
    "places.js",
    "grids.js",
    "cells.js",
    "marks.js",
    "text.js",
    "predict.js",
    "graph_layout.js",
    "graph_walk.js",
    "graph_words.js",
    "graph_picture.js",
    "graph.js",
    "player.js",
    "screen.js",
    "page.js",
)
OF_GRAPHS = ("graph.css", "graph_layout.js", "graph_walk.js", "graph_words.js", "graph_picture.js", "graph.js")
"""What only a page with a graph needs."""

MARKER = re.compile(r"\{\{([\w.]+)\}\}")
NO_HTML = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no page may hold, such as those that colour a terminal's text."""


def page(record: Mapping[str, Any], language: str = "en") -> str:
    """Build the page of a record.

    Parameters
    ----------
    record
        Of a trace.
    language
        One of `tinycnn.texts.LANGUAGES`.

    Returns
    -------
    str
        HTML that is complete in itself.

    Raises
    ------
    TooLargeError
        When it would pass `LIMIT` bytes.
    ValueError
        When there are no words in this language.

    Examples
    --------
    >>> import numpy as np
    >>> import tinycnn as tc
    >>> traced = tc.trace(tc.functional.relu, np.array([1.0, -2.0]))
    >>> page(traced.record)[:15]
    '<!DOCTYPE html>'
    """
    texts = Texts(FOLDER / "words" / "page", look_up("language", language, {name: name for name in LANGUAGES}))
    made = record.get("made_by", {})
    filled = {
        "language": language,
        "title": _escaped(texts.say("page.of", title=record["title"])),
        "style": _joined(STYLES, record),
        "picture": NO_HTML.sub("\ufffd", sheet_svg(record, language)) if record["operations"] else "",
        "made_by": _escaped(texts.say("page.made_by", version=made.get("tinycnn", __version__))),
        "record": _packed({"record": shortened(record), "words": words(record, language)}),
        "script": f'(() => {{\n"use strict";\n{_joined(SCRIPTS, record)}}})();',
    }
    template = (FOLDER / "web" / "page.html").read_text(encoding="utf-8")
    made_page = MARKER.sub(lambda m: filled[m[1]] if m[1] in filled else _escaped(str(texts[m[1]])), template)
    size = len(made_page.encode())
    if size > LIMIT:
        raise TooLargeError(
            f"the page of {record['title']} would have {size:,} bytes, and {LIMIT:,} is the most: "
            "make the input smaller, take fewer channels, or show a part with tc.inspect.trace_part"
        )
    return made_page


def write_page(path: str | Path, record: Mapping[str, Any], language: str = "en") -> None:
    """Write the page of a record to a file.

    Raises
    ------
    TooLargeError
        When it would pass `LIMIT` bytes.
    OSError
        When the file cannot be written.
    """
    write_text(Path(path), page(record, language))


def words(record: Mapping[str, Any], language: str) -> dict[str, Any]:
    """What the script of a page says: its own words, and those of the operations and passes of a record."""
    own = Texts(FOLDER / "words" / "page", language)
    told = Texts(FOLDER / "words" / "operations", language)
    operations: dict[str, dict[str, Any]] = {}
    for operation in record["operations"]:
        name = operation["operation"]
        found = {key: told[f"{name}.{key}"] for key in ("title", *(phase["name"] for phase in operation["phases"]))}
        operations[name] = operations.get(name, {}) | {key: text for key, text in found.items() if text is not None}
    said = {"page": {**own.fallback, **own.own}, "operations": operations}
    if record.get("graph") is not None:
        graph = Texts(FOLDER / "words" / "graph", language)
        said["graph"] = {**graph.fallback, **graph.own}
    return said


def _packed(payload: Mapping[str, Any]) -> str:
    text = json.dumps(payload, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(text.encode(errors="replace"), 9, mtime=0)).decode()


def _joined(names: tuple[str, ...], record: Mapping[str, Any]) -> str:
    """Files of the folder web, one after the other; those of the graph where there is one."""
    used = [name for name in names if record.get("graph") is not None or not name.startswith("graph")]
    return "".join(_bare((FOLDER / "web" / name).read_text(encoding="utf-8")) for name in used)


def _bare(text: str) -> str:
    """Without indentation, blank lines and lines that are comments."""
    text = re.sub(r"^\s*/\*.*?\*/\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def _escaped(text: str) -> str:
    return html.escape(NO_HTML.sub("\ufffd", text))
