"""The print sheet: well formed, small, its numbers those of the record; as PNG of the right size."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.inspect.trace.drawing import COLOURS, Rect, Text, shortened, wrapped
from tinycnn.inspect.trace.entries import number_text
from tinycnn.inspect.trace.examples import EXAMPLES, example
from tinycnn.inspect.trace.sheet import HEIGHT, LIMIT, WIDTH, sheet, sheet_svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def traced():
    rng = np.random.default_rng(3)
    x, weight = rng.integers(-4, 5, (1, 2, 5, 5)) / 2, rng.integers(-2, 3, (2, 2, 3, 3)) / 2
    return tc.trace(lambda *arrays: F.conv2d(*arrays, stride=2, padding=1, algorithm="direct"), x, weight)


def texts(svg):
    return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter() if each.tag in (f"{SVG}tspan",)]


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_pass_of_every_operation_has_a_sheet_within_bounds(name, language):
    record = example(name, {}, backward=True).record
    assert record["operations"]
    for operation, each in enumerate(record["operations"]):
        for phase in range(len(each["phases"])):
            svg = sheet_svg(record, language, operation, phase)
            assert len(svg.encode()) <= LIMIT
            ElementTree.fromstring(svg)
            assert "{" not in "".join(texts(svg))
            for primitive in sheet(record, language, operation, phase).primitives:
                if isinstance(primitive, Rect):
                    assert 0 <= primitive.x <= primitive.x + primitive.width <= WIDTH
                    assert 0 <= primitive.y <= primitive.y + primitive.height <= HEIGHT
                else:
                    assert 0 < primitive.x < WIDTH
                    assert 0 < primitive.y < HEIGHT


def test_it_shows_the_numbers_of_the_stop(traced):
    operation = traced.operations[0]
    found = texts(traced.to_svg(stop=0))
    step = operation["phases"][0]["steps"][0]
    for tensor in ("x", "weight"):
        for value in operation["tensors"][tensor]["values"]:
            assert number_text(value) in found
    assert number_text(step["products"][0]) in found
    assert any(f"y[0, 0, 0, 0] is {number_text(operation['tensors']['y']['values'][0])}" in text for text in found)


def test_the_stop_is_marked(traced):
    marked = [each for each in sheet(traced.record, stop=4).primitives if isinstance(each, Rect)]
    reads = [each for each in marked if each.style == "read"][:-1]  # the last one is the legend's
    assert len(reads) == 2 * 9 + 2 * 9 + 18  # two windows, two planes of weights, their row of the matrix
    running = [each for each in marked if each.style == "running"]
    assert len(running) == 1


def test_without_a_stop_it_is_the_middle_one(traced):
    assert traced.to_svg() == traced.to_svg(stop=8)
    assert traced.to_svg() != traced.to_svg(stop=9)


def test_texts_do_not_reach_into_each_other(traced):
    for phase in range(3):
        placed = [each for each in sheet(traced.record, phase=phase).primitives if isinstance(each, Text)]
        spans = {}
        for each in placed:
            width = len(each.text) * each.size * 0.56
            start = each.x - {"start": 0, "middle": width / 2, "end": width}[each.anchor]
            spans.setdefault(round(each.y, 1), []).append((start, start + width, each.text))
        for line in spans.values():
            line.sort()
            for (_, end, left), (start, _, right) in pairwise(line):
                assert end <= start + 1, (left, right)


def test_it_stands_inside_another_page(traced):
    svg = traced.to_svg()
    names = re.findall(r'(?:class|id)="([^"]+)"', svg)
    assert names
    assert all(name.startswith("tcs-") for name in names)
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in svg
    for _, dark in COLOURS.values():
        assert dark in svg


def test_text_of_a_learner_cannot_become_markup():
    record = example("relu", {}).record
    phase = record["operations"][0]["phases"][0]
    phase["source"] = ["<script>alert('&')</script> \x1b[31m" for _ in phase["source"]]
    svg = sheet_svg(record)
    ElementTree.fromstring(svg)
    assert "<script" not in svg


def test_what_does_not_fit_is_said():
    traced = example("conv2d", {"input": (4, 9, 9), "kernels": 2, "padding": 1})
    svg = traced.to_svg()
    assert len(svg.encode()) <= LIMIT
    assert "Grids left out" in svg
    assert ">y[0, 0] [" in svg or ">y[0, 0]<" in svg  # what is written is kept


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"operation": 1}, "the trace has operation 0 to 0, got 1"),
        ({"phase": 9}, "the trace has pass 0 to 2, got 9"),
        ({"stop": 18}, "forward has stops 0 to 17, got 18"),
        ({"stop": -1}, "forward has stops 0 to 17, got -1"),
    ],
)
def test_what_is_not_there_is_refused(traced, where, message):
    with pytest.raises(ValueError, match=message):
        traced.to_svg(**where)


def test_files_are_written(traced, tmp_path):
    file = tmp_path / "sheet.svg"
    assert file.read_text(encoding="utf-8") if traced.to_svg(file) is None else file.is_file()
    assert file.read_text(encoding="utf-8") == traced.to_svg()
    assert [each.name for each in tmp_path.iterdir()] == ["sheet.svg"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_png_is_the_same_sheet(traced, tmp_path, language, caplog):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    from tinycnn.inspect.trace import png

    if language == "ko" and png._hangul_font() is None:
        pytest.skip("no font with Korean letters")
    traced.to_png(tmp_path / "sheet.png", language)
    with image.open(tmp_path / "sheet.png") as opened:
        assert opened.size == (2 * WIDTH, 2 * HEIGHT)
        colours = {colour for _, colour in opened.convert("RGB").getcolors(1 << 24)}
    for name in ("paper", "text", "read", "written"):
        assert tuple(bytes.fromhex(COLOURS[name][0][1:])) in colours
    assert not caplog.records  # no letter without a shape, no font that was not found


def test_png_in_korean_without_a_font_says_what_to_do(traced, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    from tinycnn.inspect.trace import png

    monkeypatch.setattr(png, "_hangul_font", lambda: None)
    with pytest.raises(ValueError, match=r"no font with Korean letters .* or write SVG"):
        traced.to_png(tmp_path / "sheet.png", "ko")
    assert not list(tmp_path.iterdir())


def test_a_graph_without_operations_is_no_sheet():
    traced = tc.trace(lambda a: a + a, np.array([1.0]))
    assert not traced.operations
    with pytest.raises(ValueError, match="write its page instead"):
        traced.to_svg()


def test_lines_are_broken_and_shortened():
    lines = wrapped("one two three four", 10, 60)
    assert " ".join(lines) == "one two three four"
    assert len(lines) > 1
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("한글 문장", 5) == "한글…"
