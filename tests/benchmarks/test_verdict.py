"""Who wins, and why: all that is claimed follows from the runs and from the geometry."""

import re

import pytest

from tinycnn.benchmarks.conv.reasons import why
from tinycnn.benchmarks.conv.verdict import verdict
from tinycnn.geometry import conv_geometry

FIVE = [1.0, 1.1, 1.0, 0.9, 1.0]


def times(factor, runs=FIVE):
    return [factor * seconds for seconds in runs]


def test_a_winner_is_the_fastest_in_every_run():
    found = verdict({"direct": times(1.5), "im2col": FIVE, "fft": times(3)})
    assert (found.winner, found.tied) == ("im2col", ())
    assert found.ahead == pytest.approx(1.5)


def test_one_run_that_another_wins_makes_a_tie():
    found = verdict({"direct": [*times(1.5)[:4], 0.99], "im2col": FIVE, "fft": times(3)})
    assert found.tied == ("im2col", "direct")


def test_so_does_a_lead_that_is_small_in_every_run():
    assert verdict({"direct": times(1.04), "im2col": FIVE}).tied == ("im2col", "direct")
    assert verdict({"direct": times(1.06), "im2col": FIVE}).tied == ()


def test_few_runs_must_agree_by_more():
    assert verdict({"direct": times(1.1, [1.0, 1.0]), "im2col": [1.0, 1.0]}).tied == ("im2col", "direct")
    assert verdict({"direct": times(1.3, [1.0, 1.0]), "im2col": [1.0, 1.0]}).tied == ()


def test_what_was_measured_once_stands_for_all_runs():
    assert verdict({"direct": FIVE, "fft": [9.0]}) == ("direct", (), 9.0)


def test_one_alone_is_ahead_of_nobody():
    assert verdict({"fft": FIVE}) == ("fft", (), 1.0)


def geometry(N=4, C=64, size=56, K=128, kernel=3, **options):
    return conv_geometry("conv2d", (N, C, size, size), (K, C // options.get("groups", 1), kernel, kernel), **options)


def told(phase, found, backend, names, tied=(), balance=1, cache=0):
    return why(phase, found, backend, names, tied, balance, cache)


def test_winograds_products_and_what_lies_outside_are_counted():
    sentence = told("forward", geometry(size=14, padding=1), "numba", ("winograd", "im2col"))
    # 14 rows of outputs are four tiles of 4: 16 · 36 products for 196 · 9
    assert sentence.startswith("3.1 times fewer products in tiles of 4x4 (23 % of the tiles outside of the image)")
    assert "transformed for 64 channels or more" in sentence
    assert "needs 1.4 times the products" in told(
        "forward", geometry(size=5, kernel=5), "numpy", ("im2col", "winograd")
    )


def test_the_price_of_the_column_matrix():
    sentence = told("forward", geometry(padding=1, groups=2), "numpy", ("winograd", "im2col"))
    assert sentence.endswith("im2col writes 28.9 MB of column matrix, 9.0 times the image, a number for 128 operations")
    assert "im2col copies 28.9 MB" in told("forward", geometry(padding=1), "numba", ("winograd", "im2col"))
    assert "im2col adds up 28.9 MB" in told("backward_input", geometry(padding=1), "numba", ("winograd", "im2col"))


@pytest.mark.parametrize(
    ("options", "forward", "backward_input"),
    [
        (
            {"size": 10, "kernel": 5, "K": 16},
            4 / 10,
            4 / 14,
        ),  # rows of 6 outputs, and of 10 inputs; a patch is 4 cells wider
        ({"size": 227, "kernel": 11, "stride": 4, "K": 16}, 2 / 57, 2 / 59),  # four lattices, each 2 cells wider
        ({"size": 9, "kernel": 3, "dilation": 2, "K": 16}, 4 / 9, 4 / 13),
        ({"size": 5, "kernel": 5, "padding": (0, 0, 1, 1), "K": 16}, 0, 4 / 9),  # one row: nothing lies between
    ],
)
def test_what_direct_convolution_loses_between_rows(options, forward, backward_input):
    found = geometry(**options)
    for phase, share in (("forward", forward), ("backward_input", backward_input)):
        sentence = told(phase, found, "numba", ("im2col", "direct"), ("im2col", "direct"))
        assert sentence.endswith(f"direct loses {100 * share:.0f} % of the products between rows"), phase


@pytest.mark.parametrize(
    ("phase", "options", "saves", "pays"),
    [
        (
            "forward",
            {},
            "with vectors along the 128 channels of y",
            "turns y, so that vectors run along its 128 channels",
        ),
        ("forward", {"N": 64, "C": 6, "K": 16, "size": 14}, "vectors run across images", "turns all it reads"),
        ("backward_input", {"N": 64, "C": 6, "K": 16, "size": 14}, "vectors run across images", "turns all it reads"),
        ("backward_weight", {"N": 64, "C": 6, "K": 16, "size": 14}, "vectors run across images", "turns all it reads"),
        ("backward_weight", {"C": 1, "size": 50}, "read in place, along rows", "sums up a vector for each of 1152"),
        ("backward_weight", {"C": 1}, "along the 128 channels of y", "turns dy, so that vectors run along its 128"),
    ],
)
def test_what_lies_in_the_vectors_of_direct_convolution(phase, options, saves, pays):
    found = geometry(**options)
    assert saves in told(phase, found, "numba", ("direct", "im2col"))
    assert f"direct {pays}" in told(phase, found, "numba", ("im2col", "direct"))


def test_im2cols_vectors_run_along_the_rows_of_the_column_matrix():
    sentence = told("backward_weight", geometry(C=1), "numba", ("im2col", "direct"))
    assert sentence.startswith("vectors run along the 9 rows of the column matrix")


def test_memory_is_named_where_it_sets_the_limit_and_nothing_fits_into_the_cache():
    found = geometry(N=1, C=1, K=1, kernel=1)  # 25 KB
    sentence = told("forward", found, "numba", ("direct", "im2col"), balance=7.25, cache=20_000)
    assert sentence.endswith("; main memory sets the limit: 0.2 operations a byte, the machine does 7.2")
    assert "memory" not in told("forward", found, "numba", ("direct", "im2col"), balance=7.25, cache=30_000)
    assert "memory" not in told("forward", geometry(padding=1), "numba", ("direct", "winograd"), balance=7.25)


def test_a_kernel_that_covers_the_image_is_one_product_for_all():
    names = ("direct", "winograd", "im2col")
    found = geometry(size=5, kernel=5)
    assert "nothing slides" in told("forward", found, "numba", names, names)
    assert "nothing slides" in told("forward", found, "numba", names)
    assert "nothing slides" not in told("forward", found, "numpy", names, names)
    for other in (geometry(size=6, kernel=5, stride=2), geometry(size=5, kernel=5, groups=2)):
        assert "nothing slides" not in told("forward", other, "numba", ("direct", "im2col"), ("direct", "im2col"))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("phase", ["forward", "backward_input", "backward_weight"])
@pytest.mark.parametrize("first", ["direct", "im2col", "winograd", "fft"])
def test_there_is_a_sentence_for_everyone(first, phase, backend):
    names = (first, *({"direct", "im2col", "winograd", "fft"} - {first}))
    for tied in ((), names[1::-1]):  # in a tie, another order may be the right one
        sentence = told(phase, geometry(padding=1), backend, names, tied)
        assert names[1] in sentence
        assert not re.search(r"[{}]|\bNone\b|nan", sentence)
        assert sentence.count(f"{names[1]} ") == 1
        assert sentence.startswith(f"{names[1]} ") == bool(tied)


def test_nobody_else_was_measured():
    assert told("forward", geometry(), "numba", ("direct",)) == "it alone was measured"
