"""Traces of learners' functions: what was read against what was expected, a wrong result, a function that stops."""

from copy import deepcopy

import numpy as np

import tinycnn as tc
import tinycnn.functional as F
from tests.inspect.trace.browser.convolutions import CASES, terms_of

GIVEN = next(case for case in CASES if case.name == "conv2d: a 3x3 window on 5x5")
ASKED = {"dilation": 2, "padding": 1}  # makes an output of the same size from other cells


def asked():
    """What the learner should have computed, and from what: for each tensor the places for each result."""
    x, weight = GIVEN.arrays
    y = F.conv2d(tc.Tensor(x), tc.Tensor(weight), **ASKED).data
    terms, is_inside = terms_of(GIVEN, x.shape, weight.shape, y.shape, ASKED)
    reads = {"x": [set() for _ in range(y.size)], "weight": [set() for _ in range(y.size)]}
    results = np.ravel_multi_index([terms[letter] for letter in "nkpq"], y.shape)
    for tensor, letters, shape in (("x", "nchw", x.shape), ("weight", "klrs", weight.shape)):
        inside = [terms[letter][is_inside] for letter in letters]
        for result, place in zip(results[is_inside], np.ravel_multi_index(inside, shape), strict=True):
            reads[tensor][int(result)].add(int(place))
    return y, reads


def forward_alone():
    record = deepcopy(GIVEN.trace.record)
    record["operations"][0]["phases"] = record["operations"][0]["phases"][:1]
    return record


def other_window():
    """A learner who forgot the dilation and the padding: cells that are missed, others that are too many."""
    record = forward_alone()
    y, reads = asked()
    record["operations"][0]["expected"] = {
        "result": "y",
        "values": y.ravel().tolist(),
        "reads": {tensor: [sorted(places) for places in by] for tensor, by in reads.items()},
    }
    return record


def stopped_halfway():
    """A function that raised after 40 steps."""
    record = other_window()
    operation = record["operations"][0]
    phase = operation["phases"][0]
    phase["steps"] = phase["steps"][:40]
    line = phase["steps"][-1]["line"]
    operation["raised"] = {"type": "IndexError", "message": "index 5 is out of bounds for axis 0", "line": line}
    return record


LEARNERS = {"other window": other_window, "stopped halfway": stopped_halfway}
