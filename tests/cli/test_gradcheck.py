"""``gradcheck``: operations, models and functions of a file, in the terminal, as JSON and as a page."""

import numpy as np
import pytest

import tinycnn as tc
from tests.oracles import oracle
from tinycnn.backend import load_kernels
from tinycnn.inspect.gradcheck.cases import CASES
from tinycnn.inspect.gradcheck.ties import TIES

OPS = '''
import numpy as np
import tinycnn as tc
from tinycnn.function import Function


class Cube(Function):
    """Right."""

    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, grad):
        return 3 * self.x**2 * grad


class Halved(Cube):
    """Wrong."""

    def backward(self, grad):
        return 1.5 * self.x**2 * grad


class Scaled(Function):
    def __init__(self, factor):
        self.factor = factor


class Layer(tc.nn.Module):
    def __init__(self):
        self.weight = tc.nn.Parameter(np.ones((3, 3)))

    def forward(self, x):
        return x @ self.weight


def cube(x):
    return Cube()(x)


def halved(x):
    return Halved()(x)


def product(a, b):
    return a * b


def broken(x):
    return x.nothing


NUMBER = 3
'''


@pytest.fixture
def ops(tmp_path, monkeypatch):
    (tmp_path / "ops.py").write_text(OPS)
    (tmp_path / "stops.py").write_text("import numpy\n1 / 0\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "half.py").write_text("def f(x:\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words", [("cube", "2x3"), ("Cube", "4"), ("product", "2x3", "2x3"), ("product", "2x3", "3"), ("Layer", "2x3")]
)
def test_a_right_function_of_a_file_holds(command, ops, words):
    name, *shapes = words
    outcome = command("gradcheck", f"ops.py:{name}", *(word for shape in shapes for word in ("--shape", shape)))
    assert outcome.status == 0
    assert "gradients hold" in outcome.out
    assert "1 checks and 0 rules for ties" in outcome.out


def test_a_wrong_function_of_a_file_is_told_with_its_cause(command, ops):
    outcome = command("gradcheck", "ops.py:halved", "--shape", "2x3", "--json")
    assert outcome.status == 1
    assert "WRONG  ops.py:halved" in outcome.out
    assert "every entry is 0.5 times what it should be" in outcome.out
    (item,) = outcome.json["cases"][0]["inputs"]
    assert item["causes"][0]["name"] == "constant ratio"
    assert item["counts"]["wrong"] == 6
    assert "entries" not in item


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["ops.py:cub", "--shape", "3"], "unknown name in ops.py 'cub': did you mean cube?"),
        (["ops.py", "--shape", "3"], "ops.py names no function: write ops.py:FUNCTION"),
        (["nowhere.py:f", "--shape", "3"], "there is no file nowhere.py: write FILE.py:FUNCTION"),
        (["ops.py:NUMBER", "--shape", "3"], "NUMBER in ops.py is a int, not a function on Tensors"),
        (["ops.py:Scaled", "--shape", "3"], "Scaled asks for factor: wrap it, def scaled(x): return Scaled(factor)(x)"),
        (["ops.py:cube"], "ops.py:cube needs the shape of each input: --shape 2x3x8x8"),
        (["ops.py:cube", "--shape", "2", "--shape", "3"], "could not call the function with these inputs: TypeError"),
        (["ops.py:product", "--shape", "2x3", "--shape", "4"], "could not be broadcast"),
        (["ops.py:broken", "--shape", "3"], "the forward pass raised AttributeError: "),
        (["ops.py:cube", "--shape", "2xx"], "expected whole numbers with an x between them, such as 4x64x56x56"),
        (["ops.py:cube", "--shape", "0x3"], "x of shape (0, 3), which has no entries"),
        (["ops.py:cube", "--shape", "-3"], "--shape takes sizes of at least 0, got -3"),
        (["ops.py:cube", "--shape", "3", "--seed", "-1"], "--seed must be at least 0, got -1"),
        (
            ["ops.py:cube", "--shape", "3", "--fast", "--sweep"],
            "sweep looks at single entries, and fast moves all at once: leave one of them out",
        ),
        (["stops.py:f", "--shape", "3"], "stops.py does not run: ZeroDivisionError at line 2: division by zero"),
        (["half.py:f", "--shape", "3"], "half.py does not run: SyntaxError at line 1: "),
        (["relu", "--shape", "3"], "--shape is for a function of your own"),
        (["exits.py:f", "--shape", "3"], "exits.py does not run: SystemExit at line 1: 3"),
        (["lenet5", "--sweep"], "models are checked along directions: leave it out"),
        (["lenet"], "unknown operation 'lenet': did you mean lenet5?"),
        (["relu", "--html", "nowhere/page.html"], "nowhere/page.html: No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(refused, ops, words, sentence):
    assert sentence in refused("gradcheck", *words)


def test_all_operations_and_all_rules_for_ties_are_checked(command):
    outcome = command("gradcheck", "--json")
    assert outcome.status == 0
    assert outcome.json["wrong"] == 0
    assert len(outcome.json["cases"]) == len(CASES)
    assert [rule["right"] for rule in outcome.json["ties"]] == [True] * len(TIES)


def test_a_broken_rule_for_ties_fails(command, monkeypatch):
    monkeypatch.setattr(load_kernels("numpy"), "relu_backward", lambda grad, y: np.where(y >= 0, grad, 0))
    with tc.use_backend("numpy"):
        outcome = command("gradcheck", "relu")
    assert outcome.status == 1
    assert "WRONG  relu" in outcome.out


def test_a_model_is_checked_along_directions(command):
    outcome = command("gradcheck", "lenet5", "--json")
    assert outcome.status == 0
    assert outcome.json["cases"][0]["mode"] == "projections"
    assert [item["name"] for item in outcome.json["cases"][0]["inputs"]][:2] == ["x", "c1.weight"]


def test_a_sweep_is_shown(command):
    outcome = command("gradcheck", "tanh", "--sweep")
    assert "how far the difference quotient is from backward" in outcome.out
    assert "error in float64" in outcome.out


def test_a_page_is_written(command, ops):
    oracle("jinja2")
    outcome = command("gradcheck", "relu", "ops.py:halved", "--shape", "2x3", "--html", "page.html")
    assert outcome.status == 1
    assert "page: page.html" in outcome.out
    page = (ops / "page.html").read_text(encoding="utf-8")
    assert "ops.py:halved" in page
    assert "2 gradient checks" in page
