"""What the tutorials are made of: words from a data file, questions, controls, numbers, and the exercise at the end.

A tutorial is a marimo notebook, and its copy in the documentation a Jupyter notebook, in which nothing can be moved. So
each thing here shows itself in both: where a control moves in the one, the other says at which value it stands.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from tinycnn.choices import look_up
from tinycnn.learn.exercise import exercises
from tinycnn.optional import require
from tinycnn.texts import FALLBACK, Texts

WORDS = Path(__file__).parent / "words"
NAMES = tuple(sorted(folder.name for folder in WORDS.iterdir() if folder.name[:2].isdigit()))
"""Of all tutorials, in their order, such as ``05_im2col``: of the notebooks, and of the folders with their words."""


class Text(NamedTuple):
    """Markdown with formulas, shown by marimo and by Jupyter."""

    markdown: str

    def _display_(self) -> Any:
        return _marimo().md(self.markdown)

    def _repr_markdown_(self) -> str:
        return self.markdown


class Numbers(NamedTuple):
    """Results by name, with what they are."""

    rows: tuple[tuple[str, str, str], ...]
    """Name, label and the number as it is written."""

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<div style="padding: 0.4rem 0.9rem; border: 1px solid #8888; border-radius: 4px">'
            f"<dt>{escape(label)}</dt>"
            f'<dd style="margin: 0; font-size: 1.25em; font-variant-numeric: tabular-nums">'
            f'<output data-number="{escape(name)}">{escape(value)}</output></dd></div>'
            for name, label, value in self.rows
        )
        return f'<dl style="display: flex; flex-wrap: wrap; gap: 0.6rem; margin: 0.5rem 0">{rows}</dl>'


class Fixed(NamedTuple):
    """A control where nothing can be moved: what it would move, and the value at which it stands."""

    label: str
    value: Any
    shown: str
    """The value in words; nothing where a switch or a button is off."""

    def _repr_markdown_(self) -> str:
        return f"*{self.label}: {self.shown}*" if self.shown else f"*{self.label}*"


class Question(NamedTuple):
    """A question where nothing can be chosen; the answer follows it, folded away."""

    asked: str
    options: tuple[str, ...]
    value: None = None

    def _repr_markdown_(self) -> str:
        return f"**{self.asked}**\n\n" + "\n".join(f"- {option}" for option in self.options)


class Lesson:
    """The words of one tutorial, and what is made of them.

    Parameters
    ----------
    name
        Such as ``"05_im2col"``.
    language
        Of the words; what it lacks is said in English.

    Raises
    ------
    ValueError
        For an unknown name, with the nearest.

    Examples
    --------
    >>> lesson = Lesson("05_im2col")
    >>> lesson.number, lesson.title
    (5, 'Loops, im2col, GEMM')
    """

    def __init__(self, name: str, language: str = FALLBACK):
        look_up("tutorial", name, dict.fromkeys(NAMES))
        self.name, self.number = name, int(name[:2])
        self._words, self._kit = Texts(WORDS / name, language), Texts(WORDS / "kit", language)

    @property
    def title(self) -> str:
        """Of the tutorial."""
        return str(self._words["title"])

    @property
    def minutes(self) -> int:
        """How long it takes."""
        return int(self._words["minutes"])

    def header(self) -> Text:
        """The title, what will be known at the end, and how long it takes."""
        goals = "\n".join(f"- {goal}" for goal in self._words["goals"])
        said = self._kit.say("header", number=self.number, count=len(NAMES), minutes=self.minutes)
        return Text(f"# {self.number}. {self.title}\n\n*{said}*\n\n{self._kit['goals']}\n\n{goals}")

    def text(self, key: str, **values: Any) -> Text:
        """A piece of the tutorial's text, with values filled in where any are given."""
        return Text(self._say(f"text.{key}", values))

    def word(self, key: str, **values: Any) -> str:
        """A word or a line for a figure."""
        return str(self._at(f"words.{key}")).format(**values)

    def question(self, key: str) -> Any:
        """Ask the reader to predict: options to choose from, of which none is chosen at first."""
        asked, options = self._at(f"questions.{key}.ask"), tuple(self._at(f"questions.{key}.options"))
        if _is_fixed():
            return Question(asked, options)
        numbered = {option: place for place, option in enumerate(options, 1)}
        return _marimo().ui.radio(numbered, label=f"**{self._kit['predict']}** {asked}")

    def answer(self, key: str, question: Any, **values: Any) -> Text:
        """What the reader's choice is worth, and why; before a choice, that one is awaited."""
        right, options = self._at(f"questions.{key}.right"), self._at(f"questions.{key}.options")
        why = self._say(f"questions.{key}.why", values)
        solution = self._kit.say("solution", option=options[right - 1])
        if isinstance(question, Question):
            return Text(f"<details><summary>{self._kit['answer']}</summary>\n\n{solution} {why}\n\n</details>")
        if question.value is None:
            return Text(f"*{self._kit['choose']}*")
        if question.value == right:
            return Text(f"{self._kit['right']} {why}")
        return Text(f"{self._kit['wrong']} {solution} {why}")

    def slider(self, key: str, start: float, stop: float, value: float, step: float = 1) -> Any:
        """A control for a number."""
        label = self._label(key)
        if _is_fixed():
            return Fixed(label, value, str(value))
        return _marimo().ui.slider(start, stop, step, value, label=label, show_value=True)

    def choice(self, key: str, options: Mapping[str, Any] | Sequence[str], value: str) -> Any:
        """A control to choose one of several; ``value`` is the option chosen at first."""
        label = self._label(key)
        if _is_fixed():
            return Fixed(label, options[value] if isinstance(options, Mapping) else value, value)
        return _marimo().ui.dropdown(options, value, label=label)

    def switch(self, key: str, value: bool = False) -> Any:
        """A control that is on or off."""
        label = self._label(key)
        return Fixed(label, value, "on" if value else "") if _is_fixed() else _marimo().ui.switch(value, label=label)

    def button(self, key: str) -> Any:
        """A button for what takes long; its ``value`` is true while what follows from a press runs."""
        label = self._label(key)
        return Fixed(label, False, "") if _is_fixed() else _marimo().ui.run_button(label=label)

    def controls(self, *controls: Any) -> Any:
        """Controls, one above another."""
        if _is_fixed():
            still = " · ".join(control._repr_markdown_() for control in controls)
            return Text(f"{still}\n\n{self._kit.say('fixed', number=self.number)}")
        return _marimo().vstack(list(controls))

    def numbers(self, **values: Any) -> Numbers:
        """Results, each with its label; floating ones with four digits."""
        return Numbers(
            tuple((name, str(self._at(f"numbers.{name}")), written(value)) for name, value in values.items())
        )

    def mistakes(self) -> Text:
        """What people get wrong, and how to notice it."""
        told = "\n\n".join(
            f"**{mistake['what']}** {mistake['why']}".strip() for mistake in self._words["mistakes"].values()
        )
        return Text(f"## {self._kit['mistakes']}\n\n{told}")

    def exercise(self, *names: str) -> Text:
        """The exercises of ``tinycnn learn`` in which the reader now writes this himself."""
        rows = "\n".join(
            f"- **{one.number}. {one.texts(FALLBACK)['title']}**: `tinycnn learn run {one.number}`"
            for one in (exercises()[name] for name in names)
        )
        return Text(f"## {self._kit['write']}\n\n{self._kit['exercise']}\n\n{rows}")

    def _label(self, key: str) -> str:
        return str(self._at(f"controls.{key}"))

    def _say(self, key: str, values: Mapping[str, Any]) -> str:
        text = str(self._at(key))
        return (text.format(**values) if values else text).strip()

    def _at(self, key: str) -> Any:
        if (found := self._words[key]) is None:
            raise ValueError(f"tutorial {self.name} has no words for {key}: write them in words/{self.name}/en.toml")
        return found


def written(value: Any) -> str:
    """A result as the tutorials write it.

    Examples
    --------
    >>> written(61706), written(0.123456), written("same")
    ('61,706', '0.1235', 'same')
    """
    if isinstance(value, str):
        return value
    return f"{int(value):,}" if abs(value) < 1e15 and value == int(value) else f"{value:.4g}"


def _is_fixed() -> bool:
    """Whether this runs in Jupyter, where marimo's controls do not work."""
    return "ipykernel" in sys.modules and not _marimo().running_in_notebook()


def _marimo() -> Any:
    return require("marimo", "tutorials")
