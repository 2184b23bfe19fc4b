"""Tensor: what it holds, how it meets NumPy and Python numbers, and what it refuses."""

import numpy as np
import pytest

import tinycnn as tc


def test_an_arrays_dtype_and_memory_are_kept():
    for dtype in (np.float32, np.float64, np.int64, np.uint8, np.bool_):
        array = np.ones(3, dtype)
        assert tc.Tensor(array).data is array


def test_python_numbers_become_float32():
    for value in (1, 2.5, [1, 2], [[1.5], [2.5]], (1, 2)):
        assert tc.Tensor(value).dtype == np.float32


def test_lists_of_numpy_values_keep_their_dtype():
    assert tc.Tensor([np.float64(1), np.float64(2)]).dtype == np.float64
    assert tc.Tensor([np.array([1, 2])]).dtype == np.int64


def test_byte_swapped_data_comes_out_native_with_the_same_values():
    t = tc.Tensor(np.array([1.5, -2.5], ">f4"))
    assert t.dtype.isnative
    assert t.dtype == np.float32
    np.testing.assert_array_equal(t.data, [1.5, -2.5])


@pytest.mark.parametrize("data", [["a"], [[1, 2], [3]], {"a": 1}, [1j], None], ids=str)
def test_what_holds_no_real_numbers_is_refused(data):
    with pytest.raises((TypeError, ValueError)):
        tc.Tensor(data)


def test_integers_cannot_require_a_gradient():
    with pytest.raises(TypeError, match=r"only floating-point tensors have gradients, got int64: use x.astype"):
        tc.Tensor(np.array([1, 2]), requires_grad=True)


def test_asarray_gives_the_array_itself():
    t = tc.Tensor([1.0, 2.0])
    assert np.asarray(t) is t.data
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    assert np.array(t) is not t.data
    with pytest.raises(ValueError, match="needs a copy"):
        np.asarray(t, dtype=np.float64, copy=False)


def test_array_first_arithmetic_stays_in_the_graph():
    t = tc.Tensor([1.0, 2.0], requires_grad=True)
    array = np.array([10.0, 20.0], np.float32)
    for result, values in ((array + t, [11, 22]), (array - t, [9, 18]), (array * t, [10, 40]), (array / t, [10, 10])):
        assert isinstance(result, tc.Tensor)
        assert result.requires_grad
        np.testing.assert_array_equal(result.data, values)
    (array * t).sum().backward()
    np.testing.assert_array_equal(t.grad, array)


def test_matrix_first_products_stay_in_the_graph():
    t = tc.Tensor(np.eye(2), requires_grad=True)
    result = np.array([[1.0, 2.0], [3.0, 4.0]]) @ t
    assert result.requires_grad
    np.testing.assert_array_equal(result.data, [[1, 2], [3, 4]])


def test_numpy_ufuncs_with_a_backward_keep_the_graph():
    t = tc.Tensor([0.5], requires_grad=True)
    np.exp(t).backward()
    np.testing.assert_allclose(t.grad, np.exp(np.float32(0.5)), rtol=1e-6)


def test_numpy_ufuncs_without_a_backward_are_refused_only_where_a_gradient_would_be_lost():
    with pytest.raises(TypeError, match=r"np.sin has no backward pass here: use a tensor operation, or t.data"):
        np.sin(tc.Tensor([1.0], requires_grad=True))
    np.testing.assert_array_equal(np.sin(tc.Tensor([0.0])), [0.0])


def test_an_array_is_not_updated_in_place_by_a_tensor():
    array = np.ones(2)
    with pytest.raises(TypeError, match="cannot write a tensor's result into an array"):
        array += tc.Tensor([1.0, 1.0])
    np.testing.assert_array_equal(array, [1, 1])


def test_other_numpy_functions_see_the_plain_array():
    t = tc.Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert np.sum(t) == 10
    np.testing.assert_array_equal(np.concatenate([t, t]), np.concatenate([t.data, t.data]))


def test_other_numpy_functions_are_refused_only_where_they_would_cut_a_gradient_off():
    t = tc.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert np.allclose(t, t.data)
    assert np.shape(t) == (2, 2)
    assert np.argmax(t) == 3
    for function in (np.sum, np.mean, lambda t: np.concatenate([t, t]), lambda t: np.split(t, 2)):
        with pytest.raises(TypeError, match=r"np\.\w+ has no backward pass here: use a tensor operation"):
            function(t)
    with tc.no_grad():
        assert np.sum(t) == 10


@pytest.mark.parametrize("number", [2, 2.0, np.float64(2), np.int64(2), np.float32(2)], ids=lambda n: type(n).__name__)
def test_numbers_never_widen_a_float32_tensor(number):
    t = tc.Tensor([1.0])
    for result in (t + number, number + t, t * number, number / t, t**number, number**t, t - number, number - t):
        assert isinstance(result, tc.Tensor)
        assert result.dtype == np.float32


def test_lists_and_integers_take_the_tensors_dtype():
    decimals = [0.1, 0.2]
    wide = tc.Tensor(np.zeros(2)) + decimals
    np.testing.assert_array_equal(wide.data, [0.1, 0.2])
    large = tc.Tensor(np.array([2**31 + 1])) + 1
    assert large.dtype == np.int64
    assert large.data[0] == 2**31 + 2
    assert (tc.Tensor(np.array([1])) * 0.5).dtype == np.float32
    assert (tc.Tensor([1.0]) * tc.Tensor(np.array([3]))).dtype == np.float32


def test_a_tensor_in_a_graph_never_becomes_one_of_integers():
    t = tc.Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError, match="only floating-point tensors have gradients, got int64"):
        t.data = np.array([1])
    assert t.data[0] == 1.0
    assert t.dtype == np.float32


def test_assigning_a_value_that_has_a_graph_is_refused():
    buffer, w = tc.Tensor([0.0, 0.0]), tc.Tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="would lose a gradient"):
        buffer[0] = w.sum()


def test_comparisons_give_plain_boolean_arrays():
    t = tc.Tensor([1.0, 2.0, 3.0])
    for result, expected in (
        (t > 2, [False, False, True]),
        (t >= 2, [False, True, True]),
        (t < tc.Tensor([2.0, 2.0, 2.0]), [True, False, False]),
        (t <= 1, [True, False, False]),
        (t == 2, [False, True, False]),
        (t != 2, [True, False, True]),
    ):
        assert type(result) is np.ndarray
        np.testing.assert_array_equal(result, expected)


def test_a_tensor_is_hashed_by_identity():
    a, b = tc.Tensor([1.0]), tc.Tensor([1.0])
    assert len({a: 1, b: 2}) == 2


def test_conversions_of_a_single_entry():
    t = tc.Tensor([[2.5]])
    assert (t.item(), float(t), int(t), bool(t)) == (2.5, 2.5, 2, True)
    many = tc.Tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"item\(\) needs a tensor with one entry, this one has shape \(2,\)"):
        many.item()
    with pytest.raises(ValueError, match="neither true nor false"):
        bool(many)


def test_iteration_and_length_go_along_the_first_axis():
    t = tc.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(t) == 2
    first, second = t
    (first * 10 + second).sum().backward()
    np.testing.assert_array_equal(t.grad, [[10, 10], [1, 1]])


def test_repr_shows_values_dtype_and_gradient():
    assert repr(tc.Tensor([1.0, 2.0])) == "Tensor([1., 2.])"
    assert repr(tc.Tensor(np.array([1, 2]))) == "Tensor([1, 2], dtype=int64)"
    assert repr(tc.Tensor(np.zeros(1), requires_grad=True)) == "Tensor([0.], dtype=float64, requires_grad=True)"


def test_assignment_in_place_is_refused_in_a_graph_and_allowed_outside():
    t = tc.Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="assigning in place would lose a gradient"):
        t[0] = 5.0
    with tc.no_grad():
        t[0] = 5.0
    np.testing.assert_array_equal(t.data, [5, 2])


def test_detach_cuts_the_graph_and_shares_the_array():
    t = tc.Tensor([1.0], requires_grad=True)
    d = t.detach()
    assert d.data is t.data
    assert not (d * 2).requires_grad


def test_float_conversion_is_differentiable_and_integer_conversion_is_not():
    t = tc.Tensor([1.5], requires_grad=True)
    wide = t.astype(np.float64)
    (wide * 3).backward()
    assert t.grad is not None
    assert t.grad.dtype == np.float32
    np.testing.assert_array_equal(t.grad, [3])
    assert not t.astype(np.int64).requires_grad
