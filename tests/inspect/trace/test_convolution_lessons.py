"""What is recorded of the convolutions: every read, product and sum, held against the geometry and the engine."""

from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import tinycnn as tc
import tinycnn.functional as F
from tests.cases import ConvCase, normal
from tests.numeric import assert_close
from tinycnn.kernels.numpy import conv_im2col
from tinycnn.kernels.numpy.winograd_transform import tiling

PADDING = -1

CASES = {
    "plain": ConvCase(1, 2, 3, 1, 4, 5, 3, 2, (1, 1), (0, 0, 0, 0), (1, 1), "contiguous", 1),
    "overlapping": ConvCase(2, 1, 2, 1, 5, 4, 3, 3, (2, 1), (1, 1, 1, 1), (1, 1), "contiguous", 2),
    "dilated": ConvCase(1, 1, 2, 1, 6, 5, 2, 3, (1, 2), (1, 0, 0, 2), (3, 2), "contiguous", 3),
    "groups": ConvCase(2, 4, 6, 2, 4, 3, 2, 2, (2, 1), (0, 1, 2, 0), (1, 1), "contiguous", 4),
    "stride beyond the kernel": ConvCase(1, 1, 1, 1, 7, 8, 2, 2, (3, 3), (0, 0, 0, 0), (1, 1), "contiguous", 5),
}
WINOGRAD = {
    "inside": ConvCase(1, 2, 2, 1, 10, 11, 3, 3, (1, 1), (1, 1, 1, 1), (1, 1), "contiguous", 6),
    "groups": ConvCase(2, 4, 2, 2, 6, 6, 3, 3, (1, 1), (0, 0, 0, 0), (1, 1), "contiguous", 7),
    "5x5": ConvCase(1, 1, 2, 1, 7, 8, 5, 5, (1, 1), (2, 2, 2, 2), (1, 1), "contiguous", 8),
    "a part of a tile": ConvCase(1, 1, 2, 1, 3, 4, 3, 3, (1, 1), (0, 0, 0, 1), (1, 1), "contiguous", 10),
    "no tile inside": ConvCase(1, 2, 1, 1, 3, 2, 3, 3, (1, 1), (1, 1, 1, 1), (1, 1), "contiguous", 9),
}
EVERY = [
    *((case, algorithm) for case in CASES.values() for algorithm in ("direct", "im2col", "transposed")),
    *((case, "winograd") for case in WINOGRAD.values()),
]
IDS = [
    *(f"{name}-{algorithm}" for name in CASES for algorithm in ("direct", "im2col", "transposed")),
    *(f"{name}-winograd" for name in WINOGRAD),
]
every_lesson = pytest.mark.parametrize(("case", "algorithm"), EVERY, ids=IDS)
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@cache
def recorded(case, algorithm):
    """The operation in the record of one convolution; as "transposed", of the one that runs the case backwards."""
    x, weight, bias = case.arrays()
    if algorithm != "transposed":
        return tc.trace(lambda *t: F.conv2d(*t, **case.options, algorithm=algorithm), x, weight, bias).operations[0]
    (top, bottom, left, right), g = case.padding, case.geometry
    rests = [(a.size + a.lead + a.trail - a.extent) % a.stride for a in (g.rows, g.columns)]
    bias = normal(case.seed, case.C)
    return tc.trace(
        lambda *t: F.conv_transpose2d(
            *t, case.stride, (top, bottom, left, right), tuple(rests), case.groups, case.dilation
        ),
        *(case.upstream(), weight, bias),
    ).operations[0]


def phase_of(operation, name):
    (found,) = (phase for phase in operation["phases"] if phase["name"] == name)
    return found


def values_of(operation, tensor):
    found = operation["tensors"][tensor]
    return np.array(found["values"], float).reshape(found["shape"])


def places_under_windows(case):
    """The place in x under each output and kernel cell, `PADDING` where it has none: (N, C, P, Q, R, S)."""
    g, (top, bottom, left, right) = case.geometry, case.padding
    places = np.arange(g.N * g.C * g.H * g.W).reshape(g.input_shape)
    padded = np.pad(places, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=PADDING)
    windows = sliding_window_view(padded, (g.rows.extent, g.columns.extent), (2, 3))
    return windows[:, :, :: g.stride[0], :: g.stride[1], :: g.dilation[0], :: g.dilation[1]]


def expected_terms(case):
    """All products of the convolution, as places in (y, weight, x)."""
    g, under = case.geometry, places_under_windows(case)
    assert under.shape == (g.N, g.C, g.P, g.Q, g.R, g.S)
    channels, kernels = g.C // g.groups, g.K // g.groups
    found = []
    for (n, c, p, q, r, s), place in np.ndenumerate(under):
        group = c // channels
        for k in range(group * kernels, (group + 1) * kernels) if place != PADDING else ():
            y = np.ravel_multi_index((n, k, p, q), g.output_shape)
            found.append((y, np.ravel_multi_index((k, c - group * channels, r, s), g.weight_shape), place))
    return Counter((int(y), int(w), int(x)) for y, w, x in found)


def terms_of(phase, *tensors):
    """The recorded products, as places in these tensors; each is read or written once."""
    found = Counter()
    for step in phase["steps"]:
        if step["products"]:
            places = dict(access[:2] for access in (*step["reads"], *step["writes"]))
            found[tuple(places[tensor] for tensor in tensors)] += 1
    return found


@every_lesson
def test_every_sum_follows_from_the_record_alone(case, algorithm):
    operation = recorded(case, algorithm)
    tensors = {name: np.array(tensor["values"], float) for name, tensor in operation["tensors"].items()}
    for phase in operation["phases"]:
        made = {access[0] for step in phase["steps"] for access in step["writes"]}
        assert phase["result"] in made
        now = {name: np.zeros_like(values) if name in made else values for name, values in tensors.items()}
        for step in phase["steps"]:
            numbers = [value for _, _, value in step["reads"]]
            for tensor, place, value in step["reads"]:
                assert now[tensor][place] == value
            ((tensor, place, value),) = step["writes"]
            formula = phase["expressions"][str(step["line"])]
            assert eval(formula.format(*map(repr, map(float, numbers)))) == value
            if "*" in formula:
                assert step["products"] == [numbers[-2] * numbers[-1]]
                assert value == numbers[0] + step["products"][0]
            else:
                assert step["products"] == []
            now[tensor][place] = value
        for name in made:
            np.testing.assert_array_equal(now[name], tensors[name], err_msg=f"{phase['name']}: {name}")


@every_lesson
def test_the_results_are_those_of_the_engine_and_every_backend_is_asked(case, algorithm):
    operation = recorded(case, algorithm)
    x, weight, bias = case.arrays(layout="contiguous")
    y = conv_im2col.forward(x, weight, bias, case.geometry)
    if algorithm == "winograd":
        p, q = operation["parameters"]["tile_start"]
        _, height, width = operation["tensors"]["y"]["shape"]
        assert_close(values_of(operation, "y"), y[0, :, p : p + height, q : q + width], 1e-11)
    elif algorithm != "transposed":
        assert_close(values_of(operation, "y"), y, 1e-12)
        dy = values_of(operation, "dy")
        assert_close(values_of(operation, "dx"), conv_im2col.backward_input(dy, weight, case.geometry), 1e-12)
        assert_close(values_of(operation, "dw"), conv_im2col.backward_weight(dy, x, case.geometry), 1e-12)
        assert_close(values_of(operation, "db"), dy.sum((0, 2, 3)), 1e-12)
    else:
        back = conv_im2col.backward_input(case.upstream(), weight, case.geometry)
        assert_close(values_of(operation, "y"), back + normal(case.seed, case.C)[:, None, None], 1e-12)
        dy = values_of(operation, "dy")
        assert_close(values_of(operation, "dx"), conv_im2col.forward(dy, weight, None, case.geometry), 1e-12)
        dw = conv_im2col.backward_weight(case.upstream(), dy, case.geometry)
        assert_close(values_of(operation, "dw"), dw, 1e-12)
        assert_close(values_of(operation, "db"), dy.sum((0, 2, 3)), 1e-12)
    asked = defaultdict(set)
    for agreed in operation["agrees"]:
        asked[agreed["phase"]].add(agreed["backend"])
    assert list(asked) == [phase["name"] for phase in operation["phases"]]
    backends = set(tc.available_backends()) - {"cupy"}
    inside = {"im2col", "backward_column_gemm", "transform_weight", "transform_input", "product"}
    assert all(found == ({"numpy"} if name in inside else backends) for name, found in asked.items())


@every_case
def test_direct_convolution_takes_each_term_once_in_each_pass_and_none_in_the_padding(case):
    operation = recorded(case, "direct")
    expected = expected_terms(case)
    g = case.geometry
    assert terms_of(phase_of(operation, "forward"), "y", "weight", "x") == expected
    assert terms_of(phase_of(operation, "backward_input"), "dy", "weight", "dx") == expected
    assert terms_of(phase_of(operation, "backward_weight"), "dy", "dw", "x") == expected
    lengths = {phase["name"]: len(phase["steps"]) for phase in operation["phases"]}
    outputs = g.N * g.K * g.P * g.Q
    total = sum(expected.values())
    assert total <= g.multiply_adds
    assert (total == g.multiply_adds) == (not any(case.padding))
    assert lengths == {
        "forward": total + outputs, "backward_input": total, "backward_weight": total, "backward_bias": outputs
    }  # fmt: skip


@every_case
def test_a_transposed_convolution_takes_the_terms_of_the_convolution(case):
    operation, expected = recorded(case, "transposed"), expected_terms(case)
    assert terms_of(phase_of(operation, "forward"), "x", "weight", "y") == expected
    assert terms_of(phase_of(operation, "backward_input"), "dx", "weight", "dy") == expected
    assert terms_of(phase_of(operation, "backward_weight"), "x", "dw", "dy") == expected


@every_case
def test_im2col_copies_what_lies_under_the_windows_and_col2im_adds_it_back(case):
    operation, g = recorded(case, "im2col"), case.geometry
    under = places_under_windows(case).transpose(1, 4, 5, 0, 2, 3).ravel()  # (N, C, P, Q, R, S) -> (C, R, S, N, P, Q)
    real = {(int(place), column) for column, place in enumerate(under) if place != PADDING}
    copied = [(s["reads"][0][1], s["writes"][0][1]) for s in phase_of(operation, "im2col")["steps"]]
    assert len(copied) == len(real)
    assert set(copied) == real
    folded = phase_of(operation, "col2im")["steps"]
    assert {(s["writes"][0][1], dict(a[:2] for a in s["reads"])["dcolumn"]) for s in folded} == real
    counted = Counter(step["writes"][0][1] for step in folded)
    overlaps = np.zeros(g.N * g.C * g.H * g.W, int)
    np.add.at(overlaps, under[under != PADDING], 1)
    assert [counted[place] for place in range(overlaps.size)] == overlaps.tolist()


@every_case
def test_the_products_of_matrices_take_a_row_and_a_column_for_each_entry(case):
    operation, g = recorded(case, "im2col"), case.geometry
    column = np.arange(g.C * g.R * g.S * g.N * g.P * g.Q).reshape(g.C, g.R, g.S, g.N, g.P, g.Q)
    channels, kernels = g.C // g.groups, g.K // g.groups
    expected = Counter()
    for (n, k, p, q), (c, r, s) in ((y, w) for y in np.ndindex(g.output_shape) for w in np.ndindex(channels, g.R, g.S)):
        weight = np.ravel_multi_index((k, c, r, s), g.weight_shape)
        y = np.ravel_multi_index((n, k, p, q), g.output_shape)
        expected[int(y), int(weight), int(column[k // kernels * channels + c, r, s, n, p, q])] += 1
    assert sum(expected.values()) == g.multiply_adds  # padding is multiplied too
    assert terms_of(phase_of(operation, "gemm"), "y", "weight", "column") == expected
    assert terms_of(phase_of(operation, "backward_weight_gemm"), "dy", "dw", "column") == expected
    assert terms_of(phase_of(operation, "backward_column_gemm"), "dy", "weight", "dcolumn") == expected


@every_lesson
def test_letters_of_axes_that_are_loop_variables_say_where_an_entry_lies(case, algorithm):
    operation = recorded(case, algorithm)
    for phase in operation["phases"]:
        for step in phase["steps"]:
            for tensor, place, _ in (*step["reads"], *step["writes"]):
                described = operation["tensors"][tensor]
                index = np.unravel_index(place, described["shape"])
                for letter, position in zip(described["axes"], index, strict=True):
                    assert step["loops"].get(letter, position) == position, (phase["name"], tensor, letter)


@every_lesson
def test_views_show_what_is_there_and_stops_are_runs_of_steps(case, algorithm):
    operation = recorded(case, algorithm)
    for name, tensor in operation["tensors"].items():
        assert len(set(tensor["axes"])) == len(tensor["shape"]), name
    for phase in operation["phases"]:
        shown = {view["tensor"] for view in phase["views"]}
        touched = {access[0] for step in phase["steps"] for access in (*step["reads"], *step["writes"])}
        assert touched <= shown <= set(operation["tensors"])
        for view in phase["views"]:
            letters = view["rows"] + view["columns"]
            if view["kind"] == "matrix":
                assert sorted(letters) == sorted(operation["tensors"][view["tensor"]]["axes"])
        stops = [tuple(step["loops"].get(name) for name in phase["stops"]) for step in phase["steps"]]
        complete = [stop for stop, before in zip(stops, [None, *stops], strict=False) if stop != before]
        complete = [stop for stop in complete if None not in stop]
        assert complete
        if algorithm != "winograd":  # there a nest of loops comes back to the row that the nest before it was at
            assert len(complete) == len(set(complete))


@pytest.mark.parametrize("case", WINOGRAD.values(), ids=WINOGRAD)
def test_a_winograd_tile_lies_inside_where_one_does(case):
    operation, g, t = recorded(case, "winograd"), case.geometry, tiling(case.geometry)
    assert [phase["name"] for phase in operation["phases"]] == [
        "transform_weight", "transform_input", "product", "transform_output"
    ]  # fmt: skip
    read = Counter(a[1] for s in phase_of(operation, "transform_input")["steps"] for a in s["reads"] if a[0] == "x")
    is_inside = case not in (WINOGRAD["no tile inside"], WINOGRAD["a part of a tile"])
    assert (len(read) == g.C * t.a**2) == is_inside
    assert set(read.values()) == {t.a}
    rows = 1 if case is WINOGRAD["a part of a tile"] else t.m
    assert operation["tensors"]["y"]["shape"] == [g.K, rows, t.m]
    products = sum(len(step["products"]) for step in phase_of(operation, "product")["steps"])
    assert products == t.a**2 * g.K * g.C // g.groups


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [
        ("auto", "conv2d"),
        ("direct", "conv2d"),
        ("fft", "conv2d"),
        ("im2col", "conv2d_im2col"),
        ("winograd", "conv2d_winograd"),
    ],
)
def test_the_algorithm_that_is_asked_for_is_the_one_that_is_shown(algorithm, name):
    x, weight = normal(1, 1, 1, 4, 4), normal(2, 1, 1, 3, 3)
    by_argument = tc.trace(lambda x, w: F.conv2d(x, w, algorithm=algorithm), x, weight).operations[0]
    with tc.use_algorithm(algorithm):
        by_context = tc.trace(F.conv2d, x, weight).operations[0]
    assert by_argument["operation"] == by_context["operation"] == name
    assert by_argument["parameters"]["algorithm"] == by_context["parameters"]["algorithm"] == algorithm


def test_a_batch_of_no_images_has_no_steps_and_no_tile():
    arrays = np.zeros((0, 1, 4, 4)), normal(1, 1, 1, 3, 3)
    for algorithm in ("direct", "im2col"):
        assert len(tc.trace(lambda *t, by=algorithm: F.conv2d(*t, algorithm=by), *arrays)) == 0
    with pytest.raises(ValueError, match=r"winograd: a batch of 0 images.*at least one"):
        tc.trace(lambda *t: F.conv2d(*t, algorithm="winograd"), *arrays)


def test_parameters_are_those_of_the_call():
    case = CASES["groups"]
    for algorithm in ("direct", "im2col"):
        found = recorded(case, algorithm)["parameters"]
        assert found == {
            "stride": [2, 1], "padding": [0, 1, 2, 0], "dilation": [1, 1], "groups": 2, "algorithm": algorithm
        }  # fmt: skip
    found = recorded(case, "transposed")["parameters"]
    assert (found["stride"], found["padding"], found["groups"]) == ([2, 1], [0, 0, 2, 0], 2)


PHASES = {
    "direct": {"x": ["backward_input"], "weight": ["backward_weight"], "bias": ["backward_bias"]},
    "transposed": {"x": ["backward_input"], "weight": ["backward_weight"], "bias": ["backward_bias"]},
    "im2col": {
        "x": ["backward_column_gemm", "col2im"],
        "weight": ["backward_weight_gemm"],
        "bias": ["backward_bias"],
    },
}


@pytest.mark.parametrize("algorithm", PHASES)
@pytest.mark.parametrize("asked", ["x", "weight", "bias", ""])
def test_gradients_that_are_not_asked_for_have_no_phase(algorithm, asked):
    arrays = {"x": normal(1, 1, 2, 4, 4), "weight": normal(2, 2, 2, 2, 2), "bias": normal(3, 2)}

    def convolve(*given):
        tensors = {**arrays, **dict(zip([asked], given, strict=True))} if asked else arrays
        if algorithm == "transposed":
            return F.conv_transpose2d(**tensors)
        return F.conv2d(**tensors, algorithm=algorithm)

    operation = tc.trace(convolve, *([arrays[asked]] if asked else [])).operations[0]
    forward = ["im2col", "gemm"] if algorithm == "im2col" else ["forward"]
    assert [phase["name"] for phase in operation["phases"]] == forward + PHASES[algorithm].get(asked, [])


@pytest.mark.parametrize("algorithm", PHASES)
def test_without_backward_and_without_bias_there_is_nothing_of_them(algorithm):
    arrays = normal(1, 1, 2, 4, 4), normal(2, 2, 2, 2, 2)
    function = F.conv_transpose2d if algorithm == "transposed" else lambda *t: F.conv2d(*t, algorithm=algorithm)
    forward = tc.trace(function, *arrays, backward=False).operations[0]
    assert [phase["name"] for phase in forward["phases"]] == (
        ["im2col", "gemm"] if algorithm == "im2col" else ["forward"]
    )
    assert set(forward["tensors"]) == {"x", "weight", "y"} | (set() if algorithm == "transposed" else {"column"})
    whole = tc.trace(function, *arrays).operations[0]
    assert "backward_bias" not in [phase["name"] for phase in whole["phases"]]
    assert not {"bias", "db"} & set(whole["tensors"])
    assert all(step["products"] for step in phase_of(whole, forward["phases"][-1]["name"])["steps"])


def test_padding_is_drawn_around_the_input_and_its_gradient():
    case = CASES["groups"]
    pads = (0, 1, 2, 0), (0, 0, 2, 0)  # the transposed one has an output padding of 1 at the bottom
    for algorithm, tensors, pad in (
        ("direct", {"x", "dx"}, pads[0]),
        ("im2col", {"x", "dx"}, pads[0]),
        ("transposed", {"y", "dy"}, pads[1]),
    ):
        views = [view for phase in recorded(case, algorithm)["phases"] for view in phase["views"]]
        assert {view["tensor"] for view in views if any(view["padding"])} == tensors
        drawn = {tuple(view["padding"]) for view in views if any(view["padding"])}
        assert drawn == {pad}
