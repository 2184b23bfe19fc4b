"""Summary: receptive fields, kept memory and totals against independent counts."""

import numpy as np
import pytest

import tinycnn as tc
from tinycnn import nn
from tinycnn.inspect import summary


def seen_cells(model, shape):
    """Rows and columns of the input that the middle output depends on, from the gradient itself."""
    x = tc.Tensor(np.random.default_rng(0).standard_normal((1, *shape)), requires_grad=True)
    y = model(x)
    upstream = np.zeros(y.shape)
    upstream[0, :, y.shape[2] // 2, y.shape[3] // 2] = 1
    y.backward(upstream)
    touched = (x.grad[0] != 0).any(0)
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


CHAINS = {
    "conv": [nn.Conv2d(1, 2, (3, 5))],
    "two 3x3 see 5x5": [nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)],
    "three 3x3 see 7x7": [nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)],
    "stride": [nn.Conv2d(1, 2, 3, stride=(2, 1)), nn.Conv2d(2, 2, 3), nn.AvgPool2d(2)],
    "dilation": [nn.Conv2d(1, 2, 3, dilation=(2, 3)), nn.Tanh(), nn.Conv2d(2, 2, 2)],
    "pool": [nn.Conv2d(1, 2, 5), nn.AvgPool2d(3, 2), nn.Conv2d(2, 1, 3), nn.AvgPool2d(2)],
    "transposed": [nn.Conv2d(1, 2, 3), nn.ConvTranspose2d(2, 2, 2, stride=2), nn.Conv2d(2, 1, 3)],
}


@pytest.mark.parametrize("name", CHAINS)
def test_receptive_field_is_what_the_gradient_touches(name):
    model = nn.Sequential(*CHAINS[name]).astype(np.float64)
    assert summary(model, (1, 40, 44)).receptive_field == seen_cells(model, (1, 40, 44))


def test_a_kxk_convolution_under_a_pxp_pool_sees_p_plus_k_minus_1():
    for k, p in ((3, 2), (5, 2), (5, 3)):
        model = nn.Sequential(nn.Conv2d(1, 1, k), nn.MaxPool2d(p))
        assert summary(model, (1, 20, 20)).receptive_field == (p + k - 1, p + k - 1)


def test_branches_take_the_wider_field():
    class Residual(nn.Module):
        def __init__(self):
            self.conv = nn.Conv2d(1, 1, 5, padding=2)

        def forward(self, x):
            return self.conv(x) + x

    rows = summary(nn.Sequential(Residual(), nn.ReLU()), (1, 9, 9)).layers
    assert rows[-1].receptive_field == (5, 5)


def test_full_layers_see_everything():
    found = summary(tc.models.lenet5(), (1, 32, 32))
    assert found.layers[-1].receptive_field is None
    assert found.receptive_field == (32, 32)


def test_kept_memory_is_what_the_graph_really_holds():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 49, 10))
    kept = [layer.kept_bytes for layer in summary(model, (3, 16, 16)).layers]
    relu = 8 * 14 * 14 * 4  # its output, which the pool reads and which tells its own derivative
    winners = 8 * 7 * 7  # one byte each
    pooled = 8 * 7 * 7 * 4  # the full layer's input
    assert kept == [0, relu, winners, 0, pooled]


def test_memory_of_a_step_adds_up():
    model = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.Linear(20, 5))
    model[0].requires_grad_(False)
    found = summary(model, (10,))
    memory = found.memory(batch_size=8, states=2)
    weights, buffers = 10 * 20 + 20 + 40 + 20 * 5 + 5, 4 * 40 + 8
    trained = 40 + 20 * 5 + 5
    assert memory.parameters == 4 * weights + buffers
    assert memory.gradients == 4 * trained
    assert memory.optimizer == 8 * trained
    assert memory.total == memory.parameters + memory.gradients + memory.optimizer + memory.activations
    assert memory.activations == 8 * found.memory(batch_size=1).activations


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout())
    model[2].eval()
    before = model.state_dict()
    summary(model, (1, 8, 8))
    assert [module.training for module in model.modules()] == [True, True, True, False]
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    assert not any(vars(module).get("_forward_hooks") for module in model.modules())


def test_a_wrong_input_shape_gives_the_layers_own_sentence():
    with pytest.raises(ValueError, match="takes 1 input channels"):
        summary(nn.Sequential(nn.Conv2d(1, 2, 3)), (3, 8, 8))


def test_a_single_layer_is_counted():
    found = summary(nn.Conv2d(1, 2, 3), (1, 8, 8))
    assert found.parameters == found.layers[0].parameters == 20


def test_a_shared_layer_counts_once_and_one_that_did_not_run_counts_too():
    layer = nn.Conv2d(1, 1, 3)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    model.unused = nn.Linear(2, 3)
    model.forward = lambda x: layer(nn.ReLU()(layer(x)))
    found = summary(model, (1, 9, 9))
    assert found.parameters == 10 + 9
    assert [row.parameters for row in found.layers] == [10, 0, 0]
    assert found.multiply_adds == 9 * (49 + 25)


def test_operations_between_layers_have_a_row_of_their_own():
    class Mixed(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)
            self.scale = nn.Parameter(np.ones(1, np.float32))

        def forward(self, x):
            return self.b(tc.functional.avg_pool2d(self.a(x), 2) * self.scale) + 1.0

    found = summary(Mixed(), (1, 10, 10))
    assert [(row.name, row.kind, row.parameters) for row in found.layers] == [
        ("a", "Conv2d", 10),
        ("", "Mixed", 1),
        ("b", "Conv2d", 10),
        ("", "Mixed", 0),
    ]
    assert found.layers[2].multiply_adds == 4 * 9


def test_padding_and_signals_keep_the_receptive_field():
    padded = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(1, 1, 3), nn.ZeroPad2d(1), nn.Conv2d(1, 1, 3))
    assert summary(padded, (1, 9, 9)).receptive_field == (5, 5)
    signals = nn.Sequential(nn.Conv1d(1, 1, 3), nn.ReLU(), nn.Conv1d(1, 1, 3))
    assert summary(signals, (1, 20)).receptive_field == (1, 5)
