"""The pages of a forward and a backward pass: one that shows all layers, and one for each that has steps to show."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinycnn.arrays import Array
from tinycnn.inspect.trace.crop import Part, told
from tinycnn.inspect.trace.model import LOSS, Layer, Pass
from tinycnn.inspect.trace.record import TooLargeError, Trace
from tinycnn.optional import require
from tinycnn.plot import ink_picture, reduced, signed_picture
from tinycnn.plot.data_uri import NEGATIVE, POSITIVE
from tinycnn.storage import PARTIAL, write_text
from tinycnn.texts import Texts
from tinycnn.version import __version__

LARGEST = 150_000  # bytes of a page

MAPS = ((16, 32), (8, 32), (4, 32), (4, 16), (2, 16), (1, 8), (0, 1))
"""The most maps that are drawn of a layer, and pixels along a side of one: the first with which the page is small."""

IMAGE_SIZE = 64  # pixels along a side of the image
ROW, ROWS = 128, 4  # numbers side by side, at most, and such rows
CLASSES = 20  # the most whose probabilities are told

WORDS = Path(__file__).parent / "words" / "model"

BACK = (
    '<nav style="width:min(100% - 2.5rem,84rem);margin:0 auto;padding-top:.8rem;color:var(--soft);font:.9375rem/1.5 '
    'var(--sans)"><a href="{index}" style="color:var(--link)">{back}</a> · {name}</nav>'
)
"""The way from a layer's page to that of all layers."""

INDEX, MARK = "index.html", '<meta name="generator" content="tinycnn step"/>'
OURS = re.compile(r"index\.html|\d+-[\w-]+\.html")
"""What such a folder holds, and no more."""


class Sheet(NamedTuple):
    """The maps of a layer, or its numbers, in one picture, one below the other.

    Attributes
    ----------
    picture
        A ``data:`` URI.
    drawn
        How many maps are drawn; all numbers that are drawn are one.
    shown, total
        How many maps, or numbers, are drawn, and how many there are.
    height, width
        Of one of them, before it was reduced for the page.
    limit
        What the full colours stand for.
    low, high, norm
        Of all numbers.
    is_row
        Whether they are numbers in a row, not maps.
    """

    picture: str
    drawn: int
    shown: int
    total: int
    height: int
    width: int
    limit: float
    low: float
    high: float
    norm: float
    is_row: bool
    is_reduced: bool


class Frame(NamedTuple):
    """What of a drawn map a layer's page shows, in percent of its width and height."""

    left: float
    top: float
    width: float
    height: float


class Page(NamedTuple):
    """A page of a layer: its file, its text, and which part of which output it shows."""

    name: str
    text: str
    part: Part
    of: tuple[int, ...]
    is_of_layer: bool

    @property
    def is_part(self) -> bool:
        """Whether not all outputs are shown."""
        return any(axis != slice(0, size) for axis, size in zip(self.part, self.of, strict=True))

    def frame(self, sheet: Sheet, index: int) -> Frame | None:
        """Around what is shown of one of the maps of a sheet, or of its only row of numbers."""
        if not (self.is_part and self.is_of_layer) or (sheet.is_row and sheet.height > 1):
            return None
        row, column = (slice(0, 1), self.part[1]) if sheet.is_row else self.part[2:]
        if not sheet.is_row and not self.part[1].start <= index < self.part[1].stop:
            return None
        across, down = 100 / sheet.width, 100 / sheet.height
        width, height = column.stop - column.start, row.stop - row.start
        sides = (column.start * across, row.start * down, width * across, height * down)
        return Frame(*(round(side, 2) for side in sides))


def layer_pages(seen: Pass, language: str = "en") -> dict[int, Page]:
    """Pages that step through layers, by the layer's number; of a large layer, through the part that fits a page."""
    back = Texts(WORDS, language)["back"]
    pages = {}
    for i, layer in enumerate(seen.layers):
        name = f"{layer.name}, {layer.kind}" if layer.name else layer.kind
        way_back = BACK.format(index=f"{INDEX}#layer-{i + 1}", back=escape(back), name=escape(name))
        page = _layer_page(f"{i + 1}-{_slug(layer)}.html", layer, language, way_back)
        if page is not None:
            pages[i] = page
    return pages


def _layer_page(name: str, layer: Layer, language: str, way_back: str) -> Page | None:
    for crop in layer.crops():
        made = crop.trace()
        titled = Trace({**made.record, "title": f"{layer.name or layer.kind}: {made.record['title']}"})
        try:
            text = titled.to_html(language=language).replace("<main", f"{way_back}<main", 1)
        except TooLargeError:
            continue
        if len(text.encode()) > LARGEST:
            continue
        return Page(name, text, crop.part, crop.call.output.shape, crop.call is layer.calls[-1])
    return None


def _slug(layer: Layer) -> str:
    return re.sub(r"\W+", "-", layer.name or layer.kind.lower())


def index_page(
    seen: Pass,
    pages: Mapping[int, Page],
    *,
    model: str,
    source: str,
    image: str,
    classes: Sequence[str],
    is_given: bool,
    language: str = "en",
) -> str:
    """The page that shows all layers; it needs no network and no script, and links to the pages beside it.

    Parameters
    ----------
    seen
        What is shown.
    pages
        Of the layers, by the layer's number.
    model, source, image
        Names of the network, of the file of its weights and of that of the image.
    classes
        Their names.
    is_given
        Whether the class that the loss is held against was asked for.

    Raises
    ------
    ModuleNotFoundError
        When Jinja2 or Pillow is not installed.
    """
    folder = Path(__file__).with_name("web_model")
    jinja = require("jinja2", "pages of a network")
    environment = jinja.Environment(
        autoescape=True, undefined=jinja.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "part": part_of_1, "shape": shaped, "told": told, "count": "{:,}".format}
    template = environment.from_string((folder / INDEX).read_text(encoding="utf-8"))
    texts = Texts(WORDS, language)
    for most, size in MAPS:
        arrays = [(layer.output, layer.gradient) for layer in seen.layers]
        sheets = [[_sheet(array, max(most, 1), size) for array in both] for both in arrays]
        text: str = template.render(
            seen=seen,
            are_drawn=most > 0,
            rows=[
                {"layer": layer, "sheets": both, "page": pages.get(i), "id": f"layer-{i + 1}", "norms": _norms(layer)}
                for i, (layer, both) in enumerate(zip(seen.layers, sheets, strict=True))
            ],
            ink=_ink(seen.image),
            # The channels of a grey image are copies of it, so a pixel's gradient is the sum over them.
            image_gradient=_sheet(seen.image_gradient.sum(0, keepdims=True), 1, IMAGE_SIZE),
            model=model,
            source=source,
            image=image,
            classes=classes,
            told_of=_told_of(seen),
            likeliest=int(seen.probabilities.argmax()),
            is_given=is_given,
            language=language,
            say=texts.say,
            formulas={layer.kind: texts[f"kinds.{layer.kind}"] for layer in seen.layers},
            loss=LOSS,
            style=(folder / "style.css").read_text(encoding="utf-8"),
            colours=[" ".join(map(str, colour)) for colour in (NEGATIVE, POSITIVE)],
            mark=MARK,
            version=__version__,
        )
        if len(text.encode()) <= LARGEST:
            break
    return text


def _sheet(values: Array, most: int, size: int) -> Sheet:
    """Draw the first of (K, H, W), of so many pixels along a side, or the numbers of any other array in rows."""
    numbers = np.asarray(values, np.float64)
    is_row = numbers.ndim != 3 or prod(numbers.shape[1:]) == 1
    maps = _in_rows(numbers.ravel()[: ROW * ROWS]) if is_row else numbers
    shown = reduced(maps[:most], ROW if is_row else size)
    limit = float(np.abs(shown).max()) or 1.0
    return Sheet(
        signed_picture(shown.reshape(-1, shown.shape[2]), limit),  # (K, H, W) -> (K·H, W): one below the other
        len(shown),
        min(numbers.size, ROW * ROWS) if is_row else len(shown),
        numbers.size if is_row else len(maps),
        height=maps.shape[1],
        width=maps.shape[2],
        limit=limit,
        low=float(numbers.min()),
        high=float(numbers.max()),
        norm=float(np.linalg.norm(numbers)),
        is_row=is_row,
        is_reduced=shown.shape[1:] != maps.shape[1:],
    )


def _in_rows(numbers: Array) -> Array:
    """(n,) -> (1, H, W), rows of equal length, filled up with zeros."""
    rows = ceil(numbers.size / ROW)
    width = ceil(numbers.size / rows)
    return np.pad(numbers, (0, rows * width - numbers.size)).reshape(1, rows, width)


def _told_of(seen: Pass) -> list[int]:
    """Classes whose probabilities are told: all, or of many the likeliest, and the one of the loss."""
    likeliest = np.argsort(-seen.probabilities, kind="stable")[:CLASSES].tolist()
    if len(seen.probabilities) <= CLASSES:
        return sorted(likeliest)
    return likeliest if seen.label in likeliest else [*likeliest[:-1], seen.label]


def _ink(image: Array) -> str:
    (grey,) = reduced(image[:1] - image[0].min(), IMAGE_SIZE)
    return ink_picture(grey, float(grey.max()) or 1.0)


def _norms(layer: Layer) -> list[dict[str, Any]]:
    """Of the parameters and their gradients."""
    return [
        {
            "name": each.name,
            "shape": each.values.shape,
            "norm": float(np.linalg.norm(each.values)),
            "gradient_norm": float(np.linalg.norm(each.gradient)),
            "largest": float(np.abs(each.gradient).max(initial=0.0)),
        }
        for each in layer.weights
    ]


def number(value: float) -> str:
    """Three significant digits, with a true minus sign.

    Examples
    --------
    >>> number(-0.12345), number(-0.0), number(1e-5)
    ('−0.123', '0', '1e−05')
    """
    return f"{float(value) or 0.0:.3g}".replace("-", "−")


def part_of_1(value: float) -> str:
    """A probability in percent; only what is all reads 100, and only what is nothing reads 0.

    Examples
    --------
    >>> part_of_1(0.9731), part_of_1(0.99999), part_of_1(0.0001), part_of_1(1.0)
    ('97.3 %', '> 99.9 %', '< 0.1 %', '100.0 %')
    """
    text = f"{100 * value:.1f}"
    if value < 1 and text == "100.0":
        return "> 99.9 %"
    return "< 0.1 %" if value > 0 and text == "0.0" else f"{text} %"


def shaped(shape: Sequence[int]) -> str:
    """Sizes of an array.

    Examples
    --------
    >>> shaped((6, 28, 28)), shaped(())
    ('6 × 28 × 28', '1')
    """
    return " × ".join(map(str, shape)) or "1"


def require_free(folder: Path) -> None:
    """Refuse a folder that holds anything but such pages.

    Raises
    ------
    FileExistsError
        Saying what is there.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name a folder with --out")
    others = sorted(entry.name for entry in folder.iterdir() if not OURS.fullmatch(entry.name))
    index = folder / INDEX
    if not others and index.is_file() and MARK not in index.read_text(encoding="utf-8", errors="replace")[:2000]:
        others = [INDEX]
    if not others and not index.is_file():
        others = sorted(entry.name for entry in folder.iterdir())
    if others:
        raise FileExistsError(f"{folder} holds other things, such as {others[0]}: name another folder with --out")


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write pages into a folder, in the place of those that were there; they are all made beside it first.

    Raises
    ------
    OSError
        When the folder holds other things, or cannot be written.
    """
    folder = folder.resolve()
    require_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}{PARTIAL}")
    beside.mkdir()
    try:
        for name, text in files.items():
            write_text(beside / name, text)
        if not folder.exists():
            beside.rename(folder)
            return
        for old in folder.iterdir():
            if old.name not in files:
                old.unlink()
        for name in sorted(files, key=INDEX.__eq__):  # the index last: what it links to is there
            os.replace(beside / name, folder / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
