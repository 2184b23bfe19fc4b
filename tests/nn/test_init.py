"""Initialisers: fans by counting, moments by drawing many."""

import math

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.nn import init


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_fan_counts_the_connections_of_a_convolution(groups, transposed):
    # Ones everywhere: an inner output then equals its number of inputs, and an inner input's gradient its outputs.
    C, K, R, S = 8, 12, 3, 2
    shape = (C, K // groups, R, S) if transposed else (K, C // groups, R, S)
    x = tc.Tensor(np.ones((1, C, 9, 9)), requires_grad=True)
    weight = tc.Tensor(np.ones(shape))
    y = F.conv_transpose2d(x, weight, groups=groups) if transposed else F.conv2d(x, weight, groups=groups)
    y.backward(np.ones(y.shape))
    assert init.fan(shape, groups, transposed) == (y.data[0, 0, 4, 4], x.grad[0, 0, 4, 4])


def test_fan_of_a_full_layer():
    assert init.fan((10, 84)) == (84, 10)
    with pytest.raises(ValueError, match=r"a weight of shape \(5,\) has no fan"):
        init.fan((5,))


SHAPE = (64, 32, 5, 5)
FAN_IN, FAN_OUT = 32 * 25, 64 * 25
RULES = {
    "lecun_normal": (init.lecun_normal_, {}, math.sqrt(1 / FAN_IN), False),
    "lecun_uniform": (init.lecun_uniform_, {}, math.sqrt(1 / FAN_IN), True),
    "xavier_normal": (init.xavier_normal_, {"gain": 2.0}, 2 * math.sqrt(2 / (FAN_IN + FAN_OUT)), False),
    "xavier_uniform": (init.xavier_uniform_, {}, math.sqrt(2 / (FAN_IN + FAN_OUT)), True),
    "he_normal": (init.kaiming_normal_, {"nonlinearity": "relu"}, math.sqrt(2 / FAN_IN), False),
    "he_normal_fan_out": (init.kaiming_normal_, {"mode": "fan_out"}, math.sqrt(2 / FAN_OUT), False),
    "he_uniform_leaky": (init.kaiming_uniform_, {"a": 0.5}, math.sqrt(2 / 1.25 / FAN_IN), True),
    "he_tanh": (init.kaiming_normal_, {"nonlinearity": "tanh"}, 5 / 3 * math.sqrt(1 / FAN_IN), False),
    "he_grouped": (init.kaiming_normal_, {"mode": "fan_out", "groups": 4}, math.sqrt(8 / FAN_OUT), False),
    "normal": (init.normal_, {"mean": 0.0, "std": 0.01}, 0.01, False),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_draws_have_the_rules_moments(name, dtype):
    rule, arguments, deviation, uniform = RULES[name]
    tc.manual_seed(0)
    weight = rule(tc.Tensor(np.empty(SHAPE, dtype)), **arguments).data
    assert weight.dtype == dtype
    assert weight.std() == pytest.approx(deviation, rel=0.02)
    assert abs(weight.mean()) < 0.02 * deviation
    fourth = ((weight / deviation) ** 4).mean()  # 3 for a normal, 9/5 for a uniform distribution
    assert fourth == pytest.approx(1.8 if uniform else 3, rel=0.05)


def test_layers_start_uniform_within_one_over_root_fan_in():
    layer = tc.nn.Conv2d(32, 64, 5)
    bound = FAN_IN**-0.5
    assert 0.99 * bound < np.abs(layer.weight.data).max() <= bound
    assert np.abs(layer.bias.data).max() <= bound


def test_constants_and_unknown_names():
    t = tc.Tensor(np.empty((2, 2)))
    assert (init.ones_(t).data == 1).all()
    assert (init.zeros_(t).data == 0).all()
    assert (init.constant_(t, 2.5).data == 2.5).all()
    with pytest.raises(ValueError, match=r"nonlinearity must be one of .*, got 'gelu'"):
        init.kaiming_normal_(t, nonlinearity="gelu")
    with pytest.raises(ValueError, match="mode must be 'fan_in' or 'fan_out', got 'avg'"):
        init.kaiming_normal_(t, mode="avg")
