"""A learner's function step by step: what is told of wrong solutions, and what is believed of a worker."""

import json

import numpy as np
import pytest

from tests.learn.test_watch import Terminal
from tests.oracles import REQUIRED
from tinycnn.learn import dependence, process
from tinycnn.learn.case import Case
from tinycnn.learn.desk import Desk
from tinycnn.learn.dev import absent
from tinycnn.learn.exercise import FOLDER, exercise, exercises
from tinycnn.learn.step import step, step_page, unsteppable
from tinycnn.learn.step_record import stops
from tinycnn.learn.untrusted import Unfit
from tinycnn.learn.untrusted_steps import LIMIT, checked_steps

WHY_NOT = {
    "02_output_size": "numbers",
    "15_autograd": "class",
    "16_sgd_momentum": "class",
    "17_lenet5": "layers",
    "18_receptive_field": "numbers",
    "22_cuda_kernel": "text",
}


@pytest.fixture
def stepped(tmp_path):
    """Step through a text, or a named wrong solution, of an exercise."""

    def run(name, text="", /, mutant="", **options):
        one = exercise(name)
        if mutant:
            text = next(each for each in one.mutants if each.name == mutant).source(one.solution)
        file = tmp_path / f"{one.name}.py"
        file.write_text(text or one.solution)
        return step(one, file, options.pop("language", "en"), **options)

    return run


def operation(found):
    return found.trace.operations[0]


def overlay(found, place):
    """What the learner's entry of the result is made of that it should not be, and the other way round."""
    expected = operation(found)["expected"]
    right, mine = (
        {(name, each) for name, table in expected[key].items() for each in table[place]} for key in ("reads", "yours")
    )
    return mine - right, right - mine


@pytest.mark.parametrize("name", exercises())
def test_every_solution_is_stepped_through_without_a_difference_or_says_why_not(name, stepped):
    one = exercise(name)
    if (lack := absent(one)) and not REQUIRED:
        pytest.skip(f"needs {', '.join(lack)}")
    assert unsteppable(one) == WHY_NOT.get(name, "")
    found = stepped(str(one.number))
    assert found.is_right
    if name in WHY_NOT:
        assert found.trace is None
        assert found.message.count("\n") == 0
        return
    shown = operation(found)
    assert shown["phases"][0]["steps"]
    assert shown["expected"]["reads"] == shown["expected"]["yours"]
    result = shown["tensors"][shown["expected"]["result"]]["values"]
    pairs = [pair for pair in zip(result, shown["expected"]["values"], strict=True) if pair[1] is not None]
    np.testing.assert_allclose(*np.array(pairs, float).T, rtol=1e-9)
    assert pairs
    assert "The result is right" in found.message


def test_a_window_that_stands_still_is_made_of_the_first_window(stepped):
    found = stepped("1", mutant="window_stands_still")
    assert not found.is_right
    assert found.case == "three windows in a row"
    assert overlay(found, 0) == (set(), set())
    assert overlay(found, 2) == ({("x", 0), ("x", 1)}, {("x", 2), ("x", 3)})
    assert found.message.splitlines() == [
        'The case "three windows in a row", step by step:',
        "y[0, 1] must be 42, yours is 21.",
        "It is made of: x[0, 0], x[0, 1], w[0, 0], w[0, 1].",
        "It should be made of: x[0, 1], x[0, 2], w[0, 0], w[0, 1].",
        "Not used: x[0, 2].",
        "Used though it should not be: x[0, 0].",
    ]


def test_a_gradient_that_is_overwritten_lacks_what_came_before(stepped):
    found = stepped("6", mutant="overwritten")
    assert operation(found)["expected"]["result"] == "padded"
    assert overlay(found, 1) == (set(), {("columns", 1)})
    assert operation(found)["expected"]["values"][1] == 5
    assert operation(found)["tensors"]["padded"]["values"][1] == 3


@pytest.mark.parametrize("number", ["1", "4", "6", "7", "8"])
def test_wrong_solutions_are_told_with_their_place(number, stepped):
    told = []
    for mutant in exercise(number).mutants[:5]:
        found = stepped(number, mutant=mutant.name)
        assert not found.is_right, mutant.name
        told.append("made of" in found.message)
    assert sum(told) >= 3


def test_right_entries_and_wrong_numbers(stepped):
    text = exercise("1").solution.replace("+= x", "+= 2 * x")
    found = stepped("1", text)
    assert overlay(found, 0) == (set(), set())
    assert "y[0, 0] must be 56, yours is 112.\nIt is made of the right entries (x[0, 0], " in found.message


def test_right_numbers_by_chance(stepped):
    text = "import numpy as np\ndef correlate2d(x, w):\n    R, S = w.shape\n"
    text += "    if x.shape == w.shape:\n        return np.array([[x[0, 0] + x[1, 0] * 5 + x[1, 1] * 10]])\n"
    text += "    return np.array([[(x[p : p + R, q : q + S] * w).sum() for q in range(x.shape[1] - S + 1)]\n"
    text += "                     for p in range(x.shape[0] - R + 1)])\n"
    found = stepped("1", text, number=1)
    assert not found.is_right
    assert "The numbers are right, but y[0, 0] is made of other entries" in found.message
    assert overlay(found, 0)[1] == {("x", 1), *(("w", place) for place in range(4))}


@pytest.mark.parametrize(
    "body",
    [
        "v = np.lib.stride_tricks.sliding_window_view(x, w.shape)\n    return np.einsum('pqrs,rs->pq', v, w[::-1])",
        "R, S = w.shape\n    return np.array([[np.sum(x[p:p+R, q:q+S] * w[::-1]) for q in range(x.shape[1] - S + 1)]"
        " for p in range(x.shape[0] - R + 1)])",
        "R, S = w.shape\n    P, Q = x.shape[0] - R + 1, x.shape[1] - S + 1\n    y = np.zeros((P, Q))\n"
        "    for r in range(R):\n        for s in range(S):\n"
        "            y += x[r : r + P, s : s + Q] * w[R - 1 - r, s]\n    return y",
    ],
)
def test_the_same_mistake_is_the_same_in_any_style(body, stepped):
    found = stepped("1", f"import numpy as np\ndef correlate2d(x, w):\n    {body}\n", number=5)
    expected = operation(found)["expected"]
    assert expected["yours"] == expected["reads"]  # the kernel's rows are exchanged, all of them are used
    phase = operation(found)["phases"][0]
    last = [step for step in phase["steps"] if step["loops"].keys() == {f"{phase['result']}[{i}]" for i in (0, 1)}]
    assert [step["writes"][0][1] for step in last] == list(range(4))
    assert [[place for name, place, _ in step["reads"] if name == "x"] for step in last] == expected["reads"]["x"]


def test_steps_up_to_an_exception_and_its_line(stepped):
    text = "import numpy as np\ndef correlate2d(x, w):\n    y = np.zeros(x.shape)\n    for i in range(9):\n"
    found = stepped("1", f"{text}        y[0, i] = x[0, i]\n")
    assert "Line 5 raises IndexError: index 2 is out of bounds" in found.message
    assert len(operation(found)["phases"][0]["steps"]) == 2
    assert operation(found)["raised"]["line"] == 5
    assert "expected" not in operation(found)


def test_a_loop_without_end_shows_its_first_steps(stepped):
    text = (
        "import numpy as np\ndef correlate2d(x, w):\n    y = np.zeros((1, 1))\n    while True:\n        y[0, 0] += 1\n"
    )
    found = stepped("1", text, runner=_hasty)
    assert len(operation(found)["phases"][0]["steps"]) == LIMIT
    assert "does a loop never reach its end?" in found.message


def _hasty(command, job, out, file, seconds):
    return process.bounded(command, job, out, file, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def correlate2d(x, w:\n", "Line 1 is not Python yet"),
        ("import torch\n", "Line 1 imports torch, which does the exercise for you"),
        ("def other(x):\n    return x\n", "The file defines no correlate2d"),
        ("def correlate2d(x, w):\n    raise NotImplementedError('write it')\n", "Not written yet: write it"),
        ("import os\ndef correlate2d(x, w):\n    os._exit(1)\n", "Python was stopped in the case"),
        ("import tinycnn.nn\n", "Line 1 imports tinycnn.nn"),
    ],
)
def test_files_that_cannot_be_stepped_through(text, message, stepped):
    found = stepped("1", text)
    assert found.trace is None
    assert found.message.startswith(message)


def test_a_result_of_another_size_than_its_recorded_entries_is_drawn_by_itself(stepped):
    def forging(command, job, out, file, seconds):
        ending = process.bounded(command, job, out, file, seconds)
        told = out / "steps.json"
        if told.exists():
            steps = json.loads(told.read_text())
            steps["entries"] = {name: [tensor, places[:-1]] for name, (tensor, places) in steps["entries"].items()}
            told.write_text(json.dumps(steps))
        return ending

    for name, runner in (("y", None), ("y_returned", forging)):
        found = operation(stepped("01_cross_correlation", number=2, runner=runner))
        assert found["phases"][0]["result"] == name
        assert len(found["expected"]["values"]) == len(found["tensors"][name]["values"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return x * 2", "y must have shape (1, 1), yours has (2, 2)."),
        ("x[0, 0]", "y is None: does the function end without return?"),
        ("return 'seven'", "y is a str, where an array or a number belongs."),
        ("x *= 2\n    return x[:1, :1]", "Your function changed its argument x"),
        ("return np.random.default_rng().normal(size=(1, np.random.default_rng().integers(1, 9)))", "y"),
        ("return np.full((1, 1), np.nan)", "y[0, 0] must be 56, yours is nan."),
    ],
)
def test_results_of_another_kind(body, message, stepped):
    found = stepped("1", f"import numpy as np\ndef correlate2d(x, w):\n    {body}\n")
    assert not found.is_right
    assert message in found.message


def test_the_case_can_be_chosen(stepped):
    assert stepped("1", number=5).case == "a kernel higher than wide"
    with pytest.raises(ValueError, match="exercise 1 has the cases 1 to 10, got 11"):
        stepped("1", number=11)


def test_what_is_written_is_shown_where_the_rest_is_not_written_yet(stepped):
    one = exercise("8")
    head, _, _ = one.solution.partition("def max_pool2d_backward")
    text = f"{head}def max_pool2d_backward(*arguments):\n    raise NotImplementedError('write it')\n"
    assert stepped("8", text).case == "forward, one window"


def test_korean(stepped):
    assert "쓰여야 할 원소: x[0, 1], x[0, 2]" in stepped("1", mutant="window_stands_still", language="ko").message


def test_the_page_is_written_beside_the_file_or_elsewhere(tmp_path):
    desk = Desk.make(tmp_path / "mine")
    one = exercise("1")
    desk.path(one).write_text(one.solution)
    found, path = step_page(desk, one)
    assert path == desk.folder / "01_cross_correlation-step.html"
    assert found.case in path.read_text()
    assert step_page(desk, one, path=tmp_path / "page.html")[1] == tmp_path / "page.html"
    desk.path(one).unlink()
    assert step_page(desk, one) == (found.__class__("", False, desk.missing(one)), None)


def test_a_key_writes_the_page(tmp_path):
    desk = Desk.make(tmp_path / "mine")
    desk.path(exercise("1")).write_text(exercise("1").solution)
    screen = Terminal(FOLDER, desk.folder)
    try:
        screen.wait_for("Right in all 10 cases.", "s step")
        screen.press("s")
        screen.wait_for("The result is right", "01_cross_correlation-step.html")
        screen.press("q")
        assert screen.end() == 0
    finally:
        screen.close()
    assert (desk.folder / "01_cross_correlation-step.html").is_file()


def depends(function, **arguments):
    plan = dependence.plan(Case("", **arguments))
    return dependence.reads(plan, "y", lambda cases: [{"y": function(**case.arguments)} for case in cases])


def test_dependence_sees_past_zeros_maxima_and_thresholds():
    zeros = np.zeros(2)
    assert depends(lambda x, w: x * w, x=zeros, w=zeros) == {"x": [[0], [1]], "w": [[0], [1]]}
    assert depends(lambda x: x.max(), x=np.arange(20.0)) == {"x": [[*range(20)]]}
    assert depends(lambda x: np.maximum(x, 0), x=np.array([-3.0, 2.0])) == {"x": [[0], [1]]}
    assert depends(lambda u: 2.0 * (u > 0.5), u=np.array([0.1, 0.9])) == {"u": [[0], [1]]}
    assert depends(lambda x, t: x[t], x=np.array([1.0, 2.0]), t=np.array([0])) == {"x": [[0]], "t": [[0]]}
    assert depends(lambda x: np.tanh(x), x=np.array([1000.0, -1000.0])) == {"x": [[0], [1]]}
    assert depends(lambda x: np.where(x > 0, 1.5e308, -1.5e308), x=np.array([1.0])) == {"x": [[0]]}
    assert depends(lambda x: x[::-1].cumsum(), x=np.array([1.0, 2.0, 3.0])) == {"x": [[2], [1, 2], [0, 1, 2]]}


def test_dependence_is_not_sought_where_it_takes_too_long():
    assert dependence.plan(Case("", x=np.zeros(10_000))) is None
    assert len(dependence.plan(Case("", x=np.zeros(1000))).probes) == 3000


def test_a_stop_is_what_writes_one_entry():
    def write(place, **loops):
        return {"loops": loops, "writes": [["y", place, 1.0]]}

    assert stops([write(p, p=p, r=r) for p in range(2) for r in range(2)], "y") == ["p"]
    assert stops([write(p, r=r, p=p) for r in range(2) for p in range(2)], "y") == ["r", "p"]
    assert stops([{"loops": {}, "writes": [["y", 0, 1.0]]}], "y") == []


GOOD = {
    "lines": ["def f(x):", "    return x[0]"],
    "first_line": 1,
    "length": 2,
    "expressions": {"2": "{0}"},
    "tensors": {"x": {"shape": [2], "values": [1, "nan"]}},
    "arguments": ["x"],
    "steps": [{"line": 2, "loops": {"i": 0}, "reads": [["x", 0, 1]], "writes": [], "products": [2.5]}],
    "entries": {"y": ["x", [0, 1]]},
    "is_cut": False,
}


def test_what_an_honest_worker_tells_is_kept():
    assert checked_steps(json.dumps(GOOD).encode()) == {**GOOD, "entries": {"y": ("x", [0, 1])}}


STEP = GOOD["steps"][0]


@pytest.mark.parametrize(
    "forged",
    [
        {"lines": "a text"},
        {"lines": [7]},
        {"lines": ["x"] * 5001},
        {"first_line": 4},
        {"length": 3},
        {"expressions": {"two": "{0}"}},
        {"expressions": {"9": "{0}"}},
        {"tensors": {"x": {"shape": [3], "values": [1, 2]}}},
        {"tensors": {"x": {"shape": [2], "values": [1, "<b>"]}}},
        {"tensors": {"x": {"shape": [2], "values": [1, True]}}},
        {"tensors": {"x": {"shape": [2], "values": [1, 10**400]}}},
        {"tensors": {**GOOD["tensors"], "z\x1b[2J": {"shape": [2], "values": [1, 2]}}},
        {"tensors": {**GOOD["tensors"], "z" * 81: {"shape": [2], "values": [1, 2]}}},
        {"steps": [{**STEP, "loops": {"i\x1b[2J": 0}}]},
        {"tensors": {"x": {"shape": [20_001], "values": [0] * 20_001}}},
        {"arguments": [["x"]]},
        {"steps": [STEP] * (LIMIT + 1)},
        {"steps": [{**STEP, "line": 3}]},
        {"steps": [{**STEP, "line": 1.0}]},
        {"steps": [{**STEP, "loops": {"i": "0"}}]},
        {"steps": [{**STEP, "loops": {"": 0}}]},
        {"steps": [{**STEP, "reads": [["w", 0, 1]]}]},
        {"steps": [{**STEP, "reads": [["x", 2, 1]]}]},
        {"steps": [{**STEP, "reads": [["x", -2, 1]]}]},
        {"steps": [{**STEP, "reads": [[["x"], 0, 1]]}]},
        {"steps": [{**STEP, "reads": [["x", 0]]}]},
        {"steps": [{**STEP, "reads": [["x", 0, 1]] * 60}] * LIMIT},
        {"steps": [{**STEP, "products": [None]}]},
        {"entries": {"y": ["w", [0]]}},
        {"entries": {"y": ["x", [2]]}},
        {"entries": {"y": 1}},
    ],
)
def test_what_a_worker_would_not_tell_is_refused(forged):
    with pytest.raises(Unfit):
        checked_steps(json.dumps({**GOOD, **forged}).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"lines": NaN}'])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(Unfit):
        checked_steps(data)


def test_numbers_without_end_are_refused():
    with pytest.raises(Unfit):
        checked_steps(json.dumps(GOOD).replace("2.5", "Infinity").encode())
