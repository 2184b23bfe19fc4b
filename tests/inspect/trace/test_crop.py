"""Crops: a part of an operation gives the numbers of the whole, forward, and its gradients add up to the whole's."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.inspect.trace import TooLargeError
from tinycnn.inspect.trace.crop import cropped, trace_part
from tinycnn.inspect.trace.run import run


def called(fn, *arrays, seed=0):
    """The one operation that ``fn`` calls, run forward and back on these arrays."""
    shape = fn(*map(tc.Tensor, arrays)).shape
    upstream = np.random.default_rng(seed).normal(size=shape)
    (call,) = run(fn, arrays, upstream=upstream).calls.values()
    return call


def again(crop):
    """The crop run by itself, forward and back."""
    return called_with(crop.function, crop.arrays, crop.upstream)


def called_with(fn, arrays, upstream):
    (call,) = run(fn, arrays, upstream=upstream).calls.values()
    return call


@st.composite
def parts(draw, shape, whole=()):
    """A part of an array of this shape, all of it along some axes."""
    found = []
    for axis, size in enumerate(shape):
        start = 0 if axis in whole else draw(st.integers(0, size - 1))
        found.append(slice(start, size if axis in whole else draw(st.integers(start + 1, size))))
    return tuple(found)


@st.composite
def convolutions(draw):
    numbers = st.integers(1, 3)
    G, K, C = draw(numbers), draw(numbers), draw(st.integers(1, 2))
    R, S = draw(numbers), draw(numbers)
    options = {
        "stride": (draw(numbers), draw(numbers)),
        "padding": tuple(draw(st.integers(0, 3)) for _ in range(4)),
        "dilation": (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
        "groups": G,
    }
    H, W = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = rng.normal(size=(2, C * G, H, W)), rng.normal(size=(K * G, C, R, S)), rng.normal(size=K * G)
    try:
        call = called(lambda x, w, b: F.conv2d(x, w, b, **options), *arrays)
    except ValueError:
        assume(False)
    return call, draw(parts(call.output.shape))


@given(convolutions())
def test_a_part_of_a_convolution_equals_the_slice_of_the_whole(drawn):
    call, part = drawn
    try:
        crop = cropped(call, part)
    except ValueError as refusal:
        told = str(refusal)
        known = [words for words in ("read nothing but padding", "are parts of several groups") if words in told]
        assert known, told
        return
    alone = again(crop)
    np.testing.assert_allclose(alone.output, call.output[part], rtol=1e-12, atol=1e-12)
    assert crop.upstream.shape == alone.output.shape


@given(st.data())
def test_a_part_of_a_pooling_equals_the_slice_of_the_whole(data):
    numbers = st.integers(1, 3)
    R, S = data.draw(numbers), data.draw(numbers)
    options = {
        "kernel_size": (R, S),
        "stride": (data.draw(numbers), data.draw(numbers)),
        "padding": (
            *(data.draw(st.integers(0, R - 1)) for _ in "tb"),
            *(data.draw(st.integers(0, S - 1)) for _ in "lr"),
        ),
        "ceil_mode": data.draw(st.booleans()),
    }
    pool = F.max_pool2d
    if data.draw(st.booleans()):
        pool, options["count_include_pad"] = F.avg_pool2d, data.draw(st.booleans())
    x = (
        np.random.default_rng(data.draw(st.integers(0, 99))).normal(
            size=(2, 2, *(data.draw(st.integers(3, 9)) for _ in "hw"))
        )
        - 5
    )
    call = called(lambda x: pool(x, **options), x)
    part = data.draw(parts(call.output.shape))
    np.testing.assert_allclose(again(cropped(call, part)).output, call.output[part], rtol=1e-12, atol=1e-12)


OTHERS = {
    "relu": (F.relu, [(2, 3, 4)], ()),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.3), [(2, 3, 4)], ()),
    "tanh": (F.tanh, [(2, 3, 4)], ()),
    "sigmoid": (F.sigmoid, [(2, 3, 4)], ()),
    "linear": (F.linear, [(3, 5), (4, 5), (4,)], ()),
    "linear without bias": (F.linear, [(3, 5), (4, 5)], ()),
    "lrn": (lambda x: F.local_response_norm(x, 4, 1.0, 0.6, 2.0), [(2, 5, 3, 4)], (1,)),
    "lrn of the paper": (lambda x: F.local_response_norm(x, 3, 1.0, average=False), [(2, 5, 3, 4)], (1,)),
    "cross_entropy": (lambda x: F.cross_entropy(x, np.array([1, 0]), reduction="none"), [(2, 3)], (0,)),
}


@pytest.mark.parametrize("name", OTHERS)
@given(st.data())
def test_a_part_of_another_operation_equals_the_slice_of_the_whole(name, data):
    fn, shapes, whole = OTHERS[name]
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    call = called(fn, *(rng.normal(size=shape) for shape in shapes))
    part = data.draw(parts(call.output.shape, whole))
    np.testing.assert_allclose(again(cropped(call, part)).output, call.output[part], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
def test_the_shares_of_parts_that_cover_the_output_add_up_to_the_gradients(groups, rng):
    arrays = rng.normal(size=(1, 4, 7, 8)), rng.normal(size=(4, 4 // groups, 3, 3)), rng.normal(size=4)
    options = {"stride": 2, "padding": (1, 2, 0, 1), "groups": groups}
    call = called(lambda x, w, b: F.conv2d(x, w, b, **options), *arrays)
    K, P = call.output.shape[1:3]
    dw, db = np.zeros_like(arrays[1]), np.zeros_like(arrays[2])
    for k in range(K):
        for p in range(P):
            alone = again(cropped(call, (0, k, p, slice(None))))
            dw[k] += alone.gradients[1][0]
            db[k] += alone.gradients[2][0]
    np.testing.assert_allclose(dw, call.gradients[1])
    np.testing.assert_allclose(db, call.gradients[2])


def test_a_part_in_the_middle_of_an_image_needs_no_padding(rng):
    call = called(lambda x, w: F.conv2d(x, w, padding=1), rng.normal(size=(1, 2, 9, 9)), rng.normal(size=(3, 2, 3, 3)))
    crop = cropped(call, (0, 1, slice(3, 5), slice(2, 6)))
    assert [array.shape for array in crop.arrays] == [(1, 2, 4, 6), (1, 2, 3, 3)]
    assert crop.function.keywords["padding"] == (0, 0, 0, 0)
    corner = cropped(call, (0, 1, slice(0, 2), slice(7, 9)))
    assert corner.function.keywords["padding"] == (1, 0, 0, 1)


def test_the_record_says_which_part_is_shown(rng):
    x, weight = rng.normal(size=(1, 2, 40, 40)), rng.normal(size=(8, 2, 5, 5))
    upstream = rng.normal(size=(1, 8, 36, 36))
    with pytest.raises(TooLargeError):
        tc.trace(F.conv2d, x, weight, upstream=upstream)
    (operation,) = trace_part(
        F.conv2d, x, weight, part=(0, 7, slice(2, 4), slice(30, 33)), upstream=upstream
    ).operations
    assert operation["crop"] == {"output": [1, 1, 2, 3], "of": [1, 8, 36, 36], "start": [0, 7, 2, 30]}
    assert operation["tensors"]["x"]["values"] == x[:, :, 2:8, 30:37].ravel().tolist()
    whole = F.conv2d(tc.Tensor(x), tc.Tensor(weight)).data
    np.testing.assert_allclose(operation["tensors"]["y"]["values"], whole[0, 7, 2:4, 30:33].ravel())


def test_a_part_that_differs_from_the_whole_is_found(rng):
    call = called(F.conv2d, rng.normal(size=(1, 1, 6, 6)), rng.normal(size=(1, 1, 3, 3)))
    call.output[0, 0, 2, 2] += 0.01
    with pytest.raises(
        AssertionError, match=r"Conv2d: its part \[0:1, 0:1, 2:3, 1:3\] differs from the whole by 0\.01"
    ):
        cropped(call, (0, 0, 2, slice(1, 3))).trace()


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ((0, 0, 0), "Conv2d: a part of an output (1, 4, 5, 5) has 4 axes, got 3"),
        ((0, 4, 0, 0), "Conv2d: 4:5 in steps of 1 is no part of an axis of 4 entries"),
        ((0, 0, slice(2, 2), 0), "Conv2d: 2:2 in steps of 1 is no part of an axis of 5 entries"),
        ((0, 0, slice(0, 4, 2), 0), "Conv2d: 0:4 in steps of 2 is no part of an axis of 5 entries"),
        (
            (0, slice(1, 4), 0, 0),
            "Conv2d: kernels 1:4 are parts of several groups of 2: choose those of one group, 0:2",
        ),
        ((0, 0, 0, 0), "outputs 0:1 read nothing but padding: choose others"),
    ],
)
def test_what_is_no_part_is_refused_in_a_sentence(part, told, rng):
    call = called(
        lambda x, w: F.conv2d(x, w, padding=3, groups=2, stride=2),
        rng.normal(size=(1, 2, 6, 6)),
        rng.normal(size=(4, 1, 3, 3)),
    )
    with pytest.raises(ValueError, match=r"part|padding") as error:
        cropped(call, part)
    assert str(error.value).startswith(told)


def test_several_operations_or_one_that_has_no_parts_are_refused(rng):
    x = rng.normal(size=(2, 3))
    with pytest.raises(
        ValueError, match=r"a part is shown of one operation, and this function calls 2: trace one alone"
    ):
        trace_part(lambda x: F.relu(F.tanh(x)), x, part=(0, 0))
    with pytest.raises(ValueError, match=r"^Softmax cannot be cropped: of Conv2d, .* a part can be shown"):
        trace_part(lambda x: F.softmax(x, 1), x, part=(0, 0))
    with pytest.raises(ValueError, match=r"LocalResponseNorm: all 3 channels are computed together, got 0:1"):
        trace_part(lambda x: F.local_response_norm(x, 3), x, part=(0, 0))
