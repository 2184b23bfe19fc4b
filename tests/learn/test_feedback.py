"""What a learner is told of bad code: one message, at their own line, whatever they wrote."""

import gc
import inspect
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tinycnn.learn import dev, markers
from tinycnn.learn.case import Case, Mutant
from tinycnn.learn.closure import closure
from tinycnn.learn.exercise import Exercise
from tinycnn.learn.feedback import judge
from tinycnn.learn.process import answers
from tinycnn.texts import Texts, missing

SOURCE = '''"""Task."""

import numpy as np


def correlate(x, w):
    """(H, W), (R, S) -> (P, Q)"""
    # --- solution
    P, Q = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
    y = np.zeros((P, Q))
    for p in range(P):
        for q in range(Q):
            y[p, q] = np.sum(x[p : p + w.shape[0], q : q + w.shape[1]] * w)
    return y
    # --- stub
    # raise NotImplementedError("write correlate")
    # --- end
'''

CHECK = """
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinycnn.learn.case import Case

FUNCTIONS = ("correlate",)
SECONDS = 1


def cases(rng):
    yield Case("one window", x=np.array([[1.0, 2.0], [3.0, 4.0]]), w=np.array([[1.0, 0.0], [0.0, 10.0]]))
    for _ in range(3):
        yield Case("a random image", x=rng.standard_normal((5, 4)), w=rng.standard_normal((3, 2)))


def expected(x, w):
    return {"result": np.einsum("pqrs,rs->pq", sliding_window_view(x, w.shape), w)}
"""

MUTANTS = """
from tinycnn.learn.case import Mutant

MUTANTS = (
    Mutant("flipped", "* w)", "* w[::-1, ::-1])"),
    Mutant("mean", "np.sum(", "np.mean("),
    Mutant("transposed", "return y", "return y.T"),
    Mutant("absolute", "return y", "return abs(y)"),
)
"""

TEXTS = """
title = "T"
task = "Write correlate."
hints = ["why?", "formula", "code"]
[misconceptions.flipped]
what = "It is rotated."
where = "Look at w."
[misconceptions.mean]
what = "It is a mean."
where = "Look at np.mean."
[misconceptions.transposed]
what = "It is transposed."
where = "Look at the axes."
[misconceptions.absolute]
what = "It has no sign."
where = "Look at abs."
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exercises") / "01_correlate"
    folder.mkdir()
    written = {"exercise.py": SOURCE, "check.py": CHECK, "mutants.py": MUTANTS, "en.toml": TEXTS, "ko.toml": TEXTS}
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    return Exercise(folder)


def test_the_exercise_of_these_tests_is_fit(one):
    assert not dev.check(one)


START = "    P, Q = x.shape[0]"
BAD = {
    "syntax": ("    return y", "    return (y", "syntax", "Line 13 is not Python yet: '(' was never closed"),
    "endless": (START, f"    while True: pass\n{START}", "time", 'The case "one window" does not end within 1 seconds'),
    "memory": (START, f"    np.ones(10**11)\n{START}", "raised", "Line 8 raises MemoryError: Unable to allocate"),
    "raises": (START, f"    x.nothing\n{START}", "raised", "Line 8 raises AttributeError"),
    "signature": ("(x, w)", "(x)", "raised", "TypeError: correlate() takes 1 positional argument but 2 were given"),
    "damage": (START, f"    x += 1\n{START}", "damaged", "changed its argument x: work on a copy, such as x.copy()"),
    "none": ("    return y", "    y", "none", "result is None: does the function end without return?"),
    "text": ("return y", "return 'y'", "type", "result is a str, where an array or a number belongs"),
    "list of words": ("return y", "return [y, 'y']", "type", "where an array or a number belongs"),
    "shape": ("return y", "return y[None]", "shape", "result must have shape (1, 1), yours has (1, 1, 1)"),
    "nan": ("return y", "return y * np.nan", "value", "result[0, 0] must be 41, yours is nan"),
    "library": (
        "import numpy as np",
        "import numpy as np\nfrom tinycnn import functional",
        "import",
        "Line 4 imports tinycnn.functional",
    ),
    "renamed": ("def correlate", "def corelate", "missing", "The file defines no correlate: keep its name"),
    "exit": ("return y", "raise SystemExit", "raised", "raises SystemExit"),
    "leaves": ("return y", "__import__('os')._exit(0)", "crash", "Python was stopped in the case"),
    "stops at once": (
        "import numpy as np",
        "import numpy as np\n1 / 0",
        "raised",
        "The file stops at line 4 with ZeroDivisionError",
    ),
    "unwritten": ("return y", "raise NotImplementedError('write it')", "unwritten", "Not written yet: write it"),
    "prints": ("return y", "print('here', y.shape)\n    return y + 1", "value", "Your code printed:\nhere (1, 1)"),
    "a flood": (START, f"    print('x' * 10**7)\n{START}", "", "Right in all 4 cases"),
    "flipped": ("* w)", "* w[::-1, ::-1])", "value", "It is rotated.\nLook at w."),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_code_is_told_at_its_line(one, name):
    right, wrong, fault, sentence = BAD[name]
    assert right in one.solution
    verdict = dev.verdict_on(one, one.solution.replace(right, wrong))
    assert verdict.fault == fault
    assert verdict.passed == (fault == "")
    assert sentence in verdict.message
    assert len(verdict.message) < 5000


def test_a_function_that_is_not_their_own_is_told(one):
    verdict = dev.verdict_on(one, "from numpy import convolve as correlate\n")
    assert (verdict.fault, verdict.passed) == ("not yours", False)
    assert "correlate is not defined in your file" in verdict.message


def test_the_library_is_found_however_it_is_loaded(one):
    sneaky = 'import sys\nsys.path.append({!r})\nm = __import__("tiny" + "cnn.functional")\n'
    root = str(Path(dev.__file__).parents[2])
    verdict = dev.verdict_on(one, sneaky.format(root) + one.solution)
    assert verdict.fault == "library"
    assert not verdict.passed


def test_the_smallest_case_that_fails_is_shown_with_its_numbers(one):
    verdict = dev.verdict_on(one, one.solution.replace("return y", "return y + (y.size > 1)"))
    assert (verdict.good, verdict.total) == (1, 4)
    assert verdict.message.startswith('The case "a random image" fails; 1 of 4 cases are right.')
    for part in ("x = (5, 4)", "w = (3, 2)", "expected result:", "your result:"):
        assert part in verdict.message


def test_each_misconception_is_named_in_the_learner_s_language(one):
    cases = one.cases(0)
    for mutant in one.mutants:
        verdict = dev.verdict_on(one, mutant.source(one.solution))
        assert verdict.misconception == mutant.name
    assert "모두" in Texts(dev.WORDS, "ko").say("passed", total=len(cases))


def test_a_file_that_is_saved_twice_in_a_moment_is_read_anew(one, tmp_path):
    # Python keeps compiled files by their size and the second they were saved in: these two have both in common.
    file, told = tmp_path / "01_correlate.py", []
    for text in (one.solution, one.solution.replace("np.sum(", "np.max("), one.solution):
        file.write_text(text)
        os.utime(file, (1_000_000_000, 1_000_000_000))
        told.append(judge(one, one.cases(0), answers(one, one.cases(0), file), "en").passed)
    assert told == [True, False, True]


def test_hidden_cases_differ_and_the_same_seed_gives_the_same(one):
    assert one.cases(3) is one.cases(3)
    shown, hidden = one.cases(3)[1].arguments["x"], one.cases(3, hidden=True)[1].arguments["x"]
    assert not np.array_equal(shown, hidden)


def test_what_comes_back_is_not_believed_to_be_well_formed(one, tmp_path):
    file = tmp_path / "01_correlate.py"
    file.write_text(one.solution)
    for forged in ("", "[]", "{}", '{"load": null, "cases": [{}], "modules": []}', '{"cases": 3}', "\x00"):

        def forge(command, job, out, file, seconds, forged=forged):
            (out / "result.json").write_text(forged)
            np.savez(out / "results.npz")
            return "done"

        verdict = judge(one, one.cases(0), answers(one, one.cases(0), file, forge), "en")
        assert not verdict.passed


def test_the_call_alone_is_told_to_the_worker(one):
    assert "expected" not in closure(CHECK.replace("expected", "expected_result"), "cases")
    source = "import os\nimport re\nLIMIT = 3\ndef helper():\n    return LIMIT\ndef call(m):\n    return helper(), re\n"
    kept = closure(f"{source}def expected():\n    return os\n", "call")
    assert all(word in kept for word in ("import re", "LIMIT = 3", "def helper", "def call"))
    assert not any(word in kept for word in ("os", "expected"))


def test_threads_cut_functions_out_side_by_side():
    """Garbage is collected within the parser, where Python's own code lets another thread in."""

    def let_others_in(*_):
        sum(range(200))

    source, interval = inspect.getsource(inspect), sys.getswitchinterval()
    gc.callbacks.append(let_others_in)
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as threads:
            found = list(threads.map(lambda _: closure(source, "getsource"), range(48)))
    finally:
        sys.setswitchinterval(interval)
        gc.callbacks.remove(let_others_in)
    assert len(set(found)) == 1


def test_markers_part_solution_and_stub():
    assert 'raise NotImplementedError("write correlate")' in markers.stub(SOURCE)
    assert "np.sum" not in markers.stub(SOURCE)
    assert "np.sum" in markers.solution(SOURCE)
    assert "---" not in markers.stub(SOURCE) + markers.solution(SOURCE)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("# --- stub\n", "line 1: '# --- stub' where '# --- solution' must come"),
        ("# --- solution\n# --- end\n", "line 2: '# --- end' where '# --- stub' must come"),
        ("# --- solution\nx\n", "the last '# --- solution' has no '# --- end'"),
    ],
)
def test_markers_out_of_order_are_told(source, sentence):
    with pytest.raises(ValueError, match=sentence):
        markers.stub(source)


def test_a_mutant_whose_text_is_gone_is_told():
    with pytest.raises(ValueError, match="mutant old: the solution no longer contains 'gone'"):
        Mutant("old", "gone", "").source("here")


def test_a_missing_translation_falls_back_and_is_found(tmp_path):
    (tmp_path / "en.toml").write_text('a = "one"\n[b]\nc = "two"\n')
    (tmp_path / "ko.toml").write_text('a = "하나"\n')
    texts = Texts(tmp_path, "ko")
    assert (texts["a"], texts["b.c"], texts["b.d"]) == ("하나", "two", None)
    assert missing(tmp_path, "ko") == ["b.c"]


def test_a_case_is_readable():
    assert repr(Case("plain", x=1, w=2)) == "Case('plain', x, w)"
