"""Odd input: one sentence that says what to do, and nothing left changed."""

import copy
import json
from xml.etree import ElementTree

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.inspect.trace.crop import trace_part
from tinycnn.inspect.trace.lesson import Lesson, Phase
from tinycnn.inspect.trace.record import TooLargeError, Trace, run_lesson
from tinycnn.inspect.trace.sheet import sheet_svg
from tinycnn.inspect.trace.stops import Pass, Sayings
from tinycnn.random import default_generator

X = np.array([[-1.0, 2.0]])


class Twice:
    """Does something else when it runs again."""

    def __init__(self, *ways):
        self.ways = list(ways)

    def __call__(self, x):
        return self.ways.pop(0)(x)


def test_a_function_that_calls_something_else_when_it_runs_again_is_told_so():
    with pytest.raises(ValueError, match="called ReLU and then ReLU, ReLU, and must call the same each time"):
        tc.trace(Twice(F.relu, lambda x: F.relu(F.relu(x))), X)
    with pytest.raises(ValueError, match="called ReLU and then Tanh, and must call the same each time"):
        tc.trace(Twice(F.relu, F.tanh), X)


def test_a_function_that_draws_its_own_numbers_is_told_so_and_no_backend_is_blamed():
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"ReLU got other numbers .* pass them as arguments"):
        tc.trace(lambda x: F.relu(tc.Tensor(generator.normal(size=2), requires_grad=True)), X)


def test_what_is_not_finite_is_the_same_each_time():
    assert len(tc.trace(F.relu, np.array([np.nan, np.inf, -np.inf]), backward=False)) == 3


def test_random_numbers_of_the_engine_are_the_same_for_each_backend_and_are_not_used_up():
    tc.manual_seed(3)
    assert tc.trace(lambda x: F.dropout(x, 0.5), X).operations
    assert (default_generator.seed, default_generator.calls) == (3, 0)
    with pytest.raises(ZeroDivisionError):
        tc.trace(lambda x: F.dropout(x, 0.5) / (1 // 0), X)
    assert (default_generator.seed, default_generator.calls) == (3, 0)


def test_a_function_that_walks_back_itself_is_told_so():
    def walking(x):
        F.tanh(x).sum().backward()
        return F.relu(x)

    with pytest.raises(ValueError, match="the function calls backward itself"):
        tc.trace(walking, X)
    with pytest.raises(ValueError, match="the function calls backward itself"):
        tc.trace(lambda x: F.relu(x) + len(tc.trace(F.tanh, X)), X)


def test_a_part_of_what_is_not_finite_is_shown():
    strange = np.array([[np.nan, np.inf, -np.inf, 1.0]])
    assert len(trace_part(F.relu, strange, part=(0, slice(0, 4)))) == 8


def test_a_part_of_a_module_is_shown_and_the_module_stays_as_it_is():
    module = tc.nn.Linear(2, 3)
    traced = trace_part(module, X, part=(0, slice(0, 2)))
    assert traced.operations[0]["crop"]["of"] == [1, 3]
    assert module.weight.dtype == np.float32
    assert module.weight.grad is None


@pytest.mark.parametrize("training", [True, False])
def test_a_module_stays_as_it_is(training):
    module = tc.nn.BatchNorm2d(2).train(training)
    before = {name: np.array(array) for name, array in module.state_dict().items()}
    tc.trace(module, np.arange(8.0).reshape(1, 2, 2, 2))
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert module.training == training


@pytest.mark.parametrize("form", [Trace.to_html, Trace.to_svg])
def test_a_language_that_there_is_not_is_refused(form, tmp_path):
    with pytest.raises(ValueError, match="unknown language 'xx': choose from en, ko"):
        form(tc.trace(F.relu, X), tmp_path / "made", language="xx")
    assert list(tmp_path.iterdir()) == []


def test_loops_that_take_more_steps_than_was_thought_are_too_large():
    def endless(x):
        while True:
            x[0] = x[0] + 1.0

    phase = Phase("forward", endless, {"x": np.zeros(1)}, "x", {}, (), (), size=1)
    with pytest.raises(TooLargeError, match=r"relu takes more than 20,000 steps here.*trace_part"):
        run_lesson(Lesson("relu", {}, {}, {}, (phase,)))


def broken(change):
    record = copy.deepcopy(tc.trace(F.relu, X).record)
    change(record)
    return json.dumps(record)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 100_000, "no JSON"),
        ('{"format": "tinycnn-trace", "version": 1}', 'the record lacks "title"'),
        (broken(lambda record: record.update(operations=3)), '"operations" is no list'),
        (broken(lambda record: record.update(operations=[3])), "an operation is int and no object"),
        (broken(lambda record: record["operations"][0].pop("phases")), 'an operation lacks "phases"'),
        (broken(lambda record: record["operations"][0].update(tensors=[])), "the tensors is list"),
        (broken(lambda record: record["operations"][0]["tensors"]["x"].pop("values")), 'a tensor lacks "values"'),
        (broken(lambda record: record["operations"][0]["phases"][0].pop("stops")), '"stops" is no list'),
        (broken(lambda record: record["operations"][0]["phases"][0]["steps"][0].pop("reads")), 'a step lacks "reads"'),
        (broken(lambda record: record.update(graph={})), 'the graph lacks "nodes"'),
    ],
)
def test_a_damaged_record_is_refused_when_it_is_read(text, told):
    with pytest.raises(ValueError, match=told):
        Trace.from_json(text)


def test_a_record_reads_back():
    for traced in (tc.trace(F.relu, X), tc.trace(lambda x: F.relu(x * x) + x, X)):
        assert Trace.from_json(traced.to_json()) == traced


def test_a_title_with_control_characters_makes_a_sheet_that_can_be_read():
    record = copy.deepcopy(tc.trace(F.relu, X).record)
    record["operations"][0]["operation"] = "a\x1b[31m\x00<b>"
    (title,) = (each for each in ElementTree.fromstring(sheet_svg(record)).iter() if each.tag.endswith("title"))
    assert title.text.startswith("a\ufffd[31m\ufffd<b>")


def test_a_picture_has_a_sign_for_each_control_character(tmp_path):
    pytest.importorskip("matplotlib")
    record = copy.deepcopy(tc.trace(F.relu, X).record)
    for name, title in (("odd", "a\x1b\x00"), ("plain", "a\ufffd\ufffd")):
        record["operations"][0]["operation"] = title
        Trace(record).to_png(tmp_path / name)
    assert (tmp_path / "odd").read_bytes() == (tmp_path / "plain").read_bytes()


def formulas(name, x, **parameters):
    operation = tc.trace(lambda x: getattr(F, name)(x, **parameters), x).operations[0]
    for phase in operation["phases"]:
        moment = Pass(operation, phase).moment(0)
        yield Sayings("en").formula(moment, moment.steps[-1])


def test_brackets_stand_around_a_negative_number_beside_an_operator_alone():
    assert list(formulas("relu", X)) == ["y[0, 0] = max(−1, 0) = 0", "dx[0, 0] = np.where(−1 > 0, −1.5, 0) = 0"]
    forward, _ = formulas("leaky_relu", X, negative_slope=-0.5)
    assert forward == "y[0, 0] = np.where(−1 > 0, −1, −0.5 · (−1)) = 0.5"


def test_a_negative_power_and_the_power_of_a_negative_number_have_brackets():
    operation = {"tensors": {"x": {"shape": [1]}, "y": {"shape": [1]}}, "parameters": {"beta": -0.5}}
    step = {"line": 1, "loops": {}, "reads": [["x", 0, -2]], "writes": [["y", 0, 4]], "products": []}
    phase = {"expressions": {"1": "{0} ** 2 ** -beta + {0}"}, "stops": [], "steps": [step], "result": "y"}
    moment = Pass(operation, phase).moment(0)
    assert Sayings("en").formula(moment, step) == "y[0] = (−2) ** 2 ** −(−0.5) + (−2) = 4"
