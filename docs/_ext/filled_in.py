"""What pages ask to be filled in with: for <!-- commands --> the help of all, for <!-- tutorials --> their list."""

import re
from collections.abc import Iterator
from pathlib import Path

from cyclopts import App
from sphinx.application import Sphinx

from tinycnn.cli.main import app as commands

SOURCES = Path(__file__).resolve().parents[2] / "tutorials"
TITLE = re.compile(r'app_title="(.+?)"')
CONTENTS = re.compile(r"\A.*?(?=^## tinycnn )", re.DOTALL | re.MULTILINE)  # the page has a list of its own beside it
USELESS = re.compile(r" *\*\[default: (?:\(\)|False)\]\*$", re.MULTILINE)


def share_settings(parent: App) -> None:
    """Let commands of commands be told as they are parsed: without negative options such as --no-json."""
    for name in parent:
        command = parent[name]
        command.default_parameter = parent.default_parameter
        share_settings(command)


def command_help() -> str:
    """A heading for each command, and what --help says, in Markdown."""
    share_settings(commands)
    return USELESS.sub("", CONTENTS.sub("", commands.generate_docs(output_format="markdown")))


def tutorials(folder: Path) -> str:
    """All tutorials in their order: links to those whose executed notebooks lie in the folder, the titles of others."""
    notebooks = {path.stem for path in folder.glob("*.ipynb")}
    missing = [title for name, title in titles() if name not in notebooks]
    parts = ["```{toctree}\n:maxdepth: 1\n\n" + "\n".join(sorted(notebooks)) + "\n```"] if notebooks else []
    if missing:
        told = "Not executed for this build; they are in the repository, in `tutorials/`:"
        items = (title.replace(".", r"\.", 1) for title in missing)  # or "1." begins a list
        parts += [told, "\n".join(f"- {item}" for item in items)]
    return "\n\n".join(parts)


def titles() -> Iterator[tuple[str, str]]:
    """The name of each notebook's source, and the title in it."""
    for path in sorted(SOURCES.glob("[0-9][0-9]_*.py")):
        if found := TITLE.search(path.read_text(encoding="utf-8")):
            yield path.stem, found[1]


def fill_in(app: Sphinx, page: str, source: list[str]) -> None:
    """Put in what the page asks for."""
    if "<!-- commands -->" in source[0]:
        source[0] = source[0].replace("<!-- commands -->", command_help())
    if "<!-- tutorials -->" in source[0]:
        source[0] = source[0].replace("<!-- tutorials -->", tutorials(Path(app.srcdir) / "tutorials"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in the build."""
    app.connect("source-read", fill_in)
    return {"parallel_read_safe": True}
