"""Arithmetic with broadcasting: values by NumPy, gradients by finite differences and by formulas at the corners."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run, to_backend, to_numpy
from tests.cases import away_from_zero, examples, laid_out, layouts, normal, seeds, shapes
from tests.numeric import assert_close

BINARY = {
    "add": (operator.add, F.add, np.add),
    "sub": (operator.sub, F.sub, np.subtract),
    "mul": (operator.mul, F.mul, np.multiply),
    "div": (operator.truediv, F.div, np.divide),
    "pow": (operator.pow, F.pow, np.power),
}
UNARY = {
    "neg": (operator.neg, F.neg, np.negative),
    "abs": (abs, F.abs, np.abs),
    "exp": (tc.Tensor.exp, F.exp, np.exp),
    "log": (tc.Tensor.log, F.log, np.log),
    "sqrt": (tc.Tensor.sqrt, F.sqrt, np.sqrt),
    "tanh": (F.tanh, F.tanh, np.tanh),
}
binary = pytest.mark.parametrize("name", BINARY)
unary = pytest.mark.parametrize("name", UNARY)


@st.composite
def broadcastable(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast: axes of one or missing on either side, down to no axes at all."""
    whole = draw(shapes(0, 4, 3))
    sides = []
    for _ in range(2):
        kept = whole[draw(st.integers(0, len(whole))) :]
        sides.append(tuple(draw(st.sampled_from((size, 1))) for size in kept))
    return sides[0], sides[1]


def operands(name: str, shapes_drawn, seed: int, layout: str) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays that the operation is smooth at: no division by nearly 0, no power of a negative number."""
    a, b = normal(seed, *shapes_drawn[0]), normal(seed + 1, *shapes_drawn[1])
    if name == "pow":
        a = 0.5 + np.abs(a)
    if name == "div":
        b = away_from_zero(b, 0.5)
    return laid_out(a, layout), laid_out(b, layout)


@binary
@given(pair=broadcastable(), layout=layouts, seed=seeds)
@examples(60)
def test_values_are_numpys_and_broadcast_gradients_equal_central_differences(name, pair, layout, seed):
    a, b = operands(name, pair, seed, layout)
    assert_close(run(BINARY[name][0], a, b).y, np.asarray(BINARY[name][2](a, b)), 1e-15)
    assert_gradients_hold(BINARY[name][0], a, b, seed=seed, layout=layout)


@unary
@given(shape=shapes(0, 4), layout=layouts, seed=seeds)
@examples(30)
def test_unary_values_are_numpys_and_gradients_equal_central_differences(name, shape, layout, seed):
    a = away_from_zero(normal(seed, *shape))
    a = laid_out(np.abs(a) if name in ("log", "sqrt") else a, layout)
    operation, _, by_numpy = UNARY[name]
    assert_close(run(operation, a).y, np.asarray(by_numpy(a)), 1e-15)
    assert_gradients_hold(operation, a, seed=seed, layout=layout)


def test_a_broadcast_entry_gets_the_sum_of_all_gradients_it_served():
    a, b = normal(1, 3, 1), normal(2, 2, 1, 4)
    _, grad, (da, db) = run(F.add, a, b)
    assert_close(da, grad.sum((0, 2)).reshape(3, 1), 1e-14)
    assert_close(db, grad.sum(1).reshape(2, 1, 4), 1e-14)


@binary
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_axes_of_none_broadcast_too(name, shape):
    y, _, (da, db) = run(BINARY[name][0], np.ones(shape), np.ones(1))
    assert (y.shape, da.shape) == (shape, shape)
    assert db.tolist() == [0]


@binary
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "number", [3, 0.5, True, np.float64(0.5), np.float32(0.5), np.int64(3)], ids=lambda n: type(n).__name__
)
def test_a_number_on_either_side_gives_the_right_value_and_never_widens(name, number, dtype):
    x = (0.5 + np.abs(normal(3, 2, 3))).astype(dtype)
    operation, function, by_numpy = BINARY[name]
    tolerance = {np.float32: 1e-6, np.float64: 1e-14}[dtype]
    for left, wanted in ((True, by_numpy(x, dtype(number))), (False, by_numpy(dtype(number), x))):
        for op in (operation, function, by_numpy):
            y, _, (dx,) = run(lambda t, op=op, left=left: op(t, number) if left else op(number, t), x)
            assert_close(y, wanted, tolerance)
            assert dx.dtype == dtype


@binary
def test_an_array_on_either_side_is_a_constant(name):
    a, b = operands(name, ((2, 3), (3,)), 4, "contiguous")
    operation, function, by_numpy = BINARY[name]
    both = run(operation, a, b)
    there = to_backend(a), to_backend(b)
    for op in (operation, function, by_numpy):
        left, right = run(lambda t, op=op: op(t, there[1]), a), run(lambda t, op=op: op(there[0], t), b)
        assert_close(left.y, both.y, 0)
        assert_close(right.y, both.y, 0)
        assert_close(left.gradients[0], both.gradients[0], 0)
        assert_close(right.gradients[0], both.gradients[1], 0)


@unary
def test_numpys_functions_and_ours_are_the_same_operation(name):
    operation, function, by_numpy = UNARY[name]
    x = 0.5 + np.abs(normal(5, 3, 4))
    results = [run(op, x) for op in (operation, function, by_numpy)]
    assert len({(r.y.tobytes(), r.gradients[0].tobytes()) for r in results}) == 1


def test_a_numpy_function_without_a_backward_pass_says_so():
    x = tc.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match=r"np\.sin has no backward pass here: use a tensor operation, or t\.data"):
        np.sin(x)
    with pytest.raises(TypeError, match=r"np\.add cannot write a tensor's result into an array"):
        np.add(x, x, out=np.zeros(2))


# Powers at their corners


def test_the_square_has_its_gradient_at_zero_and_below():
    x = np.array([-2.0, 0.0, 3.0])
    y, grad, (dx,) = run(lambda x: x**2, x)
    assert_close(y, x * x, 0)
    assert_close(dx, grad * 2 * x, 1e-15)


def test_the_power_zero_is_one_with_gradient_zero_even_at_zero():
    y, _, (dx,) = run(lambda x: x**0, np.array([-1.0, 0.0, 2.0]))
    assert y.tolist() == [1, 1, 1]
    assert dx.tolist() == [0, 0, 0]


def test_the_power_one_passes_the_gradient_even_at_zero():
    _, grad, (dx,) = run(lambda x: x**1, np.array([-1.0, 0.0, 2.0]))
    assert_close(dx, grad, 0)


def test_negative_bases_take_whole_powers():
    x = np.array([-2.0, -0.5])
    y, grad, (dx,) = run(lambda x: x**-3, x)
    assert_close(y, np.array([-0.125, -8.0]), 1e-15)
    assert_close(dx, grad * -3 * np.array([0.0625, 16.0]), 1e-15)


def test_the_exponent_has_gradient_zero_where_the_base_is_zero():
    # 0^b is 0 for every b > 0: no change, though a^b · log a reads 0 · −inf
    _, grad, (_, db) = run(F.pow, np.array([0.0, 2.0]), np.array([1.5, 3.0]))
    assert_close(db, grad * np.array([0.0, 8 * np.log(2)]), 1e-15)


# Dtypes


@binary
def test_tensors_of_two_dtypes_widen_as_numpy_does_and_each_gets_its_own_gradient(name):
    a, b = operands(name, ((2, 3), (3,)), 6, "contiguous")
    tensors = [tc.Tensor(to_backend(array), requires_grad=True) for array in (a.astype(np.float32), b)]
    y = BINARY[name][0](*tensors)
    y.backward(to_backend(np.ones(y.shape) * 0.7))
    assert y.dtype == np.float64
    assert [t.grad.dtype for t in tensors] == [np.float32, np.float64]


@pytest.mark.parametrize(("before", "after"), [(np.float32, np.float64), (np.float64, np.float32)])
def test_a_conversion_of_dtype_passes_the_gradient_back_in_the_first(before, after):
    x = tc.Tensor(to_backend(normal(7, 3).astype(before)), requires_grad=True)
    y = x.astype(after)
    grad = normal(8, 3).astype(after)
    y.backward(to_backend(grad))
    assert (y.dtype, x.grad.dtype) == (after, before)
    assert_close(to_numpy(x.grad), grad.astype(before), 0)
    assert x.astype(np.int64).data.dtype == np.int64


def test_the_gradient_of_abs_at_zero_is_zero():
    assert run(F.abs, np.array([0.0, -0.0])).gradients[0].tolist() == [0, 0]


def test_comparisons_give_plain_boolean_arrays():
    x = tc.Tensor([1.0, 2.0, 3.0])
    for name in ("lt", "le", "eq", "ne", "ge", "gt"):
        compare = getattr(operator, name)
        for other in (2, [2, 2, 2], tc.Tensor([2.0, 2.0, 2.0]), to_backend(np.full(3, 2.0))):
            result = compare(x, other)
            assert type(result) is type(x.data)
            assert result.tolist() == compare(to_numpy(x.data), 2).tolist()
