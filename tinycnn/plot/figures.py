"""Figures for notebooks and pages: pictures of arrays, curves and bars, each with words for those who do not see it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.optional import require
from tinycnn.storage import replace

LINES = (  # colours that colour-blind people tell apart, and a way to tell the lines apart without colour
    ("#0b5fb0", "-", "o"),
    ("#d96b00", "--", "s"),
    ("#5b3a8c", "-.", "^"),
    ("#00786f", ":", "D"),
    ("#8a6d00", (0, (5, 1)), "v"),
    ("#a8325e", (0, (1, 1)), "P"),
)
GREY, SIGNED = "gray", "PuOr_r"
DOTS = 144  # an inch: two for each pixel of a page, whose inch has 72 units here
STYLE = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "legend.frameon": False,
}


class Figure(NamedTuple):
    """A picture as a file's bytes, which notebooks show by themselves.

    Attributes
    ----------
    png
        The file.
    alt
        What is to be seen, in words: a screen reader reads it.
    width
        On a page, in pixels.
    """

    png: bytes
    alt: str
    width: int

    def save(self, path: str | Path) -> None:
        """Write the PNG file, at once or not at all."""
        replace(Path(path), lambda temporary: temporary.write_bytes(self.png))

    def _repr_html_(self) -> str:
        source = "data:image/png;base64," + b64encode(self.png).decode()
        style = "max-width: 100%; height: auto; background: #fff; border-radius: 4px"
        return f'<img src="{source}" alt="{escape(self.alt)}" width="{self.width}" style="{style}">'


def pictures(
    images: Mapping[str, Array],
    *,
    alt: str,
    signed: bool = False,
    limits: tuple[float, float] | None = None,
    numbers: str | None = None,
    columns: int = 6,
    size: float = 2.0,
) -> Figure:
    """Arrays side by side.

    Parameters
    ----------
    images
        By title: (H, W) or (1, H, W), grey; or (3, H, W), red, green, blue. Integers are levels from 0 to 255;
        floating values reach from the array's least to its largest, colours from 0 to 1.
    alt
        What is to be seen, in words.
    signed
        Purple where negative, white at 0, orange where positive.
    limits
        The same two ends for all grey or signed arrays, so that they can be compared.
    numbers
        A format such as ``".1f"``: each entry is also written into its cell. For small arrays.
    columns
        Pictures in a row at most.
    size
        Width of a picture in inches.

    Raises
    ------
    ValueError
        For an array that is no picture, or where there is none.
    ModuleNotFoundError
        When matplotlib is not installed.

    Examples
    --------
    >>> import tinycnn as tc
    >>> images, labels = tc.data.digits("test")
    >>> figure = tc.plot.pictures({f"a {labels[0]}": 16.0 - images[0]}, alt="a handwritten 1")
    >>> figure.png[1:4], figure.alt
    (b'PNG', 'a handwritten 1')
    """
    if not images:
        raise ValueError("pictures needs one array at least, got none")
    shown = {title: _as_picture(title, array) for title, array in images.items()}
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    H, W = np.max([array.shape[:2] for array in shown.values()], axis=0)
    with _style():
        title_height = 0.4 + 0.2 * max(title.count("\n") for title in shown)
        figure = _figure(columns * size, rows * (size * H / W + title_height))
        for place, (title, array) in enumerate(shown.items(), 1):
            axes = figure.add_subplot(rows, columns, place)
            axes.set_title(title, fontsize=9)
            axes.set_axis_off()
            least, largest = limits or _limits(array, signed)
            axes.imshow(array, cmap=SIGNED if signed else GREY, vmin=least, vmax=largest, interpolation="nearest")
            if numbers is not None:
                _write_numbers(axes, array, numbers, signed, least, largest, size)
        return _finished(figure, alt)


def curves(
    lines: Mapping[str, Any],
    *,
    x: str,
    y: str,
    alt: str,
    log_x: bool = False,
    log_y: bool = False,
    size: tuple[float, float] = (5.5, 3.2),
) -> Figure:
    """Lines over one axis.

    Parameters
    ----------
    lines
        By label: values, one after the other; or a pair of arrays, places and values.
    x, y
        What the axes count, with the unit.
    alt
        What is to be seen, in words.
    log_x, log_y
        Whether an axis is logarithmic.
    size
        In inches.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed.

    Examples
    --------
    >>> import tinycnn as tc
    >>> tc.plot.curves({"loss": [2.3, 1.1, 0.4]}, x="epoch", y="loss", alt="the loss falls from 2.3 to 0.4").width
    396
    """
    with _style():
        figure = _figure(*size)
        axes = figure.add_subplot(xlabel=x, ylabel=y, xscale="log" if log_x else None, yscale="log" if log_y else None)
        for (label, values), (colour, dashes, marker) in zip(lines.items(), cycle(LINES), strict=False):
            places, heights = values if isinstance(values, tuple) else (np.arange(len(values)), values)
            every = -(-len(places) // 12)  # more marks than a dozen would hide the line
            look = {"color": colour, "linestyle": dashes, "marker": marker, "markersize": 4, "markevery": every}
            axes.plot(places, heights, label=label, **look)
        if len(lines) > 1:
            axes.legend()
        return _finished(figure, alt)


def bars(values: Mapping[str, float], *, x: str, alt: str, size: tuple[float, float] | None = None) -> Figure:
    """Horizontal bars, one a name, with their values.

    Parameters
    ----------
    values
        By name, from the top.
    x
        What the bars count, with the unit.
    alt
        What is to be seen, in words.
    size
        In inches.

    Raises
    ------
    ModuleNotFoundError
        When matplotlib is not installed.

    Examples
    --------
    >>> import tinycnn as tc
    >>> figure = tc.plot.bars({"im2col": 2.0, "direct": 3.1}, x="ms", alt="im2col takes 2.0 ms, direct 3.1 ms")
    >>> figure.png[1:4]
    b'PNG'
    """
    with _style():
        figure = _figure(*(size or (5.5, 0.7 + 0.32 * len(values))))
        axes = figure.add_subplot(xlabel=x)
        drawn = axes.barh(list(values), list(values.values()), color=LINES[0][0], height=0.7)
        axes.bar_label(drawn, fmt=lambda value: f"{value:.3g}", padding=3, fontsize=9)
        axes.margins(x=0.12)
        axes.invert_yaxis()
        axes.grid(visible=False)
        return _finished(figure, alt)


def _style() -> Any:
    return require("matplotlib.style", "figures").context(["default", STYLE])


def _figure(width: float, height: float) -> Any:
    return require("matplotlib.figure", "figures").Figure(figsize=(width, height), layout="constrained")


def _finished(figure: Any, alt: str) -> Figure:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=DOTS, metadata={"Software": None})
    return Figure(file.getvalue(), alt, round(72 * figure.get_figwidth()))


def _as_picture(title: str, array: Array) -> Array:
    """As matplotlib takes it: (H, W), or (H, W, 3) from 0 to 1."""
    values = np.asarray(array)
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 2 and values.size:
        return values
    if values.ndim == 3 and values.shape[0] == 3 and values.size:
        colours = values.transpose(1, 2, 0)  # (3, H, W) -> (H, W, 3)
        return np.clip(colours / 255 if np.issubdtype(values.dtype, np.integer) else colours, 0, 1)
    hint = "its channels stand last: array.transpose(2, 0, 1)" if values.shape[2:] == (3,) else "take one of them"
    raise ValueError(f"pictures takes arrays (H, W), (1, H, W) or (3, H, W), got {values.shape} for {title!r}: {hint}")


def _limits(array: Array, signed: bool) -> tuple[float, float]:
    if signed:
        largest = float(np.abs(array).max()) or 1.0
        return -largest, largest
    if np.issubdtype(array.dtype, np.integer):
        return 0, 255
    return float(array.min()), float(array.max())


def _write_numbers(axes: Any, array: Array, form: str, signed: bool, least: float, largest: float, size: float) -> None:
    values = array if array.ndim == 2 else array.mean(axis=2)
    span = (largest - least) or 1.0
    letters = max(len(f"{value:{form}}") for value in values.flat)
    points = min(10.0, 72 * size / (values.shape[1] * (0.75 * letters + 0.5)))
    for (row, column), value in np.ndenumerate(values):
        place = (value - least) / span
        is_dark = abs(place - 0.5) > 0.3 if signed else place < 0.5
        colour = "white" if is_dark else "black"
        axes.text(column, row, f"{value:{form}}", ha="center", va="center", fontsize=points, color=colour)
