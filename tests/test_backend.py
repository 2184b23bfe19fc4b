"""Choosing backends and algorithms: setters, context managers, refusals."""

from types import ModuleType

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.backend import Kernels, convolution, current_algorithm, load_kernels
from tinycnn.geometry import conv_geometry
from tinycnn.kernels.numpy import conv_direct, conv_im2col


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
    package = ModuleType("bare")
    package.conv_direct, package.conv_im2col = conv_direct, conv_im2col
    bare = Kernels("bare", package)
    geometry = conv_geometry("conv2d", (1, 1, 5, 5), (1, 1, 3, 3))
    for name in ("winograd", "fft"):
        with pytest.raises(ValueError, match=f"the bare backend has no {name} convolution; it has direct and im2col"):
            convolution(bare, name, "forward", geometry)
    assert convolution(bare, "direct", "forward", geometry) is conv_direct.forward


def test_an_algorithm_that_cannot_run_a_geometry_names_the_reason_and_those_that_can():
    geometry = conv_geometry("conv2d", (1, 1, 9, 9), (1, 1, 7, 7), padding=3)
    kernels = load_kernels("numpy")
    for phase in ("forward", "backward_input", "backward_weight"):
        with pytest.raises(
            ValueError, match=r"^winograd cannot run 7x7 over 9x9 .*: it takes .*; direct, im2col and fft can$"
        ):
            convolution(kernels, "winograd", phase, geometry)
        for name in ("auto", "direct", "im2col", "fft"):
            convolution(kernels, name, phase, geometry)


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
