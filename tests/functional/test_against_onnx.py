"""Every operation that ONNX also has, held against the vectors that ONNX tests its backends with.

They are models of a single node with inputs and outputs: those that ``onnx.backend.test.case.node`` computes, and those
that were exported from PyTorch and are stored with ONNX. (``_expanded`` models are the same numbers by other nodes.)
What is left out stands in two tables with its reason, as of ONNX 1.23: a new vector that the engine does not reproduce
fails until it is listed, and an entry fails when its vector is gone, or when the engine has come to reproduce it.

NegativeLogLikelihoodLoss has no counterpart: its vectors are no log-probabilities, and cross_entropy takes scores.
"""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinycnn as tc
from tests.backends import every_algorithm, to_backend, to_numpy
from tests.functional.onnx_adapters import ADAPTERS
from tests.oracles import oracle

onnx = oracle("onnx")

Array = np.ndarray

KINDS = ("node", "pytorch-converted", "pytorch-operator")
AT_LEAST = 353  # vectors run

LEFT_OUT = {
    "three spatial axes; the engine has one and two": """
        test_AvgPool3d test_AvgPool3d_stride test_AvgPool3d_stride1_pad0_gpu_input test_Conv3d test_Conv3d_dilated
        test_Conv3d_dilated_strided test_Conv3d_groups test_Conv3d_no_bias test_Conv3d_stride test_Conv3d_stride_padding
        test_MaxPool3d test_MaxPool3d_stride test_MaxPool3d_stride_padding test_averagepool_3d_default
        test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False
        test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True
        test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False
        test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True
        test_averagepool_3d_dilations_small test_convtranspose_3d test_lppool_3d_default test_maxpool_3d_default
        test_maxpool_3d_dilations test_maxpool_3d_dilations_use_ref_impl test_maxpool_3d_dilations_use_ref_impl_large
    """,
    "dilated pooling, which the engine does not have": """
        test_MaxPool1d_stride_padding_dilation test_MaxPool2d_stride_padding_dilation test_averagepool_2d_dilations
        test_lppool_2d_dilations test_maxpool_2d_dilations
    """,
    "integers, which pooling refuses: they are converted where data enters": "test_maxpool_2d_uint8",
    "indices count cells of the smallest output, which is then enlarged; here, as in PyTorch, of output_size": """
        test_maxunpool_export_with_output_shape
    """,
    "padding by other values than a constant, which the engine does not have": """
        test_ReflectionPad2d test_ReplicationPad2d test_edge_pad test_operator_pad test_reflect_pad test_wrap_pad
    """,
    "a random mask of another generator": """
        test_training_dropout test_training_dropout_default test_training_dropout_default_mask
        test_training_dropout_mask
    """,
    "integers divided without a remainder; / is true division here, as in NumPy": """
        test_div_int16 test_div_int32_trunc test_div_int8 test_div_uint16 test_div_uint32 test_div_uint64 test_div_uint8
    """,
    "an integer base gives integers; here it takes the exponent's floating-point dtype": """
        test_pow_types_int32_float32 test_pow_types_int64_float32
    """,
    "the maximum of nothing is −∞ or False; the engine refuses it": """
        test_reduce_max_empty_set test_reduce_max_empty_set_bool
    """,
    "the last of equal maxima; argmax tells the first": """
        test_argmax_default_axis_example_select_last_index test_argmax_default_axis_random_select_last_index
        test_argmax_keepdims_example_select_last_index test_argmax_keepdims_random_select_last_index
        test_argmax_negative_axis_keepdims_example_select_last_index
        test_argmax_negative_axis_keepdims_random_select_last_index
        test_argmax_no_keepdims_example_select_last_index test_argmax_no_keepdims_random_select_last_index
    """,
}
OUTPUTS_LEFT_OUT = {  # single outputs of vectors that are run
    "the running variance moves towards the biased variance of the batch; here, as in PyTorch, the unbiased one": [
        ("test_batchnorm_epsilon_training_mode", 2),
        ("test_batchnorm_example_training_mode", 2),
    ],
    "the mask, which dropout keeps to itself": [
        ("test_dropout_default_mask", 1),
        ("test_dropout_default_mask_ratio", 1),
        ("test_training_dropout_zero_ratio_mask", 1),
    ],
}
# ONNX allows 1e-3, but its alpha is so small that leaving out all neighbours changes only the fourth digit.
STRICTER = {"LRN": 1e-5}


class Vector(NamedTuple):
    """One node with the arrays that go in, None for an optional one, and those that must come out."""

    op: str
    attributes: dict[str, Any]
    inputs: list[Array | None]
    outputs: list[Array]
    rtol: float
    atol: float


def stored(model_dir: Path, which: str) -> list[Array]:
    """The inputs or outputs of a stored model."""
    (folder,) = model_dir.glob("test_data_set_*")
    files = [folder / f"{which}_{i}.pb" for i in range(len(list(folder.glob(f"{which}_*.pb"))))]
    return [onnx.numpy_helper.to_array(onnx.load_tensor(file)) for file in files]


def plain(attribute: Any) -> Any:
    """An attribute's value; words come as bytes."""
    value = onnx.helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value


def load_vectors() -> dict[str, Vector]:
    """All vectors of the operators that have an adapter, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # computing the expected outputs overflows and divides by zero
        from onnx.backend.test.loader import load_model_tests

        cases = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    found = {}
    for case in sorted(cases, key=lambda case: case.name):
        graph = (case.model or onnx.load(Path(case.model_dir) / "model.onnx")).graph
        node = graph.node[0]
        if "_expanded" in case.name or len(graph.node) > 1 or node.domain or node.op_type not in ADAPTERS:
            continue
        if case.model is None:
            inputs, outputs = (stored(Path(case.model_dir), which) for which in ("input", "output"))
        else:
            ((inputs, outputs),) = case.data_sets
        values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        given = [value.name for value in graph.input if value.name not in values]
        values.update(zip(given, map(np.asarray, inputs), strict=True))
        assert case.name not in found, f"two vectors are called {case.name}"
        found[case.name] = Vector(
            node.op_type,
            {attribute.name: plain(attribute) for attribute in node.attribute},
            [values[name] if name else None for name in node.input],
            [np.asarray(output) for output in outputs],
            min(case.rtol, STRICTER.get(node.op_type, case.rtol)),
            case.atol,
        )
    return found


VECTORS = load_vectors()
LISTED = [name for names in LEFT_OUT.values() for name in names.split()]
OUTPUTS_LISTED = [output for outputs in OUTPUTS_LEFT_OUT.values() for output in outputs]
RUN = [name for name in VECTORS if name not in LISTED]


def compute(vector: Vector) -> list[Array]:
    """The vector's outputs by the engine, which must leave the inputs as they are."""
    moved = [None if array is None else to_backend(array) for array in vector.inputs]
    before = [None if array is None else array.tobytes() for array in vector.inputs]
    with np.errstate(invalid="ignore" if vector.op in ("Pow", "Sqrt") else "warn"):  # roots of negative numbers: NaN
        tensors = [None if array is None else tc.Tensor(array) for array in moved]
        made = ADAPTERS[vector.op](*tensors, **vector.attributes)
    assert [None if array is None else to_numpy(array).tobytes() for array in moved] == before, "an input was changed"
    outputs = made if isinstance(made, tuple) else (made,)
    return [to_numpy(output.data if isinstance(output, tc.Tensor) else output) for output in outputs]


def assert_agrees(actual: Array, expected: Array, vector: Vector, atol: float = 0.0) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(actual, expected, vector.rtol, max(atol, vector.atol))


def assert_reproduced(name: str, of_largest: float = 0.0) -> None:
    """Also where off by so much of the largest output, for an algorithm whose own bound is of that kind."""
    vector = VECTORS[name]
    actual = compute(vector)
    for i, expected in enumerate(vector.outputs):
        if (name, i) not in OUTPUTS_LISTED:
            assert_agrees(actual[i], expected, vector, of_largest * np.abs(expected).max() if of_largest else 0.0)


@pytest.mark.parametrize("name", RUN)
def test_vector(name):
    assert_reproduced(name)


@every_algorithm
@pytest.mark.parametrize("name", [name for name in RUN if VECTORS[name].op in ("Conv", "ConvTranspose")])
def test_convolution_by_each_algorithm(name, algorithm):
    try:
        with tc.use_algorithm(algorithm):
            # An output that is 0 is rounded like all others of its plane by the transform (see conv_fft's own bound).
            assert_reproduced(name, of_largest=1e-6 if algorithm == "fft" else 0.0)
    except ValueError as refusal:
        if algorithm in ("auto", "direct", "im2col") or "cannot run" not in str(refusal):
            raise


@pytest.mark.parametrize("name", LISTED)
def test_vector_left_out_is_one_that_differs(name):
    with pytest.raises((TypeError, ValueError, AssertionError)):
        assert_reproduced(name)


@pytest.mark.parametrize(("name", "i"), OUTPUTS_LISTED)
def test_output_left_out_is_one_that_differs(name, i):
    vector = VECTORS[name]
    with pytest.raises((AssertionError, IndexError)):
        assert_agrees(compute(vector)[i], vector.outputs[i], vector)


@pytest.mark.parametrize("name", [name for name in RUN if VECTORS[name].op == "LRN"])
def test_lrn_vectors_are_themselves_right(name):
    vector = VECTORS[name]
    (x,), (y,), attributes = vector.inputs, vector.outputs, vector.attributes
    size, alpha = attributes["size"], attributes.get("alpha", 1e-4)
    expected = np.empty(x.shape)
    for n, c, h, w in np.ndindex(*x.shape):
        neighbours = [j for j in range(x.shape[1]) if abs(j - c) <= size // 2]
        energy = sum(float(x[n, j, h, w]) ** 2 for j in neighbours)
        divisor = attributes.get("bias", 1.0) + alpha / size * energy
        expected[n, c, h, w] = x[n, c, h, w] / divisor ** attributes.get("beta", 0.75)
    np.testing.assert_allclose(y, expected, rtol=1e-6)


def test_tables_name_vectors_that_exist():
    """Vectors that are not listed are run, so none can be missing."""
    assert sorted(set(LISTED) - set(VECTORS)) == []
    assert [(name, i) for name, i in OUTPUTS_LISTED if name not in RUN or i >= len(VECTORS[name].outputs)] == []
    assert len(set(LISTED)) == len(LISTED)


def test_each_adapter_is_used_and_enough_vectors_are_run():
    assert {VECTORS[name].op for name in RUN} == set(ADAPTERS)
    assert len(RUN) >= AT_LEAST
