"""Grad-CAM and occlusion, against loops, identities and PyTorch."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import running_backend, to_backend, to_numpy
from tests.cases import normal
from tests.fusing import fusing
from tests.inspect import looking_inside
from tests.inspect.looking_inside import Residual, built, every_model, image, in_torch, scores
from tests.numeric import assert_close, central_difference
from tests.oracles import oracle
from tinycnn import nn

backend = looking_inside.every_backend


# Grad-CAM


@every_model
@pytest.mark.parametrize("target", [0, 1, 2])
def test_grad_cam_equals_pytorch(name, target):
    torch = oracle("torch")
    model, pixels = built(name), image()
    logits, maps = in_torch(torch, name, model, torch.tensor(pixels[None], requires_grad=True), torch.relu)
    (gradient,) = torch.autograd.grad(logits[target], maps)
    weight = gradient[0].mean((1, 2))
    expected = torch.relu((weight[:, None, None] * maps[0]).sum(0)).detach().numpy()
    assert expected.shape == {"chain": (3, 4), "residual": (9, 8)}[name]
    found = tc.inspect.grad_cam(model, pixels, target)
    assert_close(found, expected, 1e-10)
    assert isinstance(found, np.ndarray)


@pytest.mark.parametrize("target", [0, 1, 2, 3, 4])
def test_grad_cam_is_its_formula_over_derivatives_by_differences(target):
    model, pixels = built("chain"), image()
    model.eval()
    with tc.no_grad():
        maps = to_numpy(model[:6](tc.Tensor(to_backend(pixels[None]))).data[0])  # (4, 3, 4)
    (derivative,) = central_difference(lambda A: scores(model[6:], A)[target], [maps], np.ones(()))
    expected = np.zeros((3, 4))
    for p, q in np.ndindex(3, 4):
        for k in range(4):
            weight = sum(derivative[k, i, j] for i in range(3) for j in range(4)) / 12
            expected[p, q] += weight * maps[k, p, q]
        expected[p, q] = max(expected[p, q], 0)
    assert_close(tc.inspect.grad_cam(model, pixels, target), expected, 1e-8, scale=1e-2)


def test_the_formula_is_seen_to_clip():
    model, pixels = built("chain"), image()
    found = np.stack([tc.inspect.grad_cam(model, pixels, target) for target in range(5)])
    assert (found == 0).any()
    assert (found > 0).any()
    assert not (found < 0).any()


def test_under_global_average_pooling_it_is_the_class_activation_map():
    model, pixels = built("residual"), image()
    maps = tc.inspect.feature_maps(model, pixels)["last"]
    head = to_numpy(model.head.weight.data)
    clipped = 0
    for target in range(3):
        cam = sum(head[target, k] * maps[k] for k in range(4))
        clipped += (cam < 0).sum()
        assert_close(9 * 8 * tc.inspect.grad_cam(model, pixels, target), np.maximum(cam, 0), 1e-12, scale=1)
    assert clipped


@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4", "5", "6"])
def test_a_layer_that_is_named_gives_the_size(layer):
    model, pixels = built("chain"), image()
    size = tc.inspect.feature_maps(model, pixels)[layer].shape[1:]
    assert tc.inspect.grad_cam(model, pixels, layer=layer).shape == size


def test_the_layer_by_default_is_the_activation_of_the_last_convolution_that_gives_a_map():
    def same(model, pixels, layer):
        named = np.stack([tc.inspect.grad_cam(model, pixels, target, layer) for target in range(3)])
        assert named.any()
        np.testing.assert_array_equal([tc.inspect.grad_cam(model, pixels, target) for target in range(3)], named)

    digit = normal(4, 1, 32, 32, dtype=np.float32)
    tc.manual_seed(5)
    same(tc.models.lenet5(), digit, "tanh3")  # c5 gives one cell
    if running_backend() != "cupy":  # it runs in main memory alone
        same(tc.models.lenet5("1998"), digit, "squash3")  # a convolution that is no Conv2d
    same(built("chain"), image(), "5")
    same(built("residual"), image(), "last")  # not norm: the sum comes after it
    nested = nn.Sequential(built("chain")[:7], nn.Sequential(*built("chain")[7:]))
    same(nested, image(), "0.5")


def test_a_module_that_runs_twice_shows_its_last_output():
    class Twice(nn.Module):
        def __init__(self):
            self.conv, self.act, self.other = nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Conv2d(1, 1, (2, 1))
            self.same_act = self.act

        def forward(self, x):
            return self.act(self.other(self.act(self.conv(x)))).flatten(1)

    model, pixels = Twice(), np.ones((1, 3, 2), np.float32)
    for parameter in model.parameters():
        parameter.data = np.ones_like(parameter.data)
    for layer in (None, "act", "same_act"):
        assert tc.inspect.grad_cam(model, pixels, 0, layer).shape == (2, 2)


def test_layers_that_run_as_one_are_looked_between():
    model, pixels = built("chain"), image()
    expected = [tc.inspect.grad_cam(model, pixels, 1, layer) for layer in ("0", "1", "2")]
    with fusing(running_backend()):
        found = [tc.inspect.grad_cam(model, pixels, 1, layer) for layer in ("0", "1", "2")]
    for a, b in zip(found, expected, strict=True):
        assert_close(a, b, 1e-12)


class Aside(Residual):
    """A layer that runs and has no part in the score, and one that does not run."""

    def __init__(self):
        super().__init__()
        self.aside, self.idle = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)

    def forward(self, x):
        self.aside(x)
        return super().forward(x)


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ("sten", "unknown layer 'sten': did you mean stem"),
        ("idle", "layer 'idle' did not run"),
        ("head", r"layer 'head' gives \(3,\), no maps"),
        ("aside", "the score does not depend on what layer 'aside' gives"),
    ],
)
def test_layers_that_cannot_be(layer, told):
    with pytest.raises(ValueError, match=told):
        tc.inspect.grad_cam(Aside(), np.ones((2, 4, 4), np.float32), layer=layer)


def test_a_model_without_maps_needs_a_layer():
    model = nn.Sequential(nn.Conv2d(1, 3, 4), nn.Flatten(), nn.Linear(3, 2))  # its convolution gives one cell
    pixels = np.ones((1, 4, 4), np.float32)
    with pytest.raises(ValueError, match="no convolution in this Sequential that gives maps larger than 1x1"):
        tc.inspect.grad_cam(model, pixels)
    assert tc.inspect.grad_cam(model, pixels, layer="0").shape == (1, 1)


@pytest.mark.parametrize(("shape", "size"), [((3, 4), (9, 8)), ((7, 5), (7, 11)), ((2, 1, 6), (5, 6))])
def test_enlarged_equals_pytorch_and_keeps_a_plane_of_one_value(shape, size):
    torch = oracle("torch")
    heat = normal(0, *shape)
    expected = torch.nn.functional.interpolate(
        torch.tensor(heat).reshape(1, -1, *shape[-2:]), size=size, mode="bilinear", align_corners=False
    )
    assert_close(tc.inspect.enlarged(heat, size), expected.numpy().reshape(*shape[:-2], *size), 1e-12)
    np.testing.assert_allclose(tc.inspect.enlarged(np.full(shape, 3.0, np.float32), size), 3.0, rtol=1e-6)
    assert tc.inspect.enlarged(heat.astype(np.float32), size).dtype == np.float32


def test_enlarged_by_hand():
    # Twice as large: a quarter and three quarters of two neighbours, the edge as it is.
    row = [0.0, 2.0, 6.0, 8.0]
    expected = np.outer([1, 1, 1], row)
    np.testing.assert_allclose(tc.inspect.enlarged(np.array([[0.0, 8.0]]), (3, 4)), expected)
    np.testing.assert_array_equal(tc.inspect.enlarged(np.array([[5.0]]), 2), np.full((2, 2), 5.0))
    with pytest.raises(ValueError, match=r"enlarged takes maps \(…, P, Q\), got \(4,\)"):
        tc.inspect.enlarged(np.zeros(4), 2)
    with pytest.raises(ValueError, match="size must be at least 1"):
        tc.inspect.enlarged(np.zeros((4, 4)), 0)


# Occlusion


def softmax(logits):
    raised = np.exp(logits - logits.max())
    return raised / raised.sum()


@pytest.mark.parametrize(
    ("window", "stride", "fill"), [(3, 1, 0.0), ((4, 3), (2, 3), (0.5, -2.0)), ((9, 8), 5, 1.0), (1, (1, 2), 0.25)]
)
def test_occlusion_covers_one_window_at_a_time(window, stride, fill):
    model, pixels, target = built("chain"), image(), 3
    (R, S), (down, across) = (v if isinstance(v, tuple) else (v, v) for v in (window, stride))
    drops, row = [], 0
    while row + R <= 9:
        drops.append([])
        column = 0
        while column + S <= 8:
            covered = pixels.copy()
            for c in range(2):
                covered[c, row : row + R, column : column + S] = fill[c] if isinstance(fill, tuple) else fill
            drops[-1].append(softmax(scores(model, pixels))[target] - softmax(scores(model, covered))[target])
            column += across
        row += down
    found = tc.inspect.occlusion(model, pixels, target, window, stride, fill)
    assert_close(found, np.array(drops), 1e-10, scale=1)
    assert isinstance(found, np.ndarray)
    assert np.ptp(found) > 0 or found.size == 1


@pytest.mark.parametrize("at_a_time", [1, 5, 42, 1000])
def test_how_many_run_at_a_time_changes_nothing(at_a_time, monkeypatch):
    model, pixels = built("residual"), image()
    expected = tc.inspect.occlusion(model, pixels, 0, 3, 1)
    assert expected.size == 42
    # the function tinycnn.inspect.occlusion hides the module of that name
    monkeypatch.setitem(tc.inspect.occlusion.__globals__, "BATCH", at_a_time)
    assert_close(tc.inspect.occlusion(model, pixels, 0, 3, 1), expected, 1e-12, scale=1)


def test_the_class_stays_that_of_the_whole_image():
    class Corner(nn.Module):
        """Class 1 where the first pixel is bright, else class 0."""

        def forward(self, x):
            bright = x[:, 0, :1, 0]  # (N, 1)
            return F.cat([1 - bright, 3 * bright], dim=1)

    pixels = np.ones((1, 2, 3), np.float32)
    found = tc.inspect.occlusion(Corner(), to_backend(pixels), window=1, stride=1)
    expected = softmax(np.array([0.0, 3.0]))[1] - softmax(np.array([1.0, 0.0]))[1]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[expected, 0, 0], [0, 0, 0]], rtol=1e-6)


def test_sizes_follow_the_one_rule():
    model, pixels = built("residual"), image()
    pooled = F.max_pool2d(tc.Tensor(pixels[None]).to("numpy"), (4, 3), (2, 3)).shape[2:]
    assert tc.inspect.occlusion(model, pixels, None, (4, 3), (2, 3)).shape == pooled


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"window": (10, 3)}, ValueError, r"a 10x3 window never fits a 9x8 image: use at most window=\(9, 8\)"),
        ({"window": 0}, ValueError, "occlusion: window must be at least 1, got 0"),
        ({"stride": 1.5}, TypeError, "occlusion: stride must be an int, got 1.5"),
        ({"fill": [0, 0, 0]}, ValueError, r"one for each of 2 channels, got \(3,\)"),
    ],
)
def test_covers_that_cannot_be(options, error, told):
    with pytest.raises(error, match=told):
        tc.inspect.occlusion(built("residual"), image(), **options)
