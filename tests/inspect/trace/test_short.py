"""The record that a page carries: what was left out of it is put back to the last bit, and it is much smaller."""

import copy
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.browsers import browser
from tinycnn.inspect.trace.short import shortened

__all__ = ["browser"]  # the fixture

pytestmark = pytest.mark.xdist_group("browser")

SCRIPT = Path(tc.__file__).with_name("inspect") / "trace" / "web" / "restore.js"


def records():
    rng = np.random.default_rng(3)
    x, weight, bias = rng.normal(size=(1, 2, 5, 5)), rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3)
    yield "conv2d", tc.trace(lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), x, weight, bias).record
    whole = np.arange(-25.0, 25.0).reshape(1, 2, 5, 5)
    yield "conv2d, whole numbers", tc.trace(F.conv2d, whole, np.ones((1, 2, 3, 3))).record
    yield "relu", tc.trace(F.relu, np.array([1.5, -2.0, -0.0])).record
    strange = tc.trace(F.conv2d, rng.normal(size=(1, 1, 3, 3)), np.ones((1, 1, 2, 2))).record
    for word in ("inf", "nan"):
        yield f"conv2d, {word}", json.loads(re.sub(r"-0\.\d+", f'"{word}"', json.dumps(strange)))
    for algorithm in ("im2col", "winograd"):
        made = tc.trace(lambda x, w, name=algorithm: F.conv2d(x, w, algorithm=name), x[:, :, :4, :4], weight)
        yield algorithm, made.record


RECORDS = dict(records())


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_left_out_is_put_back_to_the_last_bit(name, browser):
    record = RECORDS[name]
    before = copy.deepcopy(record)
    short = shortened(record)
    assert record == before
    with browser.new_context() as context:
        tab = context.new_page()
        tab.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"))
        found = json.loads(tab.evaluate("text => JSON.stringify(restored(JSON.parse(text)))", json.dumps(short)))
    assert found == json.loads(json.dumps(record))


def test_it_is_much_smaller():
    record = RECORDS["conv2d"]
    sizes = [len(gzip.compress(json.dumps(each).encode())) for each in (shortened(record), record)]
    assert sizes[0] < 0.4 * sizes[1]


def test_a_number_that_does_not_follow_is_kept():
    record = copy.deepcopy(RECORDS["conv2d"])
    record["operations"][0]["phases"][0]["steps"] = record["operations"][0]["phases"][0]["steps"][:6]
    step = record["operations"][0]["phases"][0]["steps"][5]
    step["reads"][1][2] += 1e-12
    (short,) = shortened(record)["operations"]
    assert short["phases"][0]["steps"][-1]["reads"][1] == step["reads"][1]
    assert short["phases"][0]["steps"][-1]["products"] == step["products"]
