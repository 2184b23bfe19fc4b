"""Moving entries: what goes where, and every gradient back to where its entry came from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import assert_gradients_hold, run, to_backend, to_numpy
from tests.cases import examples, laid_out, layouts, normal, seeds, shapes
from tests.numeric import assert_close


def assert_moves(operation, by_numpy, *arrays, seed=0, layout="contiguous"):
    """The operation moves entries as NumPy's does, and its gradients back the way its numbered entries went."""
    y, grad, gradients = run(operation, *arrays, seed=seed, layout=layout)
    assert_close(y, by_numpy(*arrays).astype(y.dtype), 0)
    sizes = np.cumsum([0] + [array.size for array in arrays])
    numbers = [
        1 + first + np.arange(array.size).reshape(array.shape)  # 0 marks an entry that came from nowhere
        for first, array in zip(sizes, arrays, strict=False)
    ]
    came_from = by_numpy(*numbers)
    sums = np.bincount(came_from.ravel(), grad.ravel(), minlength=sizes[-1] + 1)[1:].astype(float)
    for first, array, gradient in zip(sizes, arrays, gradients, strict=False):
        assert_close(gradient, sums[first : first + array.size].reshape(array.shape), 1e-14)


@given(shape=shapes(0, 4), data=st.data(), layout=layouts, seed=seeds)
@examples(100)
def test_permute_and_transpose_move_whole_axes(shape, data, layout, seed):
    x = laid_out(normal(seed, *shape), layout)
    order = data.draw(st.permutations(range(len(shape))))
    order = [d - data.draw(st.sampled_from((0, len(shape)))) for d in order]
    assert_moves(lambda x: F.permute(x, *order), lambda x: x.transpose(order), x, layout=layout)
    assert_moves(lambda x: x.T, lambda x: x.T, x)
    if shape:
        a, b = (data.draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
        assert_moves(lambda x: x.transpose(a, b), lambda x: x.swapaxes(a, b), x)


@given(shape=shapes(0, 4), data=st.data(), layout=layouts, seed=seeds)
@examples(60)
def test_reshape_and_flatten_keep_the_row_major_order(shape, data, layout, seed):
    x = laid_out(normal(seed, *shape), layout)
    other = data.draw(st.permutations(shape))
    assert_moves(lambda x: x.reshape(*other), lambda x: x.reshape(other), x, layout=layout)
    assert_moves(lambda x: x.reshape((-1, 1)), lambda x: x.reshape(-1, 1), x)
    if shape:
        first = data.draw(st.integers(0, len(shape) - 1))
        last = data.draw(st.integers(first, len(shape) - 1))
        merged = (*shape[:first], int(np.prod(shape[first : last + 1])), *shape[last + 1 :])
        assert_moves(lambda x: x.flatten(first, last - len(shape)), lambda x: x.reshape(merged), x)


def test_a_number_flattens_to_a_row_of_one():
    assert_moves(F.flatten, lambda x: x.reshape(1), np.array(3.0))


def beside(part):
    """A part of an index, on the side where the running backend computes."""
    if isinstance(part, tc.Tensor):
        return tc.Tensor(to_backend(part.data))
    return to_backend(part) if isinstance(part, np.ndarray) else part


REPEATED = np.array([0, 2, 2, -1, 0])
INDICES = {
    "integer": 1,
    "negative integer": -2,
    "numpy integer": np.int64(2),
    "slice with a step": slice(None, None, 2),
    "slice backwards": slice(None, None, -1),
    "slice backwards with a step": (slice(2, None, -2), slice(1, 3)),
    "slice that is empty": slice(2, 1),
    "ellipsis": (..., 1),
    "new axis": (None, 0, ..., None),
    "integers": REPEATED,
    "list that repeats": [0, 0, 3],
    "tuple that repeats": ((0, 0, 3),),
    "tuple that repeats beside a slice": (slice(None), (1, 1, 0)),
    "pairs that repeat": ([0, 1, 0, 0], [2, 1, 2, 0]),
    "matrix that repeats": np.array([[1, 1], [0, 1]]),
    "integers beside a slice": (slice(1, None), REPEATED % 3),
    "integers around a slice": (REPEATED, slice(None), REPEATED % 2),
    "zero-dimensional integer": np.array(1),
    "mask": np.array([True, False, False, True]),
    "mask of two axes": np.arange(12).reshape(4, 3) % 5 == 0,
    "mask as a list": [True, False, True, True],
    "mask beside integers": (np.array([True, False, False, True]), [1, 1]),
    "mask that is empty": np.zeros(4, bool),
    "true": True,
    "false": False,
    "tensor": tc.Tensor(REPEATED),
    "tensor in a tuple": (slice(None), tc.Tensor(np.array([1, 1]))),
    "mask tensor": tc.Tensor(np.array([True, True, False, True])),
    "empty tuple": (),
    "range": range(0, 4, 2),
}


@pytest.mark.parametrize("layout", ["contiguous", "fortran", "reversed"])
@pytest.mark.parametrize("name", INDICES)
def test_an_index_reads_as_numpys_and_adds_the_gradient_of_every_reading(name, layout):
    index = INDICES[name]
    parts = index if isinstance(index, tuple) else (index,)
    plain = tuple(part.data if isinstance(part, tc.Tensor) else part for part in parts)
    there = tuple(beside(part) for part in parts)
    if not isinstance(index, tuple):
        (plain,), (there,) = plain, there
    x = laid_out(normal(1, 4, 3, 2), layout)
    assert_moves(lambda x: x[there], lambda x: x[plain], x, layout=layout)


@given(shape=shapes(1, 3), data=st.data(), seed=seeds)
@examples(60)
def test_index_gradients_equal_central_differences(shape, data, seed):
    slices = st.slices(shape[0])
    positions = st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=6).map(np.array)
    index = data.draw(st.one_of(slices, positions))
    assert_gradients_hold(lambda x: x[beside(index)], normal(seed, *shape), seed=seed)


@given(data=st.data(), shape=shapes(1, 4), layout=layouts, seed=seeds)
@examples(60)
def test_cat_lines_tensors_up_and_cuts_the_gradient_at_the_seams(data, shape, layout, seed):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    arrays = []
    for i, size in enumerate(sizes):
        part = list(shape)
        part[dim] = size
        arrays.append(laid_out(normal(seed + i, *part), layout))
    assert_moves(lambda *t: tc.cat(t, dim), lambda *a: np.concatenate(a, dim), *arrays, seed=seed, layout=layout)


def test_a_tensor_may_be_joined_to_itself():
    _, grad, (dx,) = run(lambda x: tc.cat([x, 2 * x, x]), normal(1, 2, 3))
    assert_close(dx, grad[:2] + 2 * grad[2:4] + grad[4:], 1e-15)


@given(data=st.data(), shape=shapes(1, 4), layout=layouts, seed=seeds)
@examples(60)
def test_pad_puts_a_border_around_the_last_axes_named_from_the_last_back(data, shape, layout, seed):
    widths = [(data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))) for _ in shape]
    padded = data.draw(st.integers(0, len(shape)))  # axes from the first to this one stay as they are
    widths = [(0, 0)] * padded + widths[padded:]
    named = [width for pair in reversed(widths[padded:]) for width in pair]
    x = laid_out(normal(seed, *shape), layout)
    assert_moves(lambda x: F.pad(x, named), lambda x: np.pad(x, widths), x, seed=seed, layout=layout)


def test_the_border_holds_the_value_that_was_asked_for():
    y = run(lambda x: F.pad(x, (1, 0, 0, 2), value=-np.inf), np.ones((1, 2), np.float32)).y
    np.testing.assert_array_equal(y, [[-np.inf, 1, 1], [-np.inf] * 3, [-np.inf] * 3])
    assert y.dtype == np.float32


def test_gradients_of_a_tensor_used_twice_add_up():
    x = normal(2, 3, 4)
    _, grad, (dx,) = run(lambda x: x[1:] + x[:-1], x)
    expected = np.zeros((3, 4))
    expected[1:] += grad
    expected[:-1] += grad
    assert_close(dx, expected, 1e-15)


def test_the_gradient_handed_back_shares_no_memory_with_another():
    x = tc.Tensor(to_backend(normal(1, 2, 3)), requires_grad=True)
    y = tc.Tensor(to_backend(normal(2, 2, 3)), requires_grad=True)
    (x.reshape(6) + y.reshape(6)).backward(to_backend(normal(3, 6)))
    kept = to_numpy(y.grad).copy()
    x.grad[...] = 0
    np.testing.assert_array_equal(to_numpy(y.grad), kept)
    y.grad[...] = 0


def test_what_makes_no_sense_is_refused():
    x = normal(1, 2, 3)
    with pytest.raises(ValueError, match=r"permute: \(0, 0\) does not name each of the 2 axes once"):
        F.permute(x, 0, 0)
    with pytest.raises(ValueError, match="flatten: start_dim 1 lies after end_dim 0"):
        F.flatten(x, 1, 0)
    with pytest.raises(ValueError, match=r"cat along dim 0 needs shapes that agree.*got \(2, 3\), \(2, 4\)"):
        tc.cat([x, normal(1, 2, 4)])
    with pytest.raises(ValueError, match="cat needs at least one tensor"):
        tc.cat([])
    with pytest.raises(ValueError, match=r"takes \(before, after\) for the last axes.*got \(1, 2, 3\)"):
        F.pad(x, (1, 2, 3))
    with pytest.raises(ValueError, match=r"ints of at least 0, got \(-1, 0\); to crop, index the tensor"):
        F.pad(x, (-1, 0))
    with pytest.raises(IndexError):
        tc.Tensor(x)[5]
