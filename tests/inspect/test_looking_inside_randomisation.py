"""The randomisation test, the similarity it tells, and models that stay as they were whoever looks inside."""

from itertools import pairwise

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import to_backend, to_numpy
from tests.cases import normal
from tests.inspect import looking_inside
from tests.inspect.looking_inside import built, every_model, image, scores
from tinycnn import nn
from tinycnn.random import default_generator

backend = looking_inside.every_backend


def in_memory(model):
    return {key: to_numpy(array) for key, array in model.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "layers"),
    [("chain", ("9", "4", "3", "0")), ("residual", ("head", "norm", "conv", "stem"))],
)
def test_layers_forget_one_after_the_other_from_the_last(name, layers):
    model = built(name)
    before = in_memory(model)
    found = list(tc.inspect.cascading_randomisation(model, seed=1))  # all kept: none may change with the next
    assert tuple(layer for layer, _ in found) == layers
    for count, (_, forgetful) in enumerate(found, start=1):
        for key, array in in_memory(forgetful).items():
            layer, _, part = key.rpartition(".")
            if layer in layers[:count] and part in ("weight", "bias"):
                assert (array != before[key]).any(), key
                np.testing.assert_array_equal(np.sort(array.ravel()), np.sort(before[key].ravel()), key)
            else:
                np.testing.assert_array_equal(array, before[key], key)
    for earlier, later in pairwise(found):
        first, second = in_memory(earlier[1]), in_memory(later[1])
        changed = {key.rpartition(".")[0] for key in first if (first[key] != second[key]).any()}
        assert changed == {later[0]}, "a layer forgets once"


def test_the_seed_decides_and_the_engine_draws_nothing():
    model, state = built("chain"), (default_generator.seed, default_generator.calls)
    first, again, other = (
        [in_memory(copy)["0.weight"] for _, copy in tc.inspect.cascading_randomisation(model, seed)][-1]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (default_generator.seed, default_generator.calls) == state


def test_lenet_of_1998_forgets_too():
    model = tc.models.lenet5("1998")  # with layers that have no reset_parameters
    layers = [layer for layer, _ in tc.inspect.cascading_randomisation(model)]
    assert layers == ["f6", "c5", "s4", "c3", "s2", "c1"]
    assert not list(tc.inspect.cascading_randomisation(nn.ReLU()))


# Similarity


def rank_by_counting(values):
    """One more than the number of smaller ones, and half of the equal ones beside it."""
    sizes = [abs(v) for v in values]
    return [sum(b < a for b in sizes) + (sum(b == a for b in sizes) + 1) / 2 for a in sizes]


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_similarity_is_the_correlation_of_ranks_counted_one_by_one(levels):
    rng = np.random.default_rng(levels)
    for _ in range(20):
        a, b = rng.integers(-levels, levels, (2, 5, 4)).astype(float)
        expected = np.corrcoef(rank_by_counting(a.ravel()), rank_by_counting(b.ravel()))[0, 1]
        np.testing.assert_allclose(tc.inspect.rank_similarity(a, b), expected, rtol=0, atol=1e-12)


def test_similarity_of_a_worked_example():
    # The textbook example of intelligence against hours of television: −29/165, by 1 − 6 Σd² / (n (n² − 1)).
    intelligence = np.array([106, 100, 86, 101, 99, 103, 97, 113, 112, 110.0])
    television = np.array([7, 27, 2, 50, 28, 29, 20, 12, 6, 17.0])
    assert tc.inspect.rank_similarity(intelligence, television) == pytest.approx(-29 / 165, abs=1e-12)


def test_similarity_knows_order_alone_and_no_sign():
    a = normal(0, 3, 4, 5)
    assert tc.inspect.rank_similarity(a, a) == pytest.approx(1)
    assert tc.inspect.rank_similarity(a, -np.exp(np.abs(a))) == pytest.approx(1)
    assert tc.inspect.rank_similarity(a, 1 / a) == pytest.approx(-1)
    assert abs(tc.inspect.rank_similarity(normal(1, 100, 100), normal(2, 100, 100))) < 0.05
    assert np.isnan(tc.inspect.rank_similarity(a, np.ones_like(a)))
    with pytest.raises(ValueError, match=r"maps of one shape, got \(3, 4, 5\) and \(4, 5\)"):
        tc.inspect.rank_similarity(a, a[0])


# Together


def test_each_map_is_of_one_class_and_of_its_own_model():
    model, pixels = built("chain", seed=2), image()
    best = int(scores(model, pixels).argmax())
    seen = []

    def method(asked, given, target):
        seen.append((in_memory(asked), target))
        assert given is pixels
        return tc.inspect.image_gradient(asked, given, target)

    found = tc.inspect.randomisation_test(model, pixels, method, seed=4)
    assert [target for _, target in seen] == [best] * 5
    assert any(int(scores(copy, pixels).argmax()) != best for _, copy in tc.inspect.cascading_randomisation(model, 4))
    copies = list(tc.inspect.cascading_randomisation(model, seed=4))
    for (state, _), asked in zip(seen, [model, *(copy for _, copy in copies)], strict=True):
        for key, array in in_memory(asked).items():
            np.testing.assert_array_equal(state[key], array)
    original = tc.inspect.image_gradient(model, pixels, best)
    expected = {
        layer: tc.inspect.rank_similarity(original, tc.inspect.image_gradient(copy, pixels, best))
        for layer, copy in copies
    }
    assert found == expected
    assert list(found) == ["9", "4", "3", "0"]


@every_model
@pytest.mark.parametrize("method", ["saliency", "image_gradient", "guided_backprop", "grad_cam", "occlusion"])
def test_every_method_can_be_tested(name, method):
    def explain(model, image, target):
        options = {"window": 3, "stride": 2} if method == "occlusion" else {}
        return getattr(tc.inspect, method)(model, image, target, **options)

    model, pixels = built(name, seed=1), image(1)
    found = np.array(list(tc.inspect.randomisation_test(model, pixels, explain, target=0).values()))
    assert len(found) == 4
    assert np.nanmax(np.abs(found)) <= 1 + 1e-12
    assert np.nanmin(found) < 0.9


def test_a_method_that_looks_at_the_image_alone_is_found_out():
    def edges(model, pixels, target):
        return np.abs(np.diff(pixels, axis=1))

    model, pixels = built("chain"), image()
    assert list(tc.inspect.randomisation_test(model, pixels, edges).values()) == pytest.approx([1.0] * 4)
    assert min(tc.inspect.randomisation_test(model, pixels).values()) < 0.9


# For all of them

CALLS = {
    "image_gradient": tc.inspect.image_gradient,
    "saliency": tc.inspect.saliency,
    "guided_backprop": tc.inspect.guided_backprop,
    "grad_cam": tc.inspect.grad_cam,
    "occlusion": tc.inspect.occlusion,
    "randomisation_test": lambda model, image, target=None: tc.inspect.randomisation_test(model, image, target=target),
}
every_call = pytest.mark.parametrize("call", CALLS)


@every_call
@every_model
def test_the_model_is_left_as_it_was_even_after_an_error(name, call):
    looked = getattr(tc.inspect, call)
    model = built(name)
    parts = list(model.modules())
    parts[1].eval()
    parameters = list(model.parameters())
    parameters[1].requires_grad = False
    for number, parameter in enumerate(parameters):
        parameter.grad = None if number == 2 else to_backend(np.full(parameter.shape, float(number)))
    seen = []
    model.register_forward_hook(lambda module, inputs, output: seen.append(output))
    state, modes = in_memory(model), [part.training for part in parts]
    pixels = image()
    before = pixels.copy()

    looked(model, pixels)
    with pytest.raises(ValueError, match="takes 2 input channels"):
        looked(model, image(0, (3, 9, 8)))
    if call != "randomisation_test":
        with pytest.raises(ValueError, match="target must be a class"):
            looked(model, pixels, 99)

    np.testing.assert_array_equal(pixels, before)
    assert [part.training for part in parts] == modes
    assert all((state[key] == array).all() for key, array in in_memory(model).items())
    assert [parameter.requires_grad for parameter in parameters] == [n != 1 for n in range(len(parameters))]
    for number, parameter in enumerate(parameters):
        if number == 2:
            assert parameter.grad is None
        else:
            assert (to_numpy(parameter.grad) == number).all()
    assert seen, "a hook of the user's is called as ever"
    assert [len(vars(part).get("_forward_hooks", ())) for part in parts] == [1] + [0] * (len(parts) - 1)
    assert not tc.hooks.watching()


@every_call
@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        (np.zeros((1, 2, 9, 8)), ValueError, r"{} takes one image \(C, H, W\), got \(1, 2, 9, 8\): images\[0\]"),
        (np.zeros((9, 8)), ValueError, r"{} takes one image \(C, H, W\), got \(9, 8\): one grey image is x.reshape"),
        (np.zeros((2, 9, 8), np.uint8), TypeError, "{} takes a floating-point image, got uint8"),
    ],
)
def test_images_that_cannot_be(call, given, error, told):
    with pytest.raises(error, match=told.format(call)):
        CALLS[call](built("residual"), given)


@every_call
@pytest.mark.parametrize("target", [-1, 3, 1.0, True, "1"])
def test_targets_that_cannot_be(call, target):
    told = f"{call}: target must be a class from 0 to 2, or None, got {target!r}"
    with pytest.raises(ValueError, match=told):
        CALLS[call](built("residual"), image(), target)
    CALLS[call](built("residual"), image(), np.int64(2))


@every_call
def test_a_model_that_gives_no_class_scores(call):
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU()).astype(np.float64)
    told = rf"{call} takes a model .* this Sequential gives \(1, 3, 7, 6\): end it with Flatten"
    with pytest.raises(ValueError, match=told):
        CALLS[call](model, image())
