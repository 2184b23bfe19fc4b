"""Sequential runs convolution, ReLU and pooling as one Function, and nobody who looks can tell."""

from collections.abc import Iterator

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import running, running_backend, to_backend, to_numpy
from tests.cases import normal
from tests.fusing import bytes_alive, functions_behind, fusing, names_behind
from tinycnn import nn
from tinycnn.backend import load_kernels
from tinycnn.hooks import watch
from tinycnn.inspect import summary
from tinycnn.inspect.activations import feature_maps
from tinycnn.training.divergence import first_cause

ONE_BY_ONE = "Conv2d ReLU MaxPool2d"
AS_ONE = "Conv2dReLUMaxPool2d"


@pytest.fixture(params=tc.available_backends(), autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The backend that is running; each algorithm of it fuses."""
    with running(request.param) as name, fusing(name):
        yield name


def block(seed: int = 1) -> nn.Sequential:
    """Convolution, ReLU, pooling."""
    tc.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))


def small_vgg() -> nn.Sequential:
    """As VGG is built: blocks of convolutions, a pooling after each, full layers with dropout."""
    tc.manual_seed(2)
    return nn.Sequential(
        *[nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True)],
        *[nn.Conv2d(8, 8, 3, bias=False), nn.ReLU()],
        *[nn.Flatten(), nn.Dropout(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)],
    )


def relu_lenet() -> nn.Sequential:
    """LeNet-5 with the activation and the pooling of today."""
    tc.manual_seed(3)
    return nn.Sequential(
        *[nn.Conv2d(2, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Flatten(), nn.Linear(16 * 5 * 5, 10)],
    )


def images(*shape: int, seed: int = 4) -> tc.Tensor:
    return tc.Tensor(to_backend(normal(seed, *(shape or (2, 2, 6, 8)), dtype=np.float32)), requires_grad=True)


def run_one_by_one(net: nn.Module, x: tc.Tensor) -> tc.Tensor:
    """What the model gives while somebody watches."""
    with watch(lambda call: None):
        return net(x)


def all_bits(net: nn.Module, x: tc.Tensor, call) -> list[bytes]:
    """Output and every gradient, after a forward by ``call`` and a backward."""
    net.zero_grad()
    x.zero_grad()
    tc.manual_seed(5)  # of dropout
    y = call(net, x)
    y.backward(to_backend(normal(6, *y.shape, dtype=np.float32)))
    return [array.tobytes() for array in (y.data, x.grad, *(p.grad for p in net.parameters()))]


@pytest.mark.parametrize(
    ("build", "shape", "names"),
    [
        (block, (2, 2, 6, 8), AS_ONE),
        (
            small_vgg,
            (3, 2, 10, 10),
            f"Conv2dReLU {AS_ONE} {AS_ONE} Conv2dReLU Reshape Dropout Linear ReLU Linear",
        ),
        (relu_lenet, (2, 2, 32, 32), f"{AS_ONE} {AS_ONE} Reshape Linear"),
    ],
)
def test_chains_are_one_function_each_and_give_the_same_bits(build, shape, names):
    net, x = build(), images(*shape)
    assert names_behind(net(x)) == names
    assert "Conv2dReLU" not in names_behind(run_one_by_one(net, x))
    assert all_bits(net, x, lambda net, x: net(x)) == all_bits(net, x, run_one_by_one)


def test_training_goes_the_same_way_bit_for_bit():
    labels, losses = to_backend(np.array([0, 2, 1])), []
    for call in (lambda net, x: net(x), run_one_by_one):
        net = small_vgg()
        optimiser = tc.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        tc.manual_seed(7)
        for step in range(5):
            optimiser.zero_grad()
            loss = F.cross_entropy(call(net, images(3, 2, 10, 10, seed=step)), labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert losses[:5] == losses[5:]
    assert len(set(losses)) == 5


def test_evaluation_and_frozen_layers():
    net, x = block(), images()
    with tc.no_grad():
        y = net(x)
    assert y.creator is None
    assert y.data.tobytes() == run_one_by_one(net, x).data.tobytes()
    net[0].requires_grad_(False)
    net(images()).sum().backward()
    assert net[0].weight.grad is None
    assert names_behind(net(tc.Tensor(x.data))) == ""


def test_a_plain_array_and_any_settings_of_the_layers():
    net = nn.Sequential(
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
        nn.ReLU(),
        nn.MaxPool2d((2, 3), (1, 2), (1, 0, 2, 1), ceil_mode=True),
    )
    x = images(2, 4, 9, 9)
    assert names_behind(net(x.data)) == AS_ONE
    assert all_bits(net, x, lambda net, x: net(x)) == all_bits(net, x, run_one_by_one)
    same = nn.Sequential(nn.Conv2d(4, 2, 3, padding="same"), nn.ReLU())
    assert names_behind(same(x)) == "Conv2dReLU"


def test_less_is_kept_for_backward():
    net, x = block(), images(4, 2, 16, 16)
    alone, fused = bytes_alive(run_one_by_one(net, x)), bytes_alive(net(x))
    large = 4 * 3 * 16 * 16 * 4
    assert alone - fused == 2 * large  # the convolution's output, and ReLU's
    assert alone > 2.5 * fused
    short = nn.Sequential(*list(net)[:2])
    assert bytes_alive(run_one_by_one(short, x)) - bytes_alive(short(x)) == large


# Who looks in between finds every layer


@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
@pytest.mark.parametrize(
    ("position", "names"), [(0, ONE_BY_ONE), (1, ONE_BY_ONE), (2, "Conv2dReLU MaxPool2d")], ids=["0", "1", "2"]
)
def test_a_hook_sees_what_it_saw_and_only_what_it_looks_at_is_run_by_itself(position, names, register):
    net, x, seen = block(), images(), []
    expected = x
    for layer in list(net)[:position]:
        expected = layer(expected)
    output = net[position](expected)
    with getattr(net[position], register)(lambda module, *arguments: seen.append((module, *arguments))):
        y = net(x)
    (module, inputs, *result) = seen[0]
    assert (len(seen), module, len(inputs)) == (1, net[position], 1)
    np.testing.assert_array_equal(to_numpy(inputs[0].data), to_numpy(expected.data))
    assert [r.data.tobytes() for r in result] == [output.data.tobytes()] * (register == "register_forward_hook")
    assert names_behind(y) == names
    assert names_behind(net(x)) == AS_ONE, "the hook is gone"


def test_a_hook_on_the_whole_hides_nothing_and_hinders_nothing():
    net, seen = block(), []
    net.register_forward_hook(lambda module, inputs, output: seen.append(output))
    y = net(images())
    assert seen == [y]
    assert names_behind(y) == AS_ONE


def test_a_watcher_sees_every_layer_forward_and_backward():
    net, calls = block(), []
    with watch(lambda call: calls.append((call.phase, type(call.function).__name__, call.shapes[-1]))):
        net(images()).sum().backward()
    shapes = [(2, 3, 6, 8), (2, 3, 6, 8), (2, 3, 3, 4)]
    layers = ONE_BY_ONE.split()
    assert calls[:3] == [("forward", name, shape) for name, shape in zip(layers, shapes, strict=True)]
    assert [(phase, name) for phase, name, _ in calls[5:]] == [("backward", name) for name in reversed(layers)]
    assert names_behind(net(images())) == AS_ONE


def test_summary_feature_maps_and_the_search_for_a_cause_see_every_layer(monkeypatch):
    net = small_vgg()
    assert [layer.kind for layer in summary(net, (2, 10, 10)).layers] == [type(layer).__name__ for layer in net]
    fused = str(summary(net, (2, 10, 10)))
    assert list(feature_maps(net, images(2, 10, 10).data)) == [name for name, _ in net.children()]
    net[2].weight.data[:] = np.inf
    assert first_cause(net, [images(1, 2, 10, 10).data]).startswith("layer 2 (Conv2d) has infinity in its weight")
    monkeypatch.setattr("tinycnn.nn.container.run_as_one", lambda modules, x: None)
    assert str(summary(small_vgg(), (2, 10, 10))) == fused


# Other layers, other classes


class OwnReLU(nn.ReLU):
    """A subclass, though it adds nothing."""


class OwnConv2d(nn.Conv2d):
    """The same."""


def with_a_forward_of_its_own(layer: nn.Module) -> nn.Module:
    layer.forward = lambda x: F.relu(x) * 2
    return layer


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ((OwnConv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2)), ONE_BY_ONE),
        ((nn.Conv2d(2, 3, 3), OwnReLU(), nn.MaxPool2d(2)), ONE_BY_ONE),
        ((nn.Conv2d(2, 3, 3), with_a_forward_of_its_own(nn.ReLU())), "Conv2d ReLU Mul"),
        ((nn.Conv2d(2, 3, 3), nn.LeakyReLU(), nn.MaxPool2d(2)), "Conv2d LeakyReLU MaxPool2d"),
        ((nn.Conv2d(2, 3, 3), nn.MaxPool2d(2), nn.ReLU()), "Conv2d MaxPool2d ReLU"),
        ((nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()), "Conv2d BatchNorm Mul Add ReLU"),
        ((nn.ConvTranspose2d(2, 3, 3), nn.ReLU()), "ConvTranspose2d ReLU"),
        ((nn.ReLU(), nn.Conv2d(2, 3, 3)), "ReLU Conv2d"),
        ((nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AvgPool2d(2)), "Conv2dReLU AvgPool2d"),
        ((nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MinPool2d(2)), "Conv2dReLU Neg MaxPool2d Neg"),
        ((nn.Conv2d(2, 3, 3), nn.ReLU(), nn.ReLU()), "Conv2dReLU ReLU"),
    ],
)
def test_only_what_is_exactly_these_layers_is_one_function(layers, names):
    # Made when nobody had chosen a backend.
    assert names_behind(nn.Sequential(*layers).to(running_backend())(images())) == names


def test_a_pooling_that_also_gives_indices_runs_by_itself():
    net, x = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2, return_indices=True)), images()
    y, where = net(x)
    assert names_behind(y) == "Conv2dReLU MaxPool2d"
    np.testing.assert_array_equal(to_numpy(where), to_numpy(run_one_by_one(net, x)[1]))


def test_nested_sequentials_fuse_within_each():
    inner = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    assert names_behind(nn.Sequential(inner, nn.MaxPool2d(2))(images())) == "Conv2dReLU MaxPool2d"
    split = nn.Sequential(nn.Sequential(nn.Conv2d(2, 3, 3)), nn.ReLU(), nn.MaxPool2d(2))
    assert names_behind(split(images())) == ONE_BY_ONE


def test_layers_that_occur_more_than_once():
    conv, relu = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU()
    net, x = nn.Sequential(conv, relu, conv, relu, nn.MaxPool2d(2), relu), images()
    assert names_behind(net(x)) == "Conv2dReLU Conv2dReLUMaxPool2d ReLU"
    assert all_bits(net, x, lambda net, x: net(x)) == all_bits(net, x, run_one_by_one)


def test_few_images_through_a_model_written_with_tanh_run_one_by_one():
    names = names_behind(tc.models.lenet5()(images(1, 1, 32, 32)))
    assert names.startswith("Conv2d Tanh AvgPool2d Conv2d Tanh AvgPool2d")


def test_errors_are_those_of_the_layers():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(5))
    with pytest.raises(ValueError, match="max_pool2d: a 5x5 window never fits a 4x6 input"):
        net(images())
    with pytest.raises(ValueError, match=r"conv2d: the weight .* takes 2 input channels"):
        net(images(1, 3, 9, 9))


def test_the_cost_is_the_convolutions():
    function = functions_behind(block()(images()))[0]
    assert function.multiply_adds == 2 * 3 * 6 * 8 * 2 * 9


# What each backend fuses of its own


class TestWithTheKernelsThatThereAre:
    @pytest.fixture(params=tc.available_backends(), autouse=True)
    def backend(self, request):
        """In the place of the fixture above: nothing is added to the backend's kernels."""
        with running(request.param) as name:
            yield name

    def test_numba_fuses_and_numpy_does_not(self, backend):
        chain = ONE_BY_ONE if backend == "numpy" else AS_ONE
        assert names_behind(block()(images())) == chain
        assert names_behind(relu_lenet()(images(2, 2, 32, 32))) == f"{chain} {chain} Reshape Linear"
        names = names_behind(small_vgg()(images(1, 2, 10, 10))).split()
        assert sum(name.startswith("Conv2dReLU") for name in names) == (0 if backend == "numpy" else 4)

    @pytest.mark.parametrize("build", [block, small_vgg])
    def test_the_bits_are_the_same(self, build):
        net, x = build(), images(3, 2, 10, 10)
        assert all_bits(net, x, lambda net, x: net(x)) == all_bits(net, x, run_one_by_one)

    def test_an_algorithm_that_fuses_nothing_runs_one_by_one(self):
        with tc.use_algorithm("fft"):
            assert names_behind(block()(images())) == ONE_BY_ONE


# Convolution, tanh and average pooling, which numba's direct convolution does in one go


TANH_ONE_BY_ONE = "Conv2d Tanh AvgPool2d"
TANH_AS_ONE = "Conv2dTanhAvgPool2d"


def tanh_block(convolution=None, pool=None) -> nn.Sequential:
    """What LeNet-5 is made of, with other layers in the place of some."""
    tc.manual_seed(8)
    net = nn.Sequential(convolution or nn.Conv2d(2, 3, 3), nn.Tanh(), pool or nn.AvgPool2d(2))
    return net.to(running_backend())


def many(*shape: int) -> tc.Tensor:
    """As many images as vectors have lanes, and more."""
    return images(*(shape or (40, 2, 6, 8)))


class TestTanhAndMeans:
    @pytest.fixture(params=tc.available_backends(), autouse=True)
    def backend(self, request):
        """In the place of the fixture above: nothing is added to the backend's kernels."""
        with running(request.param) as name:
            yield name

    def as_one(self) -> str:
        return TANH_AS_ONE if running_backend() == "numba" else TANH_ONE_BY_ONE

    def test_numba_runs_lenet5_in_fewer_functions(self):
        tc.manual_seed(9)
        net, x = tc.models.lenet5().to(running_backend()), images(64, 1, 32, 32)
        layer = self.as_one()
        assert names_behind(net(x)) == f"{layer} {layer} Conv2d Tanh Reshape Linear Tanh Linear"
        assert net(x).data.tobytes() == run_one_by_one(net, x).data.tobytes()

    @pytest.mark.parametrize(
        "layers",
        [
            (None, None),
            (nn.Conv2d(2, 4, (3, 2), padding=(1, 1, 0, 2), dilation=(1, 2), groups=2), nn.AvgPool2d((2, 2), 2, 0)),
            (nn.Conv2d(2, 3, 3, bias=False), nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)),
        ],
        ids=["plain", "settings", "no bias"],
    )
    def test_the_output_is_the_same_in_every_bit_and_gradients_in_all_but_the_last(self, layers):
        net, x, results = tanh_block(*layers), many(), []
        for call in (lambda net, x: net(x), run_one_by_one):
            net.zero_grad()
            x.zero_grad()
            y = call(net, x)
            y.backward(to_backend(normal(6, *y.shape, dtype=np.float32)))
            results.append([to_numpy(array) for array in (y.data, x.grad, *(p.grad for p in net.parameters()))])
        assert names_behind(net(x)) == self.as_one()
        assert results[0][0].tobytes() == results[1][0].tobytes()
        for fused, alone in zip(*results, strict=True):
            np.testing.assert_allclose(fused, alone, 0, 4e-6 * np.abs(alone).max())

    @pytest.mark.parametrize(
        ("layers", "shape"),
        [
            ((nn.Conv2d(2, 3, 3), nn.AvgPool2d(3)), (40, 2, 8, 8)),
            ((nn.Conv2d(2, 3, 3), nn.AvgPool2d(2, 1)), (40, 2, 8, 8)),
            ((nn.Conv2d(2, 3, 3), nn.AvgPool2d((2, 1))), (40, 2, 8, 8)),
            ((nn.Conv2d(2, 3, 3), nn.AvgPool2d(2, padding=1)), (40, 2, 8, 8)),
            ((nn.Conv2d(2, 3, 3, stride=2), None), (40, 2, 9, 9)),
            ((OwnConv2d(2, 3, 3), None), (40, 2, 8, 8)),
            ((None, None), (40, 2, 7, 8)),
            ((None, None), (40, 2, 8, 9)),
            ((None, None), (31, 2, 8, 8)),
            ((None, None), (40, 2, 68, 68)),
        ],
    )
    def test_other_windows_sizes_and_classes_run_one_by_one(self, layers, shape):
        assert names_behind(tanh_block(*layers)(many(*shape))) == TANH_ONE_BY_ONE

    def test_who_looks_finds_every_layer(self):
        net, seen = tanh_block(), []
        with net[1].register_forward_hook(lambda module, inputs, output: seen.append(output.shape)):
            assert names_behind(net(many())) == TANH_ONE_BY_ONE
        assert seen == [(40, 3, 4, 6)]
        assert names_behind(run_one_by_one(net, many())) == TANH_ONE_BY_ONE

    def test_another_algorithm_or_dtype_runs_one_by_one(self):
        net, x = tanh_block(), many()
        for algorithm in ("im2col", "fft"):
            with tc.use_algorithm(algorithm):
                assert names_behind(net(x)) == TANH_ONE_BY_ONE
        with tc.use_algorithm("direct"):
            assert names_behind(net(x)) == self.as_one()
        double = tc.Tensor(x.data.astype(np.float64), requires_grad=True)
        assert names_behind(net.astype(np.float64)(double)) == TANH_ONE_BY_ONE

    def test_a_pass_that_auto_gives_to_another_algorithm_runs_one_by_one(self, monkeypatch):
        kernels = load_kernels(running_backend())
        for other in ("forward", "backward_input", "backward_weight"):
            monkeypatch.setattr(
                kernels, "choose_convolution", lambda phase, g, other=other: "im2col" if phase == other else "direct"
            )
            assert names_behind(tanh_block()(many())) == TANH_ONE_BY_ONE

    def test_evaluation_keeps_nothing_and_frozen_layers_get_no_gradient(self):
        net, x = tanh_block(), many()
        with tc.no_grad():
            y = net(x)
        assert y.creator is None
        assert y.data.tobytes() == run_one_by_one(net, x).data.tobytes()
        net[0].weight.requires_grad = False
        net(x).sum().backward()
        assert net[0].weight.grad is None
        assert net[0].bias.grad is not None
        first = tc.Tensor(x.data)
        net(first).sum().backward()
        assert first.grad is None

    def test_less_is_kept_for_backward(self):
        net, x = tanh_block(), many(64, 2, 10, 10)
        alone, fused = bytes_alive(run_one_by_one(net, x)), bytes_alive(net(x))
        large = 64 * 3 * 8 * 8 * 4
        assert alone - fused == (large if running_backend() == "numba" else 0)  # the convolution's output

    def test_errors_are_those_of_the_layers(self):
        with pytest.raises(ValueError, match=r"conv2d: the weight .* takes 2 input channels"):
            tanh_block()(many(40, 3, 8, 8))
        with pytest.raises(ValueError, match="avg_pool2d"):
            tanh_block(None, nn.AvgPool2d(20))(many())

    def test_the_cost_is_the_convolutions(self):
        assert functions_behind(tanh_block()(many()))[0].multiply_adds == 40 * 3 * 4 * 6 * 2 * 9
