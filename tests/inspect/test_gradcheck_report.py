"""The report of a gradient check: its table, its numbers as JSON, float32 as a demonstration, and what it is called."""

import json
import re

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import normal
from tests.oracles import oracle
from tinycnn.function import Function
from tinycnn.inspect.gradcheck import VERDICTS


class Faulty(Function):
    """2x, with an entry that is nan in backward and one that is wrong."""

    def forward(self, x):
        return 2 * x

    def backward(self, grad):
        dx = 2 * grad
        dx.reshape(-1)[0], dx.reshape(-1)[1] = np.nan, 7.0
        return dx


@pytest.fixture(scope="module")
def faulty():
    return tc.gradcheck(lambda x, y: Faulty()(x) + F.relu(y), (normal(0, 2, 3), np.array([0.0, -1.0, 1.0])))


def test_the_table_has_a_column_for_each_verdict_that_occurs(faulty):
    lines = str(faulty).splitlines()
    assert lines[0] == "gradients are wrong"
    heads = ("input", "shape", "entries", "right", "wrong", "on a kink", "both zero", "largest error")
    assert re.split(" {2,}", lines[1].strip()) == list(heads)
    assert lines[2].split() == ["x", "(2,", "3)", "6", "4", "2", "–", "–", "nan"]
    assert lines[3].split()[:7] == ["y", "(3,)", "3", "1", "–", "1", "1"]


def test_the_dictionary_is_json_that_any_reader_takes(faulty):
    def refuse(word):
        raise AssertionError(word)

    read = json.loads(faulty.to_json(), parse_constant=refuse)
    assert read == json.loads(json.dumps(faulty.as_dict()))
    x, y = read["inputs"]
    assert x["entries"][0]["backward"] is None
    assert [entry["verdict"] for entry in x["entries"]][:3] == ["wrong", "wrong", "right"]
    assert x["entries"][4]["index"] == [1, 1]
    assert (y["entries"][0]["lower"] == 0) != (y["entries"][0]["upper"] == 0)
    for item in (x, y):
        assert sum(item["counts"].values()) == item["checked"] == item["size"]
        assert list(item["counts"]) == list(VERDICTS)


def test_the_numbers_are_those_of_the_gradient(faulty):
    item = faulty.inputs[0]
    np.testing.assert_allclose(item.numeric[2:], item.analytic[2:], 1e-8)
    assert item.errors[1] == pytest.approx(abs(7 - item.numeric[1]) / max(7, abs(item.numeric[1])))


def test_the_upstream_gradient_is_random_and_not_the_numbers_of_the_bare_seed():
    seen = []

    class Seen(Function):
        def forward(self, x):
            return x.copy()

        def backward(self, grad):
            seen.append(grad.copy())
            return grad

    for seed in (0, 1):
        assert tc.gradcheck(lambda x: Seen()(x), np.ones(5), seed=seed)
        assert len(np.unique(seen[-1])) == 5
        assert not np.isin(seen[-1], np.random.default_rng(seed).standard_normal(100)).any()
    assert not np.array_equal(seen[0], seen[-1])


def test_float32_is_a_demonstration_beside_float64():
    x = normal(0, 3, 4, dtype=np.float32)
    report = tc.gradcheck(F.tanh, x, sweep=True)
    assert not report
    assert report.verdict == "demonstration"
    narrow, wide = report.inputs[0].sweep
    assert (narrow.dtype, wide.dtype) == ("float32", "float64")
    best = {sweep.dtype: min(sweep.errors) for sweep in (narrow, wide)}
    assert best["float32"] > 1e-6
    assert best["float64"] < 1e-9
    at = dict(zip(wide.steps, wide.errors, strict=True))
    assert at[1e-2] / at[1e-3] == pytest.approx(100, rel=0.2), "the truncation falls as the square of the step"
    assert "float32 cannot tell: a demonstration, no verdict" in str(report)
    assert "error in float32  error in float64" in str(report)
    assert " right " not in str(report)


def test_a_float32_model_is_demonstrated_and_left_as_it_was():
    layer = tc.nn.Linear(3, 2)
    report = tc.gradcheck(layer, normal(0, 4, 3, dtype=np.float32), sweep=True)
    assert [len(item.sweep) for item in report.inputs] == [2, 2, 2]
    assert layer.weight.dtype == np.float32


def test_a_sweep_of_float64_is_a_verdict_too():
    report = tc.gradcheck(F.tanh, normal(0, 3), sweep=True)
    assert report
    assert len(report.inputs[0].sweep) == 1


def test_the_page_and_the_notebook_show_the_report(faulty, tmp_path):
    oracle("jinja2")
    faulty.to_html(tmp_path / "check.html", title="faulty <one>")
    page = (tmp_path / "check.html").read_text(encoding="utf-8")
    assert "faulty &lt;one&gt;" in page
    assert "not a number" in page
    assert "x[0, 1]" in faulty._repr_html_()
