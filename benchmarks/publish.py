"""Draw the newest records of the lab into the README and docs/lab: no figure there is written by hand.

In the README, what stands between the lines ``<!-- measured: NAME -->`` and ``<!-- end of NAME -->`` is replaced by the
table of that name; see `tinycnn.benchmarks.tables`.

    python -m tinycnn.benchmarks.publish            # after new records were put into benchmarks/results
    python -m tinycnn.benchmarks.publish --check    # writes nothing; status 1 where the README is not what they say
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tinycnn.benchmarks.pictures import draw
from tinycnn.benchmarks.record import RESULTS, load, newest
from tinycnn.benchmarks.tables import TABLES, Records
from tinycnn.choices import look_up
from tinycnn.storage import write_text

ROOT = RESULTS.parents[1]
START, END = re.compile("<!-- measured: (.+) -->"), re.compile("<!-- end of (.+) -->")
BLOCK = re.compile(r"^<!-- measured: (.+) -->\n(.*?)^<!-- end of \1 -->$", re.MULTILINE | re.DOTALL)


def main(words: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Read the command line and do it; returns the exit status."""
    text = __doc__ or ""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="say which tables of the README are not up to date")
    check = parser.parse_args(words).check
    try:
        return publish(root, check)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2


def publish(root: Path, check: bool) -> int:
    """Write pictures and tables, or only compare the tables.

    Parameters
    ----------
    root
        The folder of README.md, docs and benchmarks/results.
    check
        Write nothing, and return 1 where a table is not up to date.

    Raises
    ------
    ValueError, OSError, ModuleNotFoundError
        When there are no records, a line of the README is wrong, or there is no matplotlib.
    """
    conv, models = (newest(kind, root / "benchmarks" / "results") for kind in ("conv", "models"))
    records = Records(load(conv, "conv"), load(models, "models"), conv, models)
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    _require_pairs(text)
    blocks = BLOCK.findall(text)
    tables = {name: look_up("table", name, TABLES)(records) + "\n" for name, _ in blocks}
    if check:
        old = [name for name, block in blocks if block != tables[name]]
        for name in old:
            print(f"README.md: {name} is not what the records say: run python -m tinycnn.benchmarks.publish")
        return 1 if old else 0
    for record in (records.conv, records.models):
        for path in draw(record, root / "docs" / "lab"):
            print(path.relative_to(root))
    write_text(readme, BLOCK.sub(lambda m: f"<!-- measured: {m[1]} -->\n{tables[m[1]]}<!-- end of {m[1]} -->", text))
    print("README.md: " + (", ".join(tables) or "it has no line <!-- measured: NAME -->"))
    return 0


def _require_pairs(text: str) -> None:
    """Refuse a first line that has no last line, or the other way round."""
    open_name = ""
    for number, line in enumerate(text.splitlines(), 1):
        start, end = START.fullmatch(line), END.fullmatch(line)
        if start and open_name:
            raise ValueError(f"README.md, line {number}: <!-- end of {open_name} --> must come before {line}")
        if end and end[1] != open_name:
            raise ValueError(f"README.md, line {number}: {line} must come after <!-- measured: {end[1]} -->")
        open_name = start[1] if start else "" if end else open_name
    if open_name:
        raise ValueError(f"README.md: <!-- end of {open_name} --> must come after <!-- measured: {open_name} -->")


if __name__ == "__main__":
    sys.exit(main())
