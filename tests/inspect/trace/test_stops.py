"""Stops, values at a step, and what is said of them: held against the record, counted anew."""

import math
from pathlib import Path

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.inspect.trace import stops
from tinycnn.inspect.trace.entries import index_of, number_text, place_name
from tinycnn.inspect.trace.grids import grids_of
from tinycnn.inspect.trace.stops import Pass, Sayings, stops_of
from tinycnn.texts import missing


@pytest.fixture(scope="module")
def operation():
    rng = np.random.default_rng(3)
    x, weight, bias = (rng.integers(-4, 5, shape) / 2 for shape in ((1, 2, 5, 5), (2, 2, 3, 3), (2,)))
    traced = tc.trace(lambda *arrays: F.conv2d(*arrays, stride=2, padding=1, algorithm="direct"), x, weight, bias)
    return traced.operations[0]


def passes(operation):
    return {phase["name"]: Pass(operation, phase) for phase in operation["phases"]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (-1e-320, "−9.9999e−321"),
        (1.0, "1"),
        (-2.5, "−2.5"),
        (0.123456, "0.12346"),
        (12344.5, "12345"),  # halves away from zero, as JavaScript has it, not to the even neighbour
        (-12344.5, "−12345"),
        (99999.5, "1e5"),
        (100000, "1e5"),
        (123456, "1.2346e5"),
        (0.0001, "0.0001"),
        (0.00001234, "1.234e−5"),
        (math.nan, "NaN"),
        ("nan", "NaN"),
        ("inf", "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers_have_five_digits_and_a_true_minus(value, text):
    assert number_text(value) == text


def test_a_number_reads_back_as_it_was_rounded():
    for value in np.random.default_rng(0).standard_normal(200) * 10.0 ** np.arange(-100, 100):
        shown = float(number_text(float(value)).replace("−", "-"))
        assert shown == float(f"{value:.4e}")


def test_places_are_named_as_numpy_numbers_them(operation):
    for shape in ((), (3,), (2, 3, 4)):
        for place in range(math.prod(shape)):
            assert index_of(shape, place) == tuple(np.unravel_index(place, shape))
    assert place_name(operation, "x", 27) == "x[0, 1, 0, 2]"
    assert place_name(operation, "x", -1, "outside") == "outside"


def test_a_stop_is_a_window(operation):
    walked = passes(operation)["forward"]
    assert len(walked.stops) == 2 * 3 * 3
    assert [number for stop in walked.stops for number in stop] == list(range(len(walked.phase["steps"])))
    for stop in walked.stops:
        loops = [walked.phase["steps"][number]["loops"] for number in stop]
        assert len({tuple(each.get(name) for name in ("n", "k", "p", "q")) for each in loops}) == 1


def test_a_setting_that_comes_again_is_another_stop():
    steps = [{"loops": {"p": p}} for p in (0, 0, 1, 0)] + [{"loops": {}}]
    assert stops_of({"stops": ["p"], "steps": steps}) == [range(2), range(2, 3), range(3, 4), range(4, 5)]


def test_values_are_those_of_the_step(operation):
    for walked in passes(operation).values():
        expected = {}
        for stop, numbers in enumerate(walked.stops):
            for step, number in enumerate(numbers):
                for tensor, place, value in walked.phase["steps"][number]["writes"]:
                    expected[tensor, place] = value
                moment = walked.moment(stop, step)
                for (tensor, place), value in expected.items():
                    assert moment.text(tensor, place) == number_text(value)
        last = walked.moment(len(walked.stops) - 1)
        for tensor, each in operation["tensors"].items():
            for place, value in enumerate(each["values"]):
                assert last.text(tensor, place) == number_text(value)


def test_before_its_first_write_an_entry_is_later_and_shows_what_was_read(operation):
    walked = passes(operation)["backward_input"]
    first = walked.moment(0, 0)
    assert first.is_later("dx", 49)
    assert first.text("dx", 49) == "0"
    assert not walked.moment(len(walked.stops) - 1).is_later("dx", 49)


def test_the_result_of_a_stop_is_what_the_engine_gives(operation):
    walked = passes(operation)["forward"]
    y = operation["tensors"]["y"]["values"]
    assert [walked.moment(stop).result for stop in range(18)] == [("y", place, y[place]) for place in range(18)]


def test_the_formula_can_be_worked_out(operation):
    sayings = Sayings("en")
    for walked in passes(operation).values():
        for stop in range(len(walked.stops)):
            moment = walked.moment(stop)
            for step in moment.steps:
                name, *middle, value = sayings.formula(moment, step).split(" = ")
                assert name == place_name(operation, *step["writes"][0][:2])
                assert value == number_text(step["writes"][0][2])
                for each in middle:
                    shown = each.replace("−", "-").replace("·", "*")
                    assert eval(shown) == pytest.approx(step["writes"][0][2], rel=1e-4)  # of five digits each


def test_the_sentence_names_the_value(operation):
    for language in ("en", "ko"):
        sayings = Sayings(language)
        for walked in passes(operation).values():
            for stop in range(len(walked.stops)):
                moment = walked.moment(stop)
                assert number_text(moment.result[2]) in sayings.sentence(moment)
                assert "{" not in sayings.sentence(moment)


def test_terms_add_up_to_the_running_sum(operation):
    walked, sayings = passes(operation)["forward"], Sayings("en")
    for stop in range(18):
        terms = sayings.terms(walked.moment(stop))
        bias, *products = terms
        total = float(bias[2].replace("−", "-"))
        for _, product, then in products:
            total += float(product.replace("−", "-"))
            assert number_text(total) == then


def test_a_window_covers_padding_and_cells(operation):
    walked = passes(operation)["forward"]
    grid = grids_of(walked.moment(0))[0]
    assert grid.caption == "x[0, 0]"
    marked = {(i, j) for i, row in enumerate(grid.cells) for j, cell in enumerate(row) if cell.mark == "read"}
    assert marked == {(i, j) for i in range(3) for j in range(3)}


def test_a_matrix_marks_the_row_and_the_column_of_the_loops(operation):
    walked = passes(operation)["forward"]
    stop = 9 + 4  # k = 1, p = q = 1
    matrices = {grid.caption: grid for grid in grids_of(walked.moment(stop))}
    column = matrices["column: c r s × n p q"]
    banded = {j for row in column.cells for j, cell in enumerate(row) if cell.is_banded}
    assert banded == {4}
    assert {i for i, row in enumerate(matrices["weight: k × c r s"].cells) if row[0].is_banded} == {1}


def test_a_grid_that_is_cut_keeps_what_is_touched(operation):
    grid = grids_of(passes(operation)["forward"].moment(17))[0]
    cut = grid.cropped(4, 4)
    assert (len(cut.rows), len(cut.columns)) == (4, 4)
    count = [sum(cell.is_touched for row in each.cells for cell in row) for each in (grid, cut)]
    assert count == [9, 9]
    assert "3:7 / 7" in cut.caption


def test_both_languages_have_the_same_texts():
    for part in ("terminal", "page"):
        assert missing(stops.WORDS / part, "ko") == []
    assert Path(stops.WORDS / "terminal" / "ko.toml").is_file()
