"""Words in the learner's language, from data files; what a language lacks is said in English."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ko")
FALLBACK = "en"


class Texts:
    """The texts of one folder in one language.

    Parameters
    ----------
    folder
        Where ``en.toml`` and its translations are.
    language
        One of `LANGUAGES`.
    """

    def __init__(self, folder: Path, language: str):
        self.own, self.fallback = _read(folder, language), _read(folder, FALLBACK)

    def __getitem__(self, key: str) -> Any:
        """The text at a dotted key, such as ``misconceptions.flipped.what``."""
        found = _at(self.own, key)
        return _at(self.fallback, key) if found is None else found

    def say(self, key: str, **values: Any) -> str:
        """A text with values filled in."""
        return str(self[key]).format(**values)


def missing(folder: Path, language: str) -> list[str]:
    """Dotted keys that English has and a language lacks, and the other way round."""
    english, other = (set(_keys(_read(folder, name))) for name in (FALLBACK, language))
    return sorted(english ^ other)


@cache
def _read(folder: Path, language: str) -> Mapping[str, Any]:
    path = folder / f"{language}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _at(table: Mapping[str, Any], key: str) -> Any:
    found: Any = table
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _keys(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
