"""The recorder: what a function returns stays the same to the last bit, and what it did is told as it was."""

import linecache
from functools import partial
from types import ModuleType

import numpy as np
import pytest

from tests.inspect.trace.recorded_code import CASES
from tinycnn.inspect.trace.recorder import PADDING, Recorder, TooManyStepsError
from tinycnn.learn.exercise import exercises
from tinycnn.learn.step import unsteppable

X = np.arange(12.0).reshape(3, 4)
STEPPABLE = [name for name, one in exercises().items() if not unsteppable(one)]


def same(a, b):
    """Whether two results are the same in kind, type and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def outcome(call):
    with np.errstate(all="ignore"):
        try:
            return call()
        except Exception as error:
            return type(error), str(error)


def recorded(function, *arrays, limit=20_000):
    recorder = Recorder(limit)

    def call():
        returned = recorder.run(function, *arrays)
        if recorder.raised is not None:
            raise recorder.raised
        return returned

    return recorder, outcome(call)


def module(text, name):
    """A module of a text that has no file, as its lines are known."""
    made, file = ModuleType("learner"), f"/{name}.py"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    exec(compile(text, file, "exec"), made.__dict__)
    return made


class Recording:
    """A learner's module whose functions are run by a recorder, or plainly."""

    def __init__(self, learner, is_recorded):
        self.learner, self.is_recorded = learner, is_recorded

    def __getattr__(self, name):
        function = getattr(self.learner, name)
        python = getattr(function, "py_func", function)
        if not self.is_recorded:
            return python

        def run(*arrays):
            recorder = Recorder()
            returned = recorder.run(function, *arrays)
            if recorder.raised is not None:
                raise recorder.raised
            return returned

        return run


@pytest.mark.parametrize("name", CASES)
def test_recording_changes_nothing(name):
    function, arrays = CASES[name]
    mine = [array.copy() for array in arrays]
    plain = outcome(lambda: function(*mine))
    recorder, with_steps = recorded(function, *arrays)
    assert same(with_steps, plain)
    for array, after in zip(mine, list(recorder.arrays.values())[: len(arrays)], strict=True):
        assert same(array, np.asarray(after))


@pytest.mark.parametrize("name", STEPPABLE)
def test_solutions_and_all_wrong_ones_give_the_same(name):
    one = exercises()[name]
    if one.needs:
        pytest.importorskip("numba")
    texts = {"solution": one.solution, **{mutant.name: mutant.source(one.solution) for mutant in one.mutants}}
    for key, text in texts.items():
        learner = module(text, f"{name}_{key}")
        for case in one.cases(0):
            plain, with_steps = (
                outcome(partial(one.call, Recording(learner, r), _copied(case))) for r in (False, True)
            )
            assert same(with_steps, plain), (key, case.name)


def _copied(case):
    return {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in case.arguments.items()}


def accesses(recorder, kind, tensor):
    return [a.place for step in recorder.steps for a in getattr(step, kind) if a.tensor == tensor]


def steps_of(text, *arrays, limit=20_000, name="f"):
    learner = module("import numpy as np\n" + text, f"steps_{hash(text)}")
    return recorded(getattr(learner, name), *arrays, limit=limit)


@pytest.mark.parametrize(
    ("expression", "places"),
    [
        ("x[1, 2]", [6]),
        ("x.T[2, 1]", [6]),
        ("x[:, ::-1][1, 0]", [7]),
        ("x[1].sum()", [4, 5, 6, 7]),
        ("np.pad(x, 1)[1, 0] + np.pad(x, 1)[1, 1]", [PADDING, 0]),
        ("np.pad(x, 1, mode='edge')[0, 0]", [0]),
        ("x[[2, 0]][0, 1]", [9]),
        ("x[x > 9].sum()", [*range(12), 10, 11]),
        ("x.reshape(2, 6)[1, 0]", [6]),
        ("np.stack([x[0], x[2]])[1, 3]", [11]),
        ("np.take(x, np.array([2]), axis=1)[1, 0]", [6]),
        ("np.tril(x[:, :3])[0, 2] + np.tril(x[:, :3])[2, 0]", [PADDING, 8]),
        ("np.split(x, 3)[1][0, 1]", [5]),
        ("x.view()[2, 1]", [9]),
        ("np.diagonal(x)[2]", [10]),
        ("np.lib.stride_tricks.sliding_window_view(x, (2, 2))[1, 1, 0, 1]", [6]),
        ("next(x.flat)", [0]),
        ("x.flat[5]", [5]),
        ("dict(np.ndenumerate(x))[1, 1]", [*range(12)]),
        ("x.item(7)", [7]),
        ("x.astype(int)[0, 3]", [3]),
        ("max(x[1])", [4, 5, 6, 7]),
        ("float(x[0, 1, ...])", [1]),
        ("np.einsum('i,i', x[0], x[1])", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_what_is_read(expression, places):
    recorder, _ = steps_of(f"def f(x):\n    return {expression}\n", X)
    assert accesses(recorder, "reads", "x") == places


@pytest.mark.parametrize(
    ("statement", "places"),
    [
        ("y[1, 2] = 1", [6]),
        ("y[0] += 1", [0, 1, 2, 3]),
        ("y.T[1] = 2", [1, 5, 9]),
        ("y[[0, 2], 1] = 3", [1, 9]),
        ("y[x > 9] = 0", [10, 11]),
        ("np.add.at(y, ([0, 0], [1, 1]), 1)", [1, 1]),
        ("np.add(x[0], 1, out=y[2])", [8, 9, 10, 11]),
        ("np.sum(x, axis=0, out=y[1])", [4, 5, 6, 7]),
        ("np.copyto(y[0], x[1])", [0, 1, 2, 3]),
        ("y.flat[5] = 1", [5]),
        ("y.reshape(-1)[7] = 1", [7]),
        ("y[:, 1:][0, 0] -= 1", [1]),
        ("y.view()[2, 2] = 1", [10]),
        ("np.split(y, 3)[1][0] = 1", [4, 5, 6, 7]),
        ("y.fill(1)", [*range(12)]),
    ],
)
def test_what_is_written(statement, places):
    recorder, _ = steps_of(f"def f(x):\n    y = np.zeros((3, 4))\n    {statement}\n    return y\n", X)
    assert accesses(recorder, "writes", "y") == places
    assert recorder.returned == [("y", list(range(12)))]


def test_a_copy_that_is_changed_is_a_tensor_of_its_own():
    recorder, _ = steps_of("def f(x):\n    y = x.copy()\n    y[y < 4] = 0\n    return y\n", X)
    assert accesses(recorder, "writes", "y") == [*range(12), 0, 1, 2, 3]
    assert accesses(recorder, "writes", "x") == []


def test_a_change_of_a_nameless_copy_is_no_entry_of_the_tensor_any_more():
    recorder, _ = steps_of("def f(x):\n    z = [x.copy()]\n    z[0][0, 0] = 9\n    return z[0][0, 0] + z[0][0, 1]\n", X)
    assert accesses(recorder, "reads", "x") == [1]


def test_steps_tell_line_loops_products_and_formula():
    text = "def f(x, w):\n    y = np.zeros(2)\n    for p in range(2):\n        for r in range(2):\n"
    text += "            y[p] += x[0, p + r] * w[r]\n    return y\n"
    recorder, _ = steps_of(text, X, np.array([1.0, 10.0]))
    assert [step.loops for step in recorder.steps] == [{"p": p, "r": r} for p in range(2) for r in range(2)]
    assert {step.line for step in recorder.steps} == {6}
    assert recorder.expressions == {6: "{0} + {1} * {2}"}
    assert [step.products for step in recorder.steps] == [[0.0], [10.0], [1.0], [20.0]]
    assert (recorder.first_line, len(recorder.source)) == (2, 6)


def test_a_formula_that_does_not_fit_what_was_read_is_left_out():
    recorder, _ = steps_of("def f(x):\n    y = np.zeros(1)\n    y[0] = x[0, 0] if len(x.shape[:1]) else x[0, 1]\n", X)
    assert recorder.expressions == {}


def test_an_index_of_several_numbers_is_told_by_its_parts():
    recorder, _ = steps_of("def f(x):\n    return [x[i] for i in np.ndindex(1, 2)]\n", X)
    assert [step.loops for step in recorder.steps] == [{"i[0]": 0, "i[1]": 0}, {"i[0]": 0, "i[1]": 1}]


def test_a_while_loop_is_told_by_what_it_changes():
    recorder, _ = steps_of("def f(x):\n    i, n = 0, 2\n    while i < n:\n        x[0, i]\n        i += 1\n", X)
    assert [step.loops for step in recorder.steps] == [{"i": 0}, {"i": 1}]


def test_steps_up_to_an_exception_are_kept():
    recorder, raised = steps_of("def f(x):\n    for i in range(9):\n        x[0, i]\n", X)
    assert raised[0] is IndexError
    assert accesses(recorder, "reads", "x") == [0, 1, 2, 3]


def test_what_never_ends_is_stopped_whatever_it_catches():
    text = "def f(x):\n  while True:\n    try:\n      x[0, 0] += 1\n    except Exception:\n      pass\n"
    with pytest.raises(TooManyStepsError, match="more than 50 steps"):
        steps_of(text, X, limit=50)
    with pytest.raises(TooManyStepsError, match="reads and writes"):
        steps_of("def f(x):\n    for i in range(1000):\n        x[[0] * 90]\n        x[[0] * 90].sum()\n", X, limit=9)


def test_names_that_are_taken():
    text = "def f(x):\n    x = np.zeros(2)\n    y = np.zeros(2)\n    y = np.zeros(3)\n    y[2] = 5\n    return y\n"
    recorder, _ = steps_of(text, X)
    assert recorder.tensors == {"x": (3, 4), "x_2": (2,), "y": (2,), "y_2": (3,)}
    assert recorder.returned == [("y_2", [0, 1, 2])]


def test_two_arrays_of_one_line_have_their_own_names():
    recorder, _ = steps_of("def f(x):\n    dx, dw = np.zeros(2), np.ones((2, 2))\n    a = 1; b = np.zeros(1)\n", X)
    assert recorder.tensors == {"x": (3, 4), "dx": (2,), "dw": (2, 2), "b": (1,)}


def test_the_module_is_as_it_was_afterwards():
    learner = module("import numpy as np\nfrom numpy import zeros\ndef f(x):\n    return zeros(2)\n", "afterwards")
    recorded(learner.f, X)
    assert learner.np is np
    assert learner.zeros is np.zeros


def test_an_array_that_is_given_twice_is_one():
    recorder, _ = steps_of("def f(x, y):\n    x[0, 0] = 7\n    return y[0, 0]\n", *[X.copy()] * 2)
    assert accesses(recorder, "reads", "x") == [0]


def test_arguments_are_not_changed():
    x = X.copy()
    steps_of("def f(x):\n    x += 1\n", x)
    np.testing.assert_array_equal(x, X)


def test_a_function_without_a_text_runs():
    recorder, returned = recorded(eval("lambda x: x[0] + 1"), X)
    np.testing.assert_array_equal(returned, X[0] + 1)
    assert recorder.source == []
    assert recorded(np.sum, X)[1] == X.sum()
