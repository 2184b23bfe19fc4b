"""Faults planted into a record or into the script of its page: the comparison with the engine finds each of them."""

from copy import deepcopy

import pytest

from tests.browsers import browser
from tests.inspect.trace.browser.convolutions import CASES
from tests.inspect.trace.browser.test_numbers import check_page
from tinycnn.inspect.trace.page import page

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

CASE = next(case for case in CASES if case.name == "conv2d: padding on each side another")
FORWARD, BACKWARD_INPUT = 0, 1


def steps(operation, phase=FORWARD):
    return operation["phases"][phase]["steps"]


def wrong_number_in_an_input(operation):
    operation["tensors"]["x"]["values"][3] += 0.5


def wrong_number_in_a_column(operation):
    operation["tensors"]["column"]["values"][-1] += 0.001


def last_number_of_a_window_wrong(operation):
    steps(operation)[-1]["writes"][0][2] += 0.5


def running_sum_wrong_on_the_way(operation):
    steps(operation)[1]["writes"][0][2] += 0.5


def number_read_from_the_cell_beside(operation):
    steps(operation)[-2]["reads"][2][1] += 1


def number_not_read(operation):
    del steps(operation)[-2]["reads"][2]


def product_wrong(operation):
    steps(operation)[-2]["products"][0] += 0.5


def written_beside(operation):
    for step in steps(operation)[-3:]:
        step["writes"][0][1] -= 1


def padding_drawn_too_narrow(operation):
    view = next(view for view in operation["phases"][FORWARD]["views"] if view["tensor"] == "x")
    view["padding"] = [1, 0, 1, 0]


def stops_cut_by_rows(operation):
    operation["phases"][FORWARD]["stops"].remove("q")


def overlap_overwritten(operation):
    for step in steps(operation, BACKWARD_INPUT):
        step["writes"][0][2] = step["products"][0]


def signs_of_a_gradient_swapped(operation):
    for step in steps(operation, BACKWARD_INPUT):
        step["writes"][0][2] *= -1


IN_RECORD = [
    wrong_number_in_an_input,
    wrong_number_in_a_column,
    last_number_of_a_window_wrong,
    running_sum_wrong_on_the_way,
    number_read_from_the_cell_beside,
    number_not_read,
    product_wrong,
    written_beside,
    padding_drawn_too_narrow,
    stops_cut_by_rows,
    overlap_overwritten,
    signs_of_a_gradient_swapped,
]
IN_SCRIPT = {
    "fewer digits": ("DIGITS = 5", "DIGITS = 1"),
    "a hyphen for a minus": ('return text.replaceAll("-", "−")', "return text"),
    "the state of the stop before": ("replayed(prepared.phase, count)", "replayed(prepared.phase, count - 1)"),
}


@pytest.fixture(scope="module")
def record():
    return CASE.trace.record


def test_the_page_as_it_is_has_no_fault(record, browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page(record), encoding="utf-8")
    check_page(browser, path, CASE)


@pytest.mark.parametrize("plant", IN_RECORD, ids=lambda plant: plant.__name__)
def test_a_fault_in_the_record_is_found(plant, record, browser, tmp_path):
    path = tmp_path / "page.html"
    planted = deepcopy(record)
    plant(planted["operations"][0])
    path.write_text(page(planted), encoding="utf-8")
    with pytest.raises(AssertionError):
        check_page(browser, path, CASE)


@pytest.mark.parametrize(("right", "wrong"), IN_SCRIPT.values(), ids=IN_SCRIPT)
def test_a_fault_in_the_script_is_found(right, wrong, record, browser, tmp_path):
    path = tmp_path / "page.html"
    text = page(record)
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises((AssertionError, ValueError)):
        check_page(browser, path, CASE)
