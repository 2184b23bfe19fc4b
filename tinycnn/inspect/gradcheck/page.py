"""The page of gradient checks: what holds and what does not, a map of every input, and the error by step."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tinycnn.optional import require
from tinycnn.storage import write_text
from tinycnn.version import __version__
from tinycnn.wording import counted

GRIDS, SQUARES, SIDE = 48, 16384, 64
"""The most that is drawn of an input: planes along its last two axes, squares in all, rows or columns of a plane."""

WORST, KINKS, DIRECTIONS = 10, 5, 20
"""The most that stand in a table: of the wrong entries, of those on kinks, of the random directions."""

DEPTHS = (1e-4, 1e-2, 0.1)
"""Relative errors from which on a wrong entry is drawn one shade deeper."""

ORDER = ("wrong", "inconclusive", "demonstration", "right")
"""In which checks stand on the page, by their verdict."""

SIGNS = {"right": ("r", "·"), "wrong": ("w3", "×"), "on a kink": ("k", "∧"), "below noise": ("n", "~")}
SIGNS["both zero"] = ("z", "0")
"""The class and the sign of a square by its verdict; the class of a wrong one tells how wrong it is."""

EPSILONS = {"float64": 2.0**-52, "float32": 2.0**-23}
LOWEST = -8  # the decade of an error down to which a chart reaches at least
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no page may hold, such as those that colour a terminal's text."""

Entry = Mapping[str, Any]
"""A number, and what came of it, as `GradcheckReport.as_dict` tells it."""


class Cell(NamedTuple):
    """A square of a map, or several side by side that were not looked at."""

    style: str
    sign: str = ""
    told: str = ""


class Grid(NamedTuple):
    """One plane of an input along its last two axes, with its verdicts in words and an index beside some rows."""

    label: str
    summary: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


class Maps(NamedTuple):
    """The planes of an input that are drawn, and what is left out: planes, entries that were looked at, wrong ones."""

    grids: list[Grid]
    planes_hidden: int
    hidden: int
    wrong_hidden: int
    is_cut: bool


class Frame(NamedTuple):
    """Decades of the step from left to right, decades of the error upwards, on so many units of a drawing."""

    left: int
    right: int
    bottom: int
    top: int
    width: int = 460
    height: int = 250

    def x(self, step: float) -> float:
        """Where a step lies."""
        return round(self.width * (math.log10(step) - self.left) / (self.right - self.left), 1)

    def y(self, error: float) -> float:
        """Where an error lies; 0 has no logarithm, and lies at the lower edge."""
        decade = math.log10(error) if error > 0 else self.bottom
        return round(self.height * (self.top - decade) / (self.top - self.bottom), 1)

    def ends(self, constant: float, power: int) -> tuple[float, float]:
        """Heights at which constant · h^power enters on the left and leaves on the right."""
        return self.y(constant * 10.0 ** (power * self.left)), self.y(constant * 10.0 ** (power * self.right))


class Curve(NamedTuple):
    """The errors of one dtype: their path, broken where one is not a number, and the smallest with its step."""

    dtype: str
    path: str
    label: tuple[float, float]
    step: float
    error: float


class Chart(NamedTuple):
    """A sweep as a drawing; whether large steps do no harm in it, and whether no step comes near to backward."""

    frame: Frame
    curves: list[Curve]
    is_straight: bool
    is_off: bool


def write_page(path: Path, checks: Sequence[Mapping[str, Any]], title: str) -> None:
    """Write a page that needs no network, no script and no other file.

    Parameters
    ----------
    path
        Of the page; replaced at once or not at all.
    checks
        What `GradcheckReport.as_dict` gives, each with a ``title``.
    title
        Of the page.

    Raises
    ------
    ModuleNotFoundError
        When Jinja2 is not installed.
    OSError
        When the file cannot be written; what was there before is intact.
    """
    write_text(path, page(checks, title))


def page(checks: Sequence[Mapping[str, Any]], title: str) -> str:
    """The same page as text; its styles leave a notebook around it alone."""
    source = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    jinja = require("jinja2", "pages of gradient checks")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printable
    )
    environment.filters |= {"number": number, "count": "{:,}".format, "counted": counted, "listed": listed}
    environment.filters |= {"decade": lambda exponent: f"10{str(exponent).translate(RAISED)}"}
    return environment.from_string(source).render(
        checks=sorted(checks, key=lambda check: ORDER.index(check["verdict"])),
        title=title,
        version=__version__,
        order=ORDER,
        signs=SIGNS,
        depths=DEPTHS,
        side=SIDE,
        epsilons=EPSILONS,
        headline=headline,
        maps=maps,
        tables=tables,
        place=place,
        chart=chart,
        sweep_rows=_sweep_rows,
    )


def number(value: float | None) -> str:
    """Three significant digits.

    Examples
    --------
    >>> number(0.1734), number(-1234.5), number(1e-5), number(None)
    ('0.173', '-1.23e+03', '1e-05', 'not a number')
    """
    return "not a number" if value is None else f"{value:.3g}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    Examples
    --------
    >>> listed(["x"]), listed(["x", "w"]), listed(["x", "w", "b"])
    ('x', 'x and w', 'x, w and b')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def place(name: str, index: Sequence[int] | None) -> str:
    """An entry of an input, or the input itself where there is no index.

    Examples
    --------
    >>> place("x", [0, 3]), place("x", [])
    ('x[0, 3]', 'x')
    """
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def headline(check: Mapping[str, Any]) -> str:
    """The verdict of a check in a sentence."""
    drowned = [item["name"] for item in check["inputs"] if 2 * item["counts"]["below noise"] > item["checked"]]
    wrong = [item["name"] for item in check["inputs"] if item["counts"]["wrong"]]
    verb = "gradients of {} are wrong" if len(wrong) > 1 else "gradient of {} is wrong"
    return {
        "right": "The gradients hold.",
        "wrong": f"The {verb.format(listed(wrong))}." if wrong else "Wrong, though no entry is: read why.",
        "inconclusive": f"Inconclusive: most of {listed(drowned)} is below the rounding noise.",
        "demonstration": f"A demonstration in {check['dtype']}, no verdict: see how the error depends on the step.",
    }[check["verdict"]]


def tables(item: Mapping[str, Any], mode: str) -> list[tuple[str, list[Entry]]]:
    """The entries whose numbers are written out, under a heading, the worst first."""
    if mode == "projections":
        kinds = [(item["entries"], "random direction", "random directions", DIRECTIONS)]
    else:
        by = {v: [e for e in item["entries"] if e["verdict"] == v] for v in ("wrong", "on a kink")}
        kinds = [(by["wrong"], "wrong entry", "wrong entries", WORST)]
        kinds += [(by["on a kink"], "entry on a kink", "entries on kinks", KINKS)]
    found: list[tuple[str, list[Entry]]] = []
    for entries, one, many, most in kinds:
        numbered: list[Entry] = [{"number": i, **entry} for i, entry in enumerate(entries)]
        worst = sorted(numbered, key=lambda entry: -_error(entry))[:most]
        count = f"{most} worst of {len(entries):,}" if len(entries) > most else len(entries)
        if worst:
            found.append((f"The {one}" if len(worst) == 1 else f"The {count} {many}", worst))
    return found


def maps(item: Mapping[str, Any]) -> Maps:
    """Draw an input's planes along its last two axes, those with wrong entries if there are too many."""
    shape, entries = item["shape"], item["entries"]
    planes: dict[tuple[int, ...], dict[tuple[int, int], Entry]] = {}
    for entry in entries:
        row, column = (0, 0, *entry["index"])[-2:]
        planes.setdefault(tuple(entry["index"][:-2]), {})[row, column] = entry
    most = min(GRIDS, SQUARES // math.prod(min(size, SIDE) for size in shape[-2:] if size))
    chosen = sorted(planes, key=lambda plane: (not any(map(_is_wrong, planes[plane].values())), plane))[:most]
    visible = {plane: {at: e for at, e in planes[plane].items() if max(at) < SIDE} for plane in sorted(chosen)}
    drawn = [entry for plane in visible.values() for entry in plane.values()]
    return Maps(
        [_grid(item, plane, entries) for plane, entries in visible.items()],
        math.prod(shape[:-2]) - len(visible),
        len(entries) - len(drawn),
        sum(map(_is_wrong, entries)) - sum(map(_is_wrong, drawn)),
        is_cut=max(shape[-2:], default=1) > SIDE,
    )


def _grid(item: Mapping[str, Any], plane: Sequence[int], entries: Mapping[tuple[int, int], Entry]) -> Grid:
    shape = item["shape"]
    height, width = (min(size, SIDE) for size in (1, 1, *shape)[-2:])
    label = place(item["name"], plane)
    counts = {verdict: sum(e["verdict"] == verdict for e in entries.values()) for verdict in SIGNS}
    told = listed([f"{count} {verdict}" for verdict, count in counts.items() if count] or ["none looked at"])
    rows = [_cells([entries.get((i, j)) for j in range(width)]) for i in range(height)]
    beside = _indices(height) if len(shape) > 1 else [""]
    above = _indices(width) if shape else [""]
    return Grid(label, f"{label}, {height} by {width}: {told}", above, list(zip(beside, rows, strict=True)))


def _indices(size: int) -> list[str]:
    """Along an axis, as many as there is room for."""
    every = 1 if size <= 12 else 5 if size <= 32 else 10
    return ["" if i % every else str(i) for i in range(size)]


def _cells(entries: Sequence[Entry | None]) -> list[Cell]:
    cells, blank = [], 0
    for i, entry in enumerate(entries):
        if entry:
            cells.append(_cell(entry))
            continue
        blank += 1
        if i + 1 == len(entries) or entries[i + 1]:
            cells.append(Cell(f"s{blank}"))
            blank = 0
    return cells


def _cell(entry: Entry) -> Cell:
    """A square, with its numbers for who points at it; they are short, as there may be thousands."""
    style, sign = SIGNS[entry["verdict"]]
    if _is_wrong(entry):
        style = f"w{1 + sum(_error(entry) >= depth for depth in DEPTHS)}"
    backward, quotient, error = (number(entry[key]) for key in ("backward", "difference", "error"))
    if entry["lower"] is not None:
        quotient = f"{number(entry['lower'])} to {number(entry['upper'])}"
    return Cell(style, sign, f"{entry['index']}: backward {backward}, quotient {quotient}, error {error}")


def _is_wrong(entry: Entry) -> bool:
    return bool(entry["verdict"] == "wrong")


def _error(entry: Entry) -> float:
    """Relative; what is not a number is worst."""
    return math.inf if entry["error"] is None else float(entry["error"])


def chart(item: Mapping[str, Any]) -> Chart | None:
    """Draw the sweep of an input; nothing where no error is a number."""
    sweeps = {sweep["dtype"]: _points(sweep) for sweep in item["sweep"] if _points(sweep)}
    if not sweeps:
        return None
    steps, errors = zip(*chain.from_iterable(sweeps.values()), strict=True)
    left, right = math.floor(math.log10(min(steps))), math.ceil(math.log10(max(steps)))
    decades = [math.log10(error) for error in errors if error > 0] or [LOWEST]
    # A curve that is flat and high is seen to be high where there is room for what it should be.
    bottom, top = min(LOWEST, math.floor(min(decades))), max(0, math.ceil(max(decades)))
    frame = Frame(left, max(right, left + 1), bottom, top)
    curves = [_curve(sweep, frame) for sweep in item["sweep"] if sweep["dtype"] in sweeps]
    exact = sweeps.get("float64", next(iter(sweeps.values())))
    smallest, at_largest = min(error for _, error in exact), max(exact)[1]
    is_off = bool(item["counts"]["wrong"]) and smallest > DEPTHS[0]
    return Chart(frame, _apart(curves), not is_off and at_largest <= 10 * smallest, is_off)


def _points(sweep: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [(step, e) for step, e in zip(sweep["steps"], sweep["errors"], strict=True) if e is not None]


def _curve(sweep: Mapping[str, Any], frame: Frame) -> Curve:
    path, is_drawing = "", False
    for step, error in zip(sweep["steps"], sweep["errors"], strict=True):
        if error is not None:
            path += f"{'L' if is_drawing else 'M'}{frame.x(step)} {frame.y(error)}"
        is_drawing = error is not None
    step, error = min(_points(sweep), key=lambda point: point[1])
    at_left = min(_points(sweep))
    return Curve(sweep["dtype"], path, (frame.x(at_left[0]), frame.y(at_left[1])), step, error)


def _apart(curves: Sequence[Curve]) -> list[Curve]:
    """Labels beside the left ends of the curves, above them where there is room, and never on one another."""
    placed, lowest = [], 0.0
    for curve in sorted(curves, key=lambda curve: curve.label[1]):
        lowest = max(lowest + 16, curve.label[1] - 8)
        placed.append(curve._replace(label=(curve.label[0] + 12, lowest)))
    return placed


def _sweep_rows(item: Mapping[str, Any]) -> list[tuple[float, list[float | None]]]:
    """Every step with the errors of all dtypes."""
    by_step = [dict(zip(sweep["steps"], sweep["errors"], strict=True)) for sweep in item["sweep"]]
    return [(step, [errors.get(step) for errors in by_step]) for step in dict.fromkeys(chain.from_iterable(by_step))]


def _printable(value: Any) -> Any:
    return NO_XML.sub("\ufffd", value) if type(value) is str else value
