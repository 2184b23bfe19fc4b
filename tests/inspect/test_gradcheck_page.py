"""The page of gradient checks: what it says against the report, that it stands alone, and that all can read it."""

import re
import sys
from collections import Counter
from html import escape
from itertools import pairwise, product
from xml.etree import ElementTree

import numpy as np
import pytest

import tinycnn as tc
from tests.oracles import oracle
from tinycnn.inspect.gradcheck import VERDICTS
from tinycnn.inspect.gradcheck.page import chart, page, write_page

oracle("jinja2")

NASTY = "<script>alert(1)</script> \"quoted\" & 'more'"
SIGNS = {"right": "·", "wrong": "×", "on a kink": "∧", "below noise": "~", "both zero": "0"}


def entry(index, verdict="right", backward=1.25, difference=1.25, error=2e-11, lower=None, upper=None):
    numbers = {"backward": backward, "difference": difference, "lower": lower, "upper": upper, "error": error}
    return {"index": index, "verdict": verdict, "step": 1e-5, **numbers}


def wrong(index, error=0.5, **numbers):
    return entry(index, "wrong", error=error, **numbers)


def entries(shape, but=()):
    """One for every index, all right but those that are given."""
    changed = {tuple(e["index"]): e for e in but}
    return [changed.get(index, entry(list(index))) for index in product(*map(range, shape))]


def made_input(name, shape, found=None, causes=(), sweep=()):
    found = entries(shape) if found is None else found
    verdicts = [e["verdict"] for e in found]
    return {
        "name": name,
        "shape": list(shape),
        "size": int(np.prod(shape)),
        "checked": len(found),
        "counts": {verdict: verdicts.count(verdict) for verdict in VERDICTS},
        "largest_error": max((e["error"] or 0.0 for e in found), default=0.0),
        "causes": list(causes),
        "entries": found,
        "sweep": list(sweep),
    }


def made(title, verdict, *inputs, **more):
    usual = {"mode": "entries", "dtype": "float64", "seed": 0, "faults": [], "notes": []}
    return {"title": title, "verdict": verdict, **usual, "inputs": list(inputs), **more}


def of_x(verdict, shape=(1,), found=None, **more):
    return made("f", verdict, made_input("x", shape, found, **more))


STEPS = [10.0**-k for k in range(1, 13)]


def made_sweep(dtype="float64", curvature=1.0):
    epsilon = float(np.finfo(dtype).eps)
    return {"dtype": dtype, "steps": STEPS, "errors": [min(1.0, curvature * h * h + epsilon / h) for h in STEPS]}


BORDER = [
    wrong([0, 1, 0, 3], 0.1773, backward=1.234, difference=1.5),
    *(wrong([1, 0, 5, i], error) for i, error in enumerate((2e-5, 2e-3, 2e-2))),
    wrong([1, 1, 2, 2], None, backward=None, difference=1.5),
    entry([0, 0, 2, 2], "on a kink", 0.0, 0.65, 0.0, lower=0.0, upper=1.304),
    entry([0, 0, 3, 3], "below noise", 1e-15, 3e-15, error=0.7),
    entry([1, 1, 3, 3], "both zero", 0.0, 0.0, error=0.0),
]
CAUSES = [
    {"name": "border", "sentence": "right inside, wrong at the border: look at the slice that cuts the padding off"},
    {"name": "overwritten", "sentence": "of several windows only one counts"},
]


def swept(*errors, dtype="float64"):
    """A sweep of these errors over steps of 0.1, 0.01 and so on."""
    return {"dtype": dtype, "steps": STEPS[: len(errors)], "errors": list(errors)}


RIGHT = made("tanh", "right", made_input("x", (3, 4), sweep=[made_sweep()]))
WRONG = made(
    "my_pool, padded",
    "wrong",
    made_input("x", (2, 2, 6, 5), entries((2, 2, 6, 5), but=BORDER), CAUSES, [made_sweep()]),
    made_input("bias", (3,)),
    faults=["x was changed in place"],
    notes=["x was moved off a kink"],
)
DIRECTIONS = made_input("c1.weight", (6, 1, 5, 5), [entry(None), wrong(None)])
PROJECTED = made("lenet5", "wrong", DIRECTIONS, mode="projections")
SWEPT = made_input("x", (2, 3), sweep=[made_sweep("float32"), made_sweep()])
FLOAT32 = made("tanh in float32", "demonstration", SWEPT, dtype="float32")
MIXED = (RIGHT, WRONG, FLOAT32, PROJECTED)


class Page:
    """A page, read as the XML that it also is."""

    def __init__(self, *checks, title="Checks of <mine>"):
        self.source = page(checks, title)
        self.root = ElementTree.fromstring(self.source)

    @property
    def text(self):
        return " ".join("".join(self.root.find("body").itertext()).split())

    def marked(self, tag, style):
        return [e for e in self.root.iter(tag) if style in (e.get("class") or "").split()]

    @property
    def grids(self):
        return self.marked("div", "map")

    @property
    def labels(self):
        return ["".join(e.itertext()) for e in self.marked("span", "label")]

    def signs(self):
        """How often each sign stands in a square."""
        return Counter(square.text for grid in self.grids for square in grid.iter("i") if square.text)

    def rows(self, number):
        """The cells of a table's body, as text."""
        body = list(self.root.iter("tbody"))[number]
        return [["".join(cell.itertext()) for cell in row] for row in body]


@pytest.fixture(scope="module")
def mixed():
    return Page(*MIXED)


@pytest.fixture(scope="module")
def shown():
    return Page(WRONG)


def test_the_page_stands_alone_and_runs_nothing(mixed):
    urls = re.findall(r"""(?:src|href|srcset|action|data|poster)\s*=\s*["']([^"']*)""", mixed.source)
    assert urls
    assert all(url.startswith("#check-") for url in urls)
    for fetching in ("http:", "https:", "url(", "@import", "<script", "<link", "<iframe", "javascript:", " onclick"):
        assert fetching not in mixed.source


def test_names_of_elements_are_given_once_and_references_lead_somewhere(mixed):
    names = [e.get("id") for e in mixed.root.iter() if e.get("id")]
    assert len(names) == len(set(names)) == len(MIXED)
    assert [e.get("href") for e in mixed.root.iter("a")] == [f"#{name}" for name in names]


def test_headings_follow_one_another_and_pictures_have_words(mixed):
    levels = [int(e.tag[1]) for e in mixed.root.iter() if re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(len(e.get("aria-label", "")) > 10 for e in mixed.root.iter() if e.get("role") == "img")
    assert len([e for e in mixed.root.iter() if e.get("role") == "img"]) == 1 + 1 + 4 + 1 + 1 + 1 + 1
    assert all(table.find(".//th[@scope='row']") is not None for table in mixed.root.iter("table"))


def test_a_notebook_keeps_its_own_looks_around_the_page(mixed):
    style = re.sub(r"/\*.*?\*/", "", mixed.root.find(".//style").text, flags=re.DOTALL)
    selectors = [s.strip() for group in re.findall(r"([^{}]+)\{", style) for s in group.split(",")]
    bound = [s for s in selectors if not s.startswith("@media")]
    assert len(bound) > 50
    assert [s for s in bound if not re.match(r"(\.gc|\.gc-page|html:has\(> \.gc-page\))(?![\w-])", s)] == []
    assert 'name="color-scheme"' not in mixed.source, "it would hold for the notebook as well"
    single = page([RIGHT], "tanh")
    assert " id=" not in single, "a notebook may show two of them"


def test_checks_stand_in_the_order_of_concern_and_only_right_ones_are_folded(mixed):
    titles = [e.text for e in mixed.root.iter("a")]
    assert titles == ["my_pool, padded", "lenet5", "tanh in float32", "tanh"]
    sections = [e for e in mixed.root.iter("section") if e.get("id")]
    assert [e.get("class") for e in sections] == ["wrong", "wrong", "demonstration", "right"]
    assert [e.find("details").get("open") for e in sections] == ["open", "open", "open", None]
    assert [e.find("details/summary/h2").text for e in sections] == titles
    assert "4 checks: 1 right, 1 demonstration, 2 wrong." in mixed.text


def test_a_right_check_alone_says_so_and_is_not_folded():
    alone = Page(RIGHT, title="tanh")
    assert alone.text.startswith("Gradient check tanh ✓ The gradients hold.")
    assert alone.signs() == {"·": 12}
    assert "all 12 entries" in alone.text
    assert not alone.marked("ul", "why")
    assert not list(alone.root.iter("nav"))
    (curve,) = alone.root.iter("details")
    assert curve.get("class") == "numbers"


def test_counts_and_signs_are_the_reports(shown):
    x, bias = shown.marked("ul", "counts")
    told = ["·112 right", "×5 wrong", "∧1 on a kink", "~1 below noise", "01 both zero", "largest relative error 0.7"]
    assert ["".join(e.itertext()).strip() for e in x] == told
    assert ["".join(e.itertext()).strip() for e in bias] == ["·3 right", "largest relative error 2e-11"]
    counts = Counter(e["verdict"] for item in WRONG["inputs"] for e in item["entries"])
    assert shown.signs() == {SIGNS[verdict]: count for verdict, count in counts.items()}


def test_every_square_lies_at_its_index_and_tells_its_numbers(shown):
    assert shown.labels == ["x[0, 0]", "x[0, 1]", "x[1, 0]", "x[1, 1]", "bias"]
    by_index = {tuple(e["index"]): e for e in WRONG["inputs"][0]["entries"]}
    for (n, c), grid in zip(product(range(2), range(2)), shown.grids, strict=False):
        squares = list(grid.iter("i"))
        assert len(squares) == 6 * 5
        for (h, w), square in zip(product(range(6), range(5)), squares, strict=True):
            assert square.text == SIGNS[by_index[n, c, h, w]["verdict"]]
            assert square.get("title").startswith(f"[{n}, {c}, {h}, {w}]: backward ")
    titles = [square.get("title") for grid in shown.grids for square in grid.iter("i")]
    assert "[0, 1, 0, 3]: backward 1.23, quotient 1.5, error 0.177" in titles
    assert "[0, 0, 2, 2]: backward 0, quotient 0 to 1.3, error 0" in titles
    assert "[1, 1, 2, 2]: backward not a number, quotient 1.5, error not a number" in titles
    assert [b.text for b in shown.grids[0].iter("b")] == [None, *"01234", *"012345"]


def test_the_more_wrong_the_deeper(shown):
    squares = {s.get("title").partition(":")[0]: s.get("class") for g in shown.grids for s in g.iter("i")}
    shades = [squares[index] for index in ("[1, 0, 5, 0]", "[1, 0, 5, 1]", "[1, 0, 5, 2]", "[0, 1, 0, 3]")]
    assert shades == ["w1", "w2", "w3", "w4"]
    assert squares["[1, 1, 2, 2]"] == "w4"
    assert squares["[0, 0, 0, 0]"] == "r"


def test_a_map_is_summed_up_in_words(shown):
    assert [grid.get("aria-label") for grid in shown.grids] == [
        "x[0, 0], 6 by 5: 28 right, 1 on a kink and 1 below noise",
        "x[0, 1], 6 by 5: 29 right and 1 wrong",
        "x[1, 0], 6 by 5: 27 right and 3 wrong",
        "x[1, 1], 6 by 5: 28 right, 1 wrong and 1 both zero",
        "bias, 1 by 3: 3 right",
    ]


def test_the_verdict_its_causes_faults_and_notes_are_told(shown):
    assert "× The gradient of x is wrong." in shown.text
    why, hints = (["".join(e.itertext()) for e in block] for block in shown.marked("ul", "why"))
    assert why == ["x was changed in place", *(f"x, {cause['name']}: {cause['sentence']}" for cause in CAUSES)]
    assert hints == ["x was moved off a kink"]


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (made("f", "wrong", faults=["y"]), "Wrong, though no entry is: read why."),
        (made("f", "wrong", *(made_input(n, (1,), [wrong([0])]) for n in "xw")), "The gradients of x and w are wrong."),
        (
            of_x("inconclusive", (1,), [entry([0], "below noise")]),
            "Inconclusive: most of x is below the rounding noise.",
        ),
        (of_x("wrong", (1,), [wrong([0])]), "None of the usual mistakes explains it."),
        (FLOAT32, "A demonstration in float32, no verdict"),
        (FLOAT32, "can neither prove a gradient nor refute it"),
        (PROJECTED, "6 × 1 × 5 × 5: 2 random directions through all 150 entries"),
        (PROJECTED, "which inputs are wrong, not which entries"),
        (of_x("right", (1,), sweep=[made_sweep(curvature=0.0)]), "Large steps do no harm here"),
        (of_x("right", (1,), sweep=[made_sweep(curvature=0.0)]), "for float64 it is 0.1,"),
        (
            of_x("wrong", (1,), [wrong([0])], sweep=[swept(None, None)]),
            "is a number. Backward gives zeros only, or nothing",
        ),
    ],
)
def test_what_else_there_may_be_is_told(check, told, shown):
    assert told in Page(check).text
    assert told not in shown.text


def test_tables_hold_the_worst_entries_in_order(shown):
    assert "The 5 wrong entries" in shown.text
    assert "The entry on a kink" in shown.text
    order = ([1, 1, 2, 2], [0, 1, 0, 3], [1, 0, 5, 2], [1, 0, 5, 1], [1, 0, 5, 0])
    assert [row[0] for row in shown.rows(0)] == [f"x{index}" for index in order]
    assert shown.rows(0)[0][1:] == ["not a number", "1.5", "not a number", "1e-05", "×wrong"]
    assert shown.rows(0)[1][1:] == ["1.23", "1.5", "0.177", "1e-05", "×wrong"]
    assert shown.rows(1) == [["x[0, 0, 2, 2]", "0", "from 0 to 1.3", "0", "1e-05", "∧on a kink"]]


def test_a_table_leaves_the_less_wrong_out_and_says_so():
    found = [wrong([i], (i + 1) / 100) for i in range(30)]
    found += [entry([30 + i], "on a kink", 0.0, lower=-1.0, upper=1.0) for i in range(7)]
    long = Page(of_x("wrong", (37,), found))
    assert "The 10 worst of 30 wrong entries" in long.text
    assert "The 5 worst of 7 entries on kinks" in long.text
    assert [row[0] for row in long.rows(0)] == [f"x[{i}]" for i in range(29, 19, -1)]
    assert len(long.rows(1)) == 5


def test_random_directions_have_a_table_and_no_map():
    projected = Page(PROJECTED)
    assert not projected.grids
    assert [row[0] for row in projected.rows(0)] == ["1", "0"]
    assert projected.rows(0)[0][-1] == "×wrong"


def test_a_single_number_is_a_single_square():
    scalar = Page(of_x("right", ()))
    assert scalar.labels == ["x"]
    assert [square.get("title")[:12] for square in scalar.grids[0].iter("i")] == ["[]: backward"]
    assert "a single number: its one entry" in scalar.text


def test_five_axes_are_planes_by_the_first_three():
    deep = Page(of_x("right", (2, 1, 3, 2, 2)))
    assert deep.labels == [f"x[{i}, 0, {j}]" for i in range(2) for j in range(3)]
    assert deep.signs() == {"·": 24}
    assert "left out" not in deep.text


def test_an_input_without_entries_is_told_and_not_drawn():
    empty = Page(of_x("right", (0, 3), []))
    assert "0 × 3: all 0 entries" in empty.text
    assert not empty.grids


def test_of_many_planes_those_with_wrong_entries_are_drawn():
    found = entries((60, 2, 2), but=[wrong([59, 1, 0], 0.5)])
    many = Page(of_x("wrong", (60, 2, 2), found))
    assert many.labels == [f"x[{i}]" for i in (*range(47), 59)]
    assert "48 of 60 maps are shown, those with wrong entries first; 12 are left out." in many.text
    assert "What is left out holds 48 of the entries that were looked at, 0 of them wrong." in many.text


def test_of_large_planes_fewer_are_drawn():
    found = [entry([i, 0, 0]) for i in range(9)] + [wrong([9, 63, 63])]
    assert Page(of_x("wrong", (10, 64, 64), found)).labels == ["x[0]", "x[1]", "x[2]", "x[9]"]


def test_of_a_large_plane_the_first_rows_and_columns_are_drawn():
    found = [entry([i, i]) for i in range(70)] + [wrong([99, 99], 0.5)]
    large = Page(of_x("wrong", (100, 100), found))
    assert large.signs() == {"·": 64}
    assert "71 of 10,000 entries" in large.text
    assert "Of each map the first 64 rows and columns are shown." in large.text
    assert "What is left out holds 7 of the entries that were looked at, 1 of them wrong." in large.text
    assert "Blank: not looked at." in large.text
    assert large.rows(0)[0][0] == "x[99, 99]", "in the table nevertheless"
    spans = [int(s.get("class")[1:]) if s.get("class")[0] == "s" else 1 for s in large.grids[0].iter("i")]
    assert sum(spans) == 64 * 64
    assert spans[:4] == [1, 63, 1, 1]


def test_the_sweep_tells_the_best_steps():
    drawn = Page(FLOAT32)
    text = drawn.text
    assert "for float32 it is 0.01, with a relative error of 0.000112" in text
    assert "for float64 it is 1e-05, with a relative error of 1.22e-10" in text
    assert "falls as h²" in text
    assert "grows as eps/h" in text
    assert "do no harm" not in text
    (svg,) = drawn.marked("svg", "sweep")
    assert "for float64 it is 1e-05" in svg.get("aria-label")
    assert [e.get("class") for e in svg.iter("circle")] == ["float32", "float64"]
    assert drawn.rows(0)[0] == ["0.1", "0.01", "0.01"]
    assert len(drawn.rows(0)) == len(STEPS)


def test_curves_lie_where_their_numbers_are():
    drawn = chart(RIGHT["inputs"][0])
    (curve,) = drawn.curves
    points = np.array([point.split() for point in curve.path[1:].split("L")], dtype=float)
    assert points.shape == (12, 2)
    frame = drawn.frame
    decades = [
        frame.left + points[:, 0] / frame.width * (frame.right - frame.left),
        frame.top - points[:, 1] / frame.height * (frame.top - frame.bottom),
    ]
    assert decades[0] == pytest.approx(np.log10(STEPS), abs=0.01)
    assert decades[1] == pytest.approx(np.log10(made_sweep()["errors"]), abs=0.03)


def test_labels_stand_at_the_left_ends_of_their_curves_and_never_on_one_another():
    sweeps = [swept(*[1.0] * count, dtype=dtype) for dtype, count in (("float32", 6), ("float64", 12))]
    drawn = chart(made_input("x", (1,), sweep=sweeps))
    places = np.array([curve.label for curve in drawn.curves])
    assert places[:, 0].tolist() == pytest.approx([drawn.frame.x(STEPS[i]) + 12 for i in (5, 11)])
    assert places[1, 1] - places[0, 1] >= 14
    assert places.min() >= 10


def test_a_curve_is_broken_at_what_is_not_a_number_and_ends_at_the_edge_for_0():
    x = made_input("x", (1,), sweep=[swept(1e-3, None, 1e-5, 0.0)])
    drawn = chart(x)
    assert re.sub(r"[\d.]+", "", drawn.curves[0].path) == "M M L "
    assert drawn.curves[0].path.endswith(f" {drawn.frame.height}.0")
    assert Page(made("f", "right", x)).rows(0)[1] == ["0.01", "not a number"]


def test_a_sweep_that_nothing_brings_down_is_told_so():
    drawn = Page(of_x("wrong", (1,), [wrong([0])], sweep=[swept(*[0.5] * 12)]))
    assert "no step brings the error down" in drawn.text
    assert "is ringed" not in drawn.text
    assert not list(drawn.root.iter("circle"))


def test_names_are_text_whatever_they_hold():
    hidden = "\x1b[31mred\x00\ud800"
    x = made_input(NASTY, (2, 2), entries((2, 2)), causes=[{"name": NASTY, "sentence": f"{NASTY}{hidden}"}])
    check = made(NASTY, "wrong", x, faults=[NASTY], notes=[hidden])
    for nasty in (Page(check, title=NASTY), Page(check, check, title=NASTY)):
        assert "<script" not in nasty.source
        assert escape(NASTY, quote=False).split(" ")[0] in nasty.source
        assert nasty.text.count(NASTY) >= 6
        assert nasty.root.find("head/title").text.startswith(NASTY)
        assert nasty.grids[0].get("aria-label").startswith(NASTY)
        assert "�[31mred��" in nasty.text
        nasty.source.encode()


def test_fifty_checks_of_the_most_entries_stay_under_three_megabytes():
    shape = (5, 4, 5, 5)
    x = made_input("x", shape, entries(shape, but=[wrong([0, 0, 0, i], 0.5) for i in range(5)]))
    source = page([made(f"check {i}", "wrong", x) for i in range(50)], "50 checks")
    assert source.count('class="r" title') == 50 * 495
    assert len(source.encode()) < 3_000_000


def test_a_report_is_taken_as_it_is(tmp_path):
    class Halved(tc.function.Function):
        def forward(self, x):
            self.x = x
            return x * x

        def backward(self, grad):
            return self.x * grad

    report = tc.gradcheck(lambda x: Halved()(x), np.random.default_rng(0).normal(size=(2, 3)), sweep=True)
    path = tmp_path / "check.html"
    report.to_html(path, title="halved")
    source = path.read_text(encoding="utf-8")
    assert source == page([{"title": "halved", **report.as_dict()}], "halved")
    shown = Page({"title": "halved", **report.as_dict()})
    assert shown.signs() == {"×": 6}
    assert "x, constant ratio:" in shown.text
    assert "no step brings the error down" in shown.text
    assert "The gradient of x is wrong." in report._repr_html_()


def test_the_page_is_replaced_at_once_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "check.html"
    path.write_text("before")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "jinja2", None)
        with pytest.raises(ModuleNotFoundError, match=r"need jinja2: pip install 'tinycnn\[plot\]'"):
            write_page(path, MIXED, "mixed")
    assert path.read_text() == "before"
    write_page(path, MIXED, "mixed")
    assert path.read_text(encoding="utf-8") == page(MIXED, "mixed")
    assert [e.name for e in tmp_path.iterdir()] == ["check.html"]
