"""LeNet-5 of the paper: its connection table, sub-sampling, outputs and loss, each against its formula."""

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import there, to_numpy
from tinycnn.models.lenet1998 import C3_TABLE, RBF, ConnectedConv2d, ScaledTanh, Subsampling, digit_codes

__all__ = ["there"]  # the fixture

TABLE_I = [  # the paper's table, a row for each map of S2, an X where a map of C3 sees it
    "X...XXX..XXXX.XX",
    "XX...XXX..XXXX.X",
    "XXX...XXX..X.XXX",
    ".XXX..XXXX..X.XX",
    "..XXX..XXXX.XX.X",
    "...XXX..XXXX.XXX",
]


def test_c3_follows_the_papers_table_with_60_links():
    links = [[str(c) in seen for seen in C3_TABLE.split()] for c in range(6)]
    assert links == [[cell == "X" for cell in row] for row in TABLE_I]
    assert sum(map(sum, links)) == 60


def test_a_map_of_c3_sees_only_its_own_maps_forward_and_backward(rng):
    layer = ConnectedConv2d(C3_TABLE, 6, 5)
    layer.bias.data[...] = rng.standard_normal(16)
    x = tc.Tensor(rng.standard_normal((1, 6, 7, 7), dtype=np.float32), requires_grad=True)
    y = layer(x).data
    for k, seen in enumerate(C3_TABLE.split()):
        own = [i for i, (kernel, _) in enumerate(_links()) if kernel == k]
        for p in range(3):
            for q in range(3):
                window = x.data[0, [int(c) for c in seen], p : p + 5, q : q + 5]
                expected = (layer.weight.data[own] * window).sum() + layer.bias.data[k]
                assert y[0, k, p, q] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    upstream = np.zeros((1, 16, 3, 3), np.float32)
    upstream[0, 3] = rng.standard_normal((3, 3))  # map 3 sees 3, 4 and 5
    layer(x).backward(upstream)
    assert not x.grad[0, :3].any()
    assert all(x.grad[0, c].any() for c in (3, 4, 5))


def _links():
    return [(k, c) for k, seen in enumerate(C3_TABLE.split()) for c in seen]


def test_scaled_tanh_maps_one_to_one():
    y = ScaledTanh()(tc.Tensor(np.array([-1.0, 0.0, 1.0]))).data
    np.testing.assert_allclose(y, [-1, 0, 1], atol=1e-4)


def test_subsampling_sums_scales_and_shifts(rng):
    layer = Subsampling(3)
    layer.bias.data[...] = [1, 2, 3]
    x = rng.standard_normal((2, 3, 4, 6), dtype=np.float32)
    y = layer(tc.Tensor(x)).data
    for c in range(3):
        window = x[1, c, 2:4, 4:6].sum()
        assert y[1, c, 1, 2] == pytest.approx(layer.weight.data[c] * window + layer.bias.data[c], rel=1e-5)


def test_outputs_are_squared_distances_to_the_codes(rng):
    x = rng.standard_normal((3, 84))
    layer = RBF().astype(np.float64)
    expected = [[sum((a - b) ** 2 for a, b in zip(row, code, strict=True)) for code in digit_codes()] for row in x]
    np.testing.assert_allclose(layer(tc.Tensor(x)).data, expected, rtol=1e-12)


def test_codes_are_ten_different_bitmaps_of_plus_and_minus_one():
    codes = digit_codes()
    assert codes.shape == (10, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    distances = ((codes[:, None] - codes) ** 2).sum(2)
    assert distances[~np.eye(10, dtype=bool)].min() >= 4 * 8  # eight cells differ at the least


def test_the_codes_are_fixed():
    net = tc.models.lenet5("1998")
    assert "output.codes" in net.state_dict()
    assert not any(name.startswith("output") for name, _ in net.named_parameters())


@pytest.mark.parametrize("j", [0.1, 1.0, 5.0])
def test_the_loss_is_equation_9(rng, j):
    distances = rng.uniform(0, 6, (4, 10))
    targets = np.array([3, 0, 9, 3])
    penalty = np.log(np.exp(-j) + np.exp(-distances).sum(1))
    expected = (distances[np.arange(4), targets] + penalty).mean()
    net = tc.models.lenet5("1998")
    assert net.loss(tc.Tensor(distances), targets, j=j).item() == pytest.approx(expected, rel=1e-12)
    assert tc.gradcheck(lambda y: net.loss(y, targets, j=j), distances)


def test_gradients_of_the_whole_network_hold(rng):
    tc.manual_seed(3)
    net = tc.models.lenet5("1998").astype(np.float64)
    x = tc.Tensor(rng.standard_normal((2, 1, 32, 32)))
    targets = np.array([4, 7])
    small = [net.c1.bias, net.s2.weight, net.s2.bias, net.c3.bias, net.s4.weight]
    report = tc.gradcheck(lambda *_: net.loss(net(x), targets), small)
    assert report, str(report)


def test_it_classifies_by_the_nearest_code():
    net = tc.models.lenet5("1998")
    distances = tc.Tensor(np.array([[5.0, 1.0, *[9.0] * 8], [0.0, 1.0, *[9.0] * 8]]))
    np.testing.assert_array_equal(net.classify(distances), [1, 0])


def test_on_the_gpu_it_learns_what_it_learns_in_main_memory(there, rng):
    x, targets = rng.standard_normal((2, 1, 32, 32), dtype=np.float32), np.array([3, 8])
    tc.manual_seed(0)
    here = tc.models.lenet5("1998")
    here.loss(here(tc.Tensor(x)), targets).backward()
    tc.manual_seed(0)
    away = tc.models.lenet5("1998").to("cupy")
    away.loss(away(tc.Tensor(there(x))), there(targets)).backward()
    for ours, theirs in zip(here.parameters(), away.parameters(), strict=True):
        np.testing.assert_allclose(to_numpy(theirs.grad), ours.grad, rtol=1e-3, atol=1e-5)
