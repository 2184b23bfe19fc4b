"""SGD, Adam and AdamW against the algorithms as their papers print them."""

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import running
from tests.numeric import assert_close
from tests.optim.problems import Array, problem, solve

on_every_backend = pytest.mark.parametrize("backend", tc.available_backends())
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}


def sgd_by_the_paper(p, gradients, lr, momentum, nesterov, weight_decay) -> Array:
    """Sutskever et al. (2013), equations 1 to 4: there the velocity contains −lr, and Nesterov looks ahead.

    What SGD calls the parameter is, with Nesterov's momentum, the paper's point ahead, where gradients are taken.
    """
    theta, v = p.astype(np.float64), np.zeros(p.shape)
    for g in gradients:
        ahead = theta + momentum * v if nesterov else theta
        v = momentum * v - lr * (g + weight_decay * ahead)
        theta = theta + v
    return theta + momentum * v if nesterov else theta


def adam_by_the_paper(p, gradients, lr, betas, eps, weight_decay, decoupled) -> Array:
    """Kingma and Ba (2015), Algorithm 1; with weight decay, Loshchilov and Hutter (2019), Algorithm 2, either kind."""
    theta, m, v = p.astype(np.float64), np.zeros(p.shape), np.zeros(p.shape)
    for t, gradient in enumerate(gradients, start=1):
        g = gradient + (0 if decoupled else weight_decay) * theta
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        shrink = lr * weight_decay * theta if decoupled else 0
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps) - shrink
    return theta


def assert_follows(reference, make, options, dtype) -> None:
    given = problem(dtype, frozen=5)
    ends = solve(lambda params: make(params, **options), given)
    for i, (start, end) in enumerate(zip(given.start, ends, strict=True)):
        gradients = [step[i].astype(np.float64) for step in given.gradients if step[i] is not None]
        expected = reference(start, gradients, **options).astype(dtype)
        assert_close(end, expected, TOLERANCE[dtype], f"parameter {i}")


@on_every_backend
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_is_the_paper_s(backend, momentum, nesterov, weight_decay, dtype):
    options = {"lr": 0.02, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
    with running(backend):
        assert_follows(sgd_by_the_paper, tc.optim.SGD, options, dtype)


@on_every_backend
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
@pytest.mark.parametrize(("make", "decoupled"), [(tc.optim.Adam, False), (tc.optim.AdamW, True)])
def test_adam_is_the_papers(backend, make, decoupled, weight_decay, dtype):
    def reference(p, gradients, **options):
        return adam_by_the_paper(p, gradients, decoupled=decoupled, **options)

    options = {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": weight_decay}
    with running(backend):
        assert_follows(reference, make, options, dtype)


@on_every_backend
def test_a_parameter_that_thaws_late_has_its_first_adam_step_of_full_size(backend):
    # Corrected by the number of all steps instead of its own, the first step would be some three times as large.
    with running(backend):
        given = problem(steps=1001, frozen=1000, shapes=((2,), (5,)))
        before, after = given.start[1], solve(lambda params: tc.optim.Adam(params, lr=0.5), given)[1]
    assert_close(np.abs(after - before), np.full_like(before, 0.5), 1e-4)


@pytest.mark.parametrize(("make", "weight_decay"), [(tc.optim.Adam, 0.0), (tc.optim.AdamW, 0.01)])
def test_the_defaults_are_pytorch_s(make, weight_decay):
    optimizer = make([tc.Tensor([1.0], requires_grad=True)])
    assert (optimizer.lr, optimizer.betas, optimizer.eps) == (1e-3, (0.9, 0.999), 1e-8)
    assert optimizer.weight_decay == weight_decay


@pytest.mark.parametrize(
    "make",
    [
        lambda params: tc.optim.SGD(params, np.float64(0.02), np.float64(0.9), np.bool_(True), np.float64(0.01)),
        lambda params: tc.optim.Adam(params, np.float64(0.02), (np.float64(0.9), np.float64(0.99)), np.float64(1e-8)),
    ],
)
def test_numpy_numbers_as_hyper_parameters_change_nothing(make):
    # A np.float64 among the factors would have float32 arrays computed in float64.
    def plain(params):
        options = make(params).state_dict()
        return type(make(params))(params, **{k: v for k, v in options.items() if k not in ("steps", "updates")})

    given = problem("float32", steps=5)
    for actual, expected in zip(solve(make, given), solve(plain, given), strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert {type(value) for value in vars(make([tc.Tensor([1.0])])).values()}.isdisjoint({np.float64, np.bool_})
