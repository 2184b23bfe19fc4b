"""Layers against PyTorch: random geometries of convolution, pooling and normalisation, forward and all gradients."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import every_named_algorithm, to_backend, to_numpy
from tests.cases import all_apart, away_from_zero, conv_cases, examples, layouts, normal, pool_cases, seeds, shapes
from tests.functional.test_conv_transpose import transposed_arguments
from tests.functional.test_convolution import unless_refused
from tests.functional.test_normalization import channel_shapes
from tests.functional.torch_witness import assert_like_torch, to_torch
from tests.numeric import assert_close
from tests.oracles import oracle

torch = oracle("torch")
TF = torch.nn.functional


def padded(x, pads, value=0.0):
    """Pad as (top, bottom, left, right)."""
    top, bottom, left, right = pads
    return TF.pad(x, (left, right, top, bottom), value=value)


# Convolution


@every_named_algorithm
@given(case=conv_cases())
@examples(500)
def test_conv2d(algorithm, case):
    options = {"stride": case.stride, "dilation": case.dilation, "groups": case.groups}
    with unless_refused(algorithm):
        assert_like_torch(
            lambda *t: F.conv2d(*t, **case.options, algorithm=algorithm),
            lambda x, w, b: TF.conv2d(padded(x, case.padding), w, b, **options),
            *case.arrays(),
            layout=case.layout,
        )


@given(case=conv_cases(rows=False))
@examples(500)
def test_conv1d(case):
    options = {"stride": case.stride[1], "dilation": case.dilation[1], "groups": case.groups}
    x, weight, bias = case.arrays()
    sides = case.padding[2:]
    assert_like_torch(
        lambda *t: F.conv1d(*t, **options, padding=sides),
        lambda x, w, b: TF.conv1d(TF.pad(x, sides), w, b, **options),
        x[:, :, 0],
        weight[:, :, 0],
        bias,
        layout=case.layout,
    )


@given(case=conv_cases())
@examples(500)
def test_conv_transpose2d(case):
    arrays, ours = transposed_arguments(case)
    theirs = {name: ours[name] for name in ("stride", "dilation", "groups", "output_padding")}
    top, bottom, left, right = case.padding

    def cut(y):
        return y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]

    assert_like_torch(
        lambda *t: F.conv_transpose2d(*t, **ours),
        lambda *t: cut(TF.conv_transpose2d(*t, **theirs)),
        *arrays,
        layout=case.layout,
    )


# Pooling

# torch pads both sides alike, so asymmetric padding is put on beforehand; but that would move the end of the image,
# by which ceil_mode decides on its last window.
torch_pool_cases = st.one_of(pool_cases(symmetric=True), pool_cases(ceil_modes=(False,)))


def torch_padding(case, value):
    """What to do with the input beforehand, and the padding that is left for torch."""
    if case.ceil_mode:
        return (lambda x: x), (case.padding[0], case.padding[2])
    return (lambda x: padded(x, case.padding, value)), 0


@given(case=torch_pool_cases, ties=st.booleans())
@examples(500)
def test_max_pool2d_and_its_indices(case, ties):
    before, pads = torch_padding(case, -np.inf)
    x = case.coarse_image() if ties else case.image()

    def theirs(x, **also):
        options = {"stride": case.stride, "ceil_mode": case.ceil_mode, "padding": pads, **also}
        return TF.max_pool2d(before(x), case.kernel, **options)

    assert_like_torch(lambda x: F.max_pool2d(x, **case.options), theirs, x, layout=case.layout)
    indices = F.max_pool2d(tc.Tensor(to_backend(x)), **case.options, return_indices=True)[1]
    positions = theirs(to_torch(x), return_indices=True)[1].numpy()
    if not case.ceil_mode:  # they count in the padded image
        h, w = np.divmod(positions, case.W + case.padding[2] + case.padding[3])
        positions = (h - case.padding[0]) * case.W + w - case.padding[2]
    np.testing.assert_array_equal(to_numpy(indices), positions)


@given(shape=shapes(4, 4, 5), kernel=st.tuples(*[st.integers(1, 3)] * 2), layout=layouts, seed=seeds)
@examples(100)
def test_max_unpool2d(shape, kernel, layout, seed):
    N, C, P, Q = shape
    image = to_torch(all_apart(seed, N, C, P * kernel[0], Q * kernel[1]))
    maxima, indices = TF.max_pool2d(image, kernel, return_indices=True)
    assert_like_torch(
        lambda x: F.max_unpool2d(x, to_backend(indices.numpy()), kernel),
        lambda x: TF.max_unpool2d(x, indices, kernel),
        maxima.numpy(),
        layout=layout,
    )


@given(case=torch_pool_cases, include_pad=st.booleans())
@examples(500)
def test_avg_pool2d(case, include_pad):
    before, pads = torch_padding(case, 0.0)

    def theirs(x):
        options = {"stride": case.stride, "ceil_mode": case.ceil_mode, "padding": pads}
        if case.ceil_mode or include_pad:
            return TF.avg_pool2d(before(x), case.kernel, **options, count_include_pad=include_pad)
        share_of_real_cells = TF.avg_pool2d(before(torch.ones_like(x)), case.kernel, **options)
        return TF.avg_pool2d(before(x), case.kernel, **options) / share_of_real_cells

    def ours(x):
        return F.avg_pool2d(x, **case.options, count_include_pad=include_pad)

    assert_like_torch(ours, theirs, case.image(), layout=case.layout)


@given(case=pool_cases(padded=False, ceil_modes=(False,)), p=st.sampled_from((1, 1.5, 2, 3)))
@examples(300)
def test_lp_pool2d(case, p):
    # torch takes the power of x itself, not of |x|, and scales the sum of a window that hangs over the edge.
    x = away_from_zero(normal(case.seed, case.N, case.C, case.H, case.W))
    assert_like_torch(
        lambda x: F.lp_pool2d(x, p, case.kernel, case.stride),
        lambda x: TF.lp_pool2d(x.abs(), p, case.kernel, case.stride),
        x,
        layout=case.layout,
    )


@given(shape=shapes(4, 4, 9), size=st.tuples(*[st.integers(1, 9)] * 2), layout=layouts, seed=seeds)
@examples(200)
def test_adaptive_and_global_pooling(shape, size, layout, seed):
    x = all_apart(seed, *shape)
    assert_like_torch(
        lambda x: F.adaptive_avg_pool2d(x, size), lambda x: TF.adaptive_avg_pool2d(x, size), x, layout=layout
    )
    assert_like_torch(F.global_avg_pool2d, lambda x: x.mean((2, 3), keepdim=True), x, layout=layout)
    assert_like_torch(F.global_max_pool2d, lambda x: TF.adaptive_max_pool2d(x, 1), x, layout=layout)


# Normalisation


@given(
    shape=channel_shapes(smallest_ndim=3),
    size=st.integers(1, 9),
    alpha=st.sampled_from((1.0, 0.3, 1e-4)),
    k=st.sampled_from((0.5, 1.0, 2.0)),
    average=st.booleans(),
    layout=layouts,
    seed=seeds,
)
@examples(500)
def test_local_response_norm(shape, size, alpha, k, average, layout, seed):
    assert_like_torch(
        lambda x: F.local_response_norm(x, size, alpha, 0.75, k, average),
        lambda x: TF.local_response_norm(x, size, alpha if average else alpha * size, 0.75, k),
        normal(seed, *shape),
        layout=layout,
    )


@given(
    shape=channel_shapes(),
    training=st.booleans(),
    momentum=st.sampled_from((0.1, 0.5, 1.0)),
    layout=layouts,
    seed=seeds,
)
@examples(500)
def test_batch_norm_and_its_running_statistics(shape, training, momentum, layout, seed):
    shape = (shape[0] + 2, *shape[1:])
    arrays = 1 + 2 * normal(seed, *shape), normal(seed + 1, shape[1]), normal(seed + 2, shape[1])
    running = {}

    def normalise(batch_norm, library, convert, x, weight, bias):
        dtype = np.float32 if "32" in str(x.dtype) else np.float64
        start = normal(seed + 3, shape[1], dtype=dtype), 0.5 + normal(seed + 4, shape[1], dtype=dtype) ** 2
        running[library, dtype] = statistics = [convert(array.copy()) for array in start]
        return batch_norm(x, *statistics, weight, bias, training, momentum, 1e-2)

    assert_like_torch(
        lambda *t: normalise(F.batch_norm, "tinycnn", to_backend, *t),
        lambda *t: normalise(TF.batch_norm, "torch", torch.tensor, *t),
        *arrays,
        layout=layout,
    )
    for dtype, tolerance in {np.float64: 1e-14, np.float32: 1e-6}.items():
        for ours, theirs in zip(running["tinycnn", dtype], running["torch", dtype], strict=True):
            assert_close(to_numpy(ours), theirs.numpy(), tolerance, "running statistic", scale=1)
