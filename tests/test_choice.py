"""How ``auto`` chooses by itself: rules that never name what cannot run, asked once for each geometry and pass."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
from tests.cases import conv_cases, examples
from tinycnn import backend
from tinycnn.backend import able_algorithms, convolution, load_kernels
from tinycnn.geometry import Axis, ConvGeometry, conv_geometry
from tinycnn.kernels import choice
from tinycnn.kernels.numpy.winograd_transform import refusal

PASSES = ("forward", "backward_input", "backward_weight")
LAYER = conv_geometry("conv2d", (2, 3, 8, 9), (4, 3, 3, 3), padding=1)
BACKENDS = pytest.mark.parametrize("name", tc.available_backends())


def geometry(**changes):
    """A layer for which every rule about sizes holds, with changes."""
    given = {"N": 16, "C": 256, "K": 256, "size": 56, "kernel": 3, "stride": 1, "dilation": 1, "groups": 1} | changes
    axis = Axis(given["size"], given["kernel"], given["stride"], 1, 1, given["dilation"])
    return ConvGeometry(axis, axis, given["N"], given["C"], given["K"], given["groups"])


# The rules


@pytest.mark.parametrize("name", choice.RULES)
def test_each_rule_is_told_with_its_measurement_and_the_last_always_holds(name):
    for rule in choice.RULES[name]:
        assert set(rule.passes) <= set(PASSES)
        assert len(rule.measured.split()) > 5
    last = choice.RULES[name][-1]
    assert set(last.passes) == set(PASSES)
    assert last.holds is choice.always


def test_every_backend_has_rules():
    assert set(choice.RULES) == set(backend._PACKAGES)


@pytest.mark.parametrize(
    ("what", "value"),
    [("stride", 1), ("stride", 2), ("dilation", 2), ("kernel", 1), ("kernel", 5), ("kernel", 7), ("groups", 256)],
)
def test_no_rule_chooses_for_large_layers_what_cannot_run(what, value):
    g = geometry(**{what: value})
    for name in choice.RULES:
        for phase in PASSES:
            assert choice.choose(name, {"winograd": refusal}, phase, g) != "winograd" or not refusal(g)


def test_a_rule_whose_algorithm_refuses_is_passed_over():
    g = geometry()
    assert choice.choose("numpy", {"winograd": lambda g: "not today"}, "forward", g) == "im2col"
    assert choice.choose("numpy", {"winograd": refusal}, "forward", g) == "winograd"


@BACKENDS
@given(case=conv_cases(), scale=st.sampled_from((1, 64, 128)))
@examples(200)
def test_rules_choose_what_can_run_for_any_geometry(name, case, scale):
    g = replace(case.geometry, N=case.N * scale, C=case.C * scale, K=case.K * scale)
    kernels = load_kernels(name)
    for phase in PASSES:
        assert kernels.choose_convolution(phase, g) in able_algorithms(kernels, g)


# Deciding


def test_equal_geometries_are_one_object_with_one_hash():
    first = conv_geometry("conv2d", (2, 3, 8, 9), (4, 3, 3, 3), padding=1)
    again = conv_geometry("conv1d", (2, 3, 8, 9), (4, 3, 3, 3), padding=(1, 1))
    assert again is first
    assert again == LAYER
    by_hand = ConvGeometry(Axis(8, 3, 1, 1, 1), Axis(9, 3, 1, 1, 1), 2, 3, 4)
    assert by_hand == LAYER
    assert hash(by_hand) == hash(LAYER)
    for name in ("N", "C", "K", "groups"):
        other = replace(LAYER, **{name: 7})
        assert other != LAYER
        assert hash(other) != hash(LAYER)
    assert replace(LAYER, rows=LAYER.columns) != LAYER


def test_a_decision_is_made_once(monkeypatch):
    kernels, asked = load_kernels("numpy"), []
    monkeypatch.setattr(kernels, "choose_convolution", lambda *about: asked.append(about) or "im2col")
    for _ in range(3):
        convolution(kernels, "auto", "forward", conv_geometry("conv2d", (2, 3, 8, 9), (4, 3, 3, 3), padding=1))
    assert asked == [("forward", LAYER)]
    convolution(kernels, "auto", "backward_input", LAYER)
    convolution(kernels, "auto", "forward", replace(LAYER, N=3))
    assert len(asked) == 3


def test_what_was_decided_does_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(backend, "MOST_DECISIONS", 5)
    kernels = load_kernels("numpy")
    for images in range(1, 30):
        convolution(kernels, "auto", "forward", replace(LAYER, N=images))
    assert len(kernels.decided) <= 5
