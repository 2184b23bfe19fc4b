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


def test_one_alone_is_ahead_of_nobody():
    assert verdict({"fft": FIVE}) == ("fft", (), 1.0)


def geometry(N=4, C=64, size=56, K=128, kernel=3, **options):
    return conv_geometry("conv2d", (N, C, size, size), (K, C // options.get("groups", 1), kernel, kernel), **options)


def test_winograds_products_and_what_lies_outside_are_counted():
    told = why("forward", geometry(size=14, padding=1), "numba", ("winograd", "im2col"), (), 10)
    # 14 rows of outputs are four tiles of 4: 16 · 36 products for 196 · 9
    assert told.startswith("3.1 times fewer products in tiles of 4x4 (23 % of the tiles outside of the image)")
    assert "once for 64 channels or more" in told
    one = geometry(size=5, kernel=5)
    assert "needs 1.4 times the products" in why("forward", one, "numpy", ("im2col", "winograd"), (), 1)


def test_the_price_of_the_column_matrix():
    told = why("forward", geometry(padding=1, groups=2), "numpy", ("winograd", "im2col"), (), 1)
    assert told.endswith(
        "; im2col writes 28.9 MB of column matrix, 9.0 times the image, each number used for 128 operations"
    )
    assert "im2col copies 28.9 MB" in why("forward", geometry(padding=1), "numba", ("winograd", "im2col"), (), 1)


def test_the_price_of_direct_convolution():
    found = geometry(size=10, kernel=5)  # rows of 6 outputs, 4 cells apart
    told = why("forward", found, "numba", ("im2col", "direct"), ("im2col", "direct"), 1)
    assert told.endswith("direct loses 40 % of the products between rows of outputs")
    told = why("backward_weight", geometry(C=1), "numba", ("im2col", "direct"), (), 1)
    assert "direct holds the 1 channel of a tap in vectors" in told


def test_memory_is_named_where_it_sets_the_limit():
    found = geometry(N=1, C=1, K=1, kernel=1)
    told = why("forward", found, "numba", ("direct", "im2col"), (), 7.25)
    assert told.endswith("; memory sets the limit: 0.2 operations a byte, the machine does 7.2")
    assert "memory" not in why("forward", geometry(padding=1), "numba", ("direct", "im2col"), (), 7.25)


def test_a_kernel_that_covers_the_image_is_one_product_for_all():
    found = geometry(size=5, kernel=5)
    names = ("direct", "winograd", "im2col")
    assert "nothing slides" in why("forward", found, "numba", names, names, 1)
    assert "nothing slides" not in why("forward", found, "numpy", names, names, 1)
    assert "nothing slides" not in why("forward", found, "numba", names, (), 1)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("phase", ["forward", "backward_input", "backward_weight"])
@pytest.mark.parametrize("first", ["direct", "im2col", "winograd", "fft"])
def test_there_is_a_sentence_for_everyone(first, phase, backend):
    names = (first, *({"direct", "im2col", "winograd", "fft"} - {first}))
    for tied in ((), names[:2]):
        told = why(phase, geometry(padding=1), backend, names, tied, 1)
        assert names[1] in told
        assert not re.search(r"[{}]|\bNone\b|nan", told)
        assert told.startswith(first) == bool(tied)


def test_nobody_else_was_measured():
    assert why("forward", geometry(), "numba", ("direct",), (), 1) == "it alone was measured"
