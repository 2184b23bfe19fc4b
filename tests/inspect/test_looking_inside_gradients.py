"""The gradient of a class score with respect to the image, plain and guided."""

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import running_backend, to_backend, to_numpy
from tests.fusing import fusing, names_behind
from tests.inspect import looking_inside
from tests.inspect.looking_inside import built, every_model, image, in_torch, scores
from tests.numeric import assert_close, central_difference
from tests.oracles import oracle
from tinycnn import nn

backend = looking_inside.every_backend


@every_model
@pytest.mark.parametrize("target", [0, 2])
def test_the_gradient_equals_central_differences_of_the_score(name, target):
    model, pixels = built(name), image()
    found = tc.inspect.image_gradient(model, pixels, target)
    (expected,) = central_difference(lambda x: scores(model, x)[target], [pixels], np.ones(()))
    assert_close(found, expected, 1e-8)


@every_model
def test_saliency_is_the_largest_size_over_the_channels_pixel_by_pixel(name):
    model, pixels = built(name), image()
    gradient = tc.inspect.image_gradient(model, pixels, 1)
    expected = [[max(abs(gradient[c, h, w]) for c in range(2)) for w in range(8)] for h in range(9)]
    found = tc.inspect.saliency(model, pixels, 1)
    assert (gradient < 0).any()
    np.testing.assert_array_equal(found, expected)
    assert isinstance(found, np.ndarray)


@every_model
@pytest.mark.parametrize("target", [0, 1, 2])
def test_plain_and_guided_equal_pytorch(name, target):
    torch = oracle("torch")

    def guided_relu(x):
        y = torch.relu(x)
        y.register_hook(lambda grad: grad.clamp(min=0))
        return y

    model, pixels = built(name, seed=1), image(seed=1)
    for relu, ours in ((torch.relu, tc.inspect.image_gradient), (guided_relu, tc.inspect.guided_backprop)):
        x = torch.tensor(pixels[None], requires_grad=True)
        in_torch(torch, name, model, x, relu)[0][target].backward()
        assert_close(ours(model, pixels, target), x.grad[0].numpy(), 1e-10, ours.__name__)


def test_guided_backprop_by_hand():
    # Two full layers with ReLU: what goes back is masked by the sign of what came in, and by its own.
    tc.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 3))
    model.astype(np.float64)
    first, second, third = (to_numpy(model[i].weight.data) for i in (1, 3, 5))
    first_bias, second_bias = (to_numpy(model[i].bias.data) for i in (1, 3))
    pixels = image(3, (3, 2, 2))
    hidden = first @ pixels.ravel() + first_bias
    deeper = second @ np.maximum(hidden, 0) + second_bias
    kinds = set()
    grad = third[2].copy()
    for weight, before in ((second, deeper), (first, hidden)):
        kinds |= {(bool(g > 0), bool(b > 0)) for g, b in zip(grad, before, strict=True)}
        grad = np.array([g if g > 0 and b > 0 else 0.0 for g, b in zip(grad, before, strict=True)]) @ weight
    assert len(kinds) == 4, "every case of gradient and input shall occur"
    assert_close(tc.inspect.guided_backprop(model, pixels, 2), grad.reshape(3, 2, 2), 1e-12)


def test_without_a_target_it_is_the_class_with_the_largest_score():
    for seed in range(3):
        model, pixels = built("chain", seed), image(seed)
        best = int(scores(model, pixels).argmax())
        for method in (tc.inspect.image_gradient, tc.inspect.saliency, tc.inspect.guided_backprop):
            np.testing.assert_array_equal(method(model, pixels), method(model, pixels, best))


class Distances(nn.Sequential):
    """Gives distances: the class is the nearest, as in LeNet-5 of 1998."""

    def logits(self, distances):
        return -distances


def test_where_a_model_gives_distances_the_class_is_the_nearest():
    model, pixels = Distances(*built("chain")).eval(), image()
    distances = scores(model, pixels)
    nearest, farthest = int(distances.argmin()), int(distances.argmax())
    found = tc.inspect.image_gradient(model, pixels)
    assert (found != tc.inspect.image_gradient(model, pixels, farthest)).any()
    x = tc.Tensor(to_backend(pixels[None]), requires_grad=True)
    model(x)[0, nearest].backward()
    assert_close(found, -to_numpy(x.grad[0]), 1e-12)


def test_layers_that_run_as_one_are_guided_like_layers_that_run_one_by_one():
    model, pixels = built("chain"), image()
    with fusing(running_backend()):
        model.eval()
        ordinary = names_behind(model[:4](tc.Tensor(to_backend(pixels[None]), requires_grad=True)))
        assert ordinary == "Conv2dReLUMaxPool2d Conv2d", "no longer fused: this test tests nothing"
        together = tc.inspect.guided_backprop(model, pixels, 0)
    one_by_one = tc.inspect.guided_backprop(nn.Sequential(*(nn.Sequential(layer) for layer in model)), pixels, 0)
    assert_close(together, one_by_one, 1e-12)
    assert np.abs(together - tc.inspect.image_gradient(model, pixels, 0)).max() > 0.1 * np.abs(together).max()


def test_guiding_ends_with_the_call():
    model, pixels = built("residual"), image()
    x = tc.Tensor(to_backend(pixels[None]), requires_grad=True)
    with nn.module.evaluating(model):
        made_before = model(x)[0, 0]
        plain = tc.inspect.image_gradient(model, pixels, 0)
        guided = tc.inspect.guided_backprop(model, pixels, 0)
        assert not tc.hooks.watching()
        made_before.backward()
    assert (guided != plain).any()
    np.testing.assert_array_equal(to_numpy(x.grad[0]), plain)
    np.testing.assert_array_equal(tc.inspect.image_gradient(model, pixels, 0), plain)


def test_relu_of_a_gradient_is_not_relu_of_leaky_relu():
    leaky = nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.LeakyReLU(), nn.Linear(4, 2))
    for model, kind in ((leaky, "Sequential"), (tc.models.lenet5(), "LeNet5")):
        pixels = np.zeros((1, 2, 2) if model is leaky else (1, 32, 32), np.float32)
        with pytest.raises(ValueError, match=f"ReLU, and this {kind} ran none: use image_gradient or saliency"):
            tc.inspect.guided_backprop(model, pixels)


def test_float32_stays_float32_and_a_map_lies_in_main_memory():
    model, pixels = built("chain").astype(np.float32), image().astype(np.float32)
    for method in (tc.inspect.image_gradient, tc.inspect.saliency, tc.inspect.guided_backprop):
        found = method(model, pixels)
        assert type(found) is np.ndarray
        assert found.dtype == np.float32


def test_a_model_without_parameters_and_one_that_cuts_the_graph():
    class Brightness(nn.Module):
        def forward(self, x):
            return (x * x).flatten(1)

    pixels = to_backend(image(0, (1, 2, 3)))
    found = tc.inspect.image_gradient(Brightness(), pixels, 4)
    np.testing.assert_array_equal(np.flatnonzero(found), [4])
    assert found[0, 1, 1] == 2 * to_numpy(pixels)[0, 1, 1]

    class Cut(nn.Module):
        def forward(self, x):
            return tc.Tensor(x.data).flatten(1)

    with pytest.raises(RuntimeError, match="requires no gradient"):
        tc.inspect.image_gradient(Cut(), pixels)
