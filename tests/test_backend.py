"""Choosing backends and algorithms: setters, context managers, refusals."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.backend import current_algorithm, load_kernels


def test_numpy_is_always_available():
    assert "numpy" in tc.available_backends()


def test_an_algorithm_is_in_force_inside_its_block_only():
    assert current_algorithm() == "auto"
    with tc.use_algorithm("direct"):
        with tc.use_algorithm("im2col"):
            assert current_algorithm() == "im2col"
        assert current_algorithm() == "direct"
    assert current_algorithm() == "auto"


def test_without_a_block_the_choice_stays():
    try:
        tc.use_algorithm("direct")
        assert current_algorithm() == "direct"
    finally:
        tc.use_algorithm("auto")


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"backend 'torch' is not available here; there is .*numpy"):
        tc.use_backend("torch")
    with pytest.raises(ValueError, match="algorithm 'fast' is unknown; the names are auto, direct, im2col"):
        tc.use_algorithm("fast")
    x, w = tc.Tensor(np.zeros((1, 1, 3, 3))), tc.Tensor(np.zeros((1, 1, 2, 2)))
    with pytest.raises(ValueError, match="algorithm 'fast' is unknown"):
        F.conv2d(x, w, algorithm="fast")


def test_an_algorithm_that_the_backend_lacks_names_those_it_has():
    kernels = load_kernels("numpy")
    missing = [name for name in ("winograd", "fft") if name not in kernels.algorithms]
    x, w = tc.Tensor(np.zeros((1, 1, 5, 5))), tc.Tensor(np.zeros((1, 1, 3, 3)))
    for name in missing:
        with pytest.raises(ValueError, match=f"the numpy backend has no {name} convolution; it has direct and im2col"):
            F.conv2d(x, w, algorithm=name)


def test_the_algorithm_in_force_is_the_one_that_runs(monkeypatch):
    ran = []
    kernels = load_kernels("numpy")
    x, w = tc.Tensor(np.zeros((1, 1, 5, 5))), tc.Tensor(np.zeros((1, 1, 3, 3)))
    for name in ("direct", "im2col"):
        module = getattr(kernels, f"conv_{name}")
        forward = module.forward
        monkeypatch.setattr(module, "forward", lambda *a, name=name, forward=forward: ran.append(name) or forward(*a))
    with tc.use_backend("numpy"), tc.use_algorithm("direct"):
        F.conv2d(x, w)
        F.conv2d(x, w, algorithm="im2col")
    assert ran == ["direct", "im2col"]


def test_a_kernel_that_no_backend_has_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no backend has a kernel 'conv4d'"):
        load_kernels("numpy").conv4d  # noqa: B018
