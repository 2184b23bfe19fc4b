"""A graph does nothing before it is launched, and must not outlive its memory, nor its results their graph."""

import os
from functools import partial
from typing import Any

import numpy as np
import pytest

if os.environ.get("TINYCNN_TEST_CUDA") != "emulated":
    pytest.skip("asks the stand-in for CuPy: TINYCNN_TEST_CUDA=emulated", allow_module_level=True)

import cupy

from tests.cupy_streams import CUDARuntimeError
from tinycnn.kernels.cuda.stream import Graph


def test_a_graph_must_not_outlive_what_it_reads():
    x = cupy.asarray(np.ones(3, np.float32))
    graph = Graph(partial(np.multiply, x, 2))
    graph.launch()
    assert graph.made.get().tolist() == [2, 2, 2]
    del x
    with pytest.raises(CUDARuntimeError, match="IllegalAddress"):
        graph.launch()


def test_results_end_with_their_graph():
    x = cupy.asarray(np.ones(3, np.float32))
    made = Graph(lambda: x * 2).made
    with pytest.raises(CUDARuntimeError, match="IllegalAddress"):
        made.get()


def test_nothing_is_done_while_a_graph_is_recorded():
    x = cupy.asarray(np.ones(3, np.float32))

    def add() -> Any:
        x[...] += 1
        return x.sum()

    graph = Graph(add)
    assert x.get().tolist() == [1, 1, 1]
    assert np.isnan(graph.made.get())
    for times in (1, 2):
        graph.launch()
        assert (x.get() == 1 + times).all()
        assert graph.made.item() == 3 * (1 + times)
