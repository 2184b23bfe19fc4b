"""Every backend's every algorithm and pass against the seven loops, on one set of drawn geometries and two dtypes."""

from collections import Counter

import pytest
from hypothesis import given, settings

from tests.cases import examples
from tests.kernels.truth import DTYPES, Drawn, Truth, algorithms, assert_true, drawn_convolutions
from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels import abreast
from tinycnn.kernels.numpy import conv_im2col

AT_LEAST = 300  # by the short profile; the long one draws 5 times as many


def kinds(geometry: ConvGeometry) -> list[str]:
    """What is special about a geometry."""
    g = geometry
    axes = g.rows, g.columns
    found = {
        "batch of one": g.N == 1,
        "images abreast": g.N >= abreast.IMAGES,
        "groups": g.groups > 1,
        "dilation": max(g.dilation) > 1,
        "stride with a remainder": any((a.size + a.lead + a.trail - a.extent) % a.stride for a in axes),
        "uneven pads": any(a.lead != a.trail for a in axes),
        "negative pad": min(g.padding) < 0,
        "kernel as large as the padded input": any(a.size + a.lead + a.trail == a.extent for a in axes),
        "stride longer than the kernel": any(a.stride > a.extent for a in axes),
        "more channels than a tile has": max(g.C, g.K) // g.groups > 16,
        "kernels in more than one panel": g.K // g.groups > 6,
        "channels in more than one panel": g.C // g.groups > 6,
        "not square": g.P != g.Q,
    }
    return [name for name, holds in found.items() if holds]


@pytest.mark.long
def test_every_algorithm_of_every_backend_equals_the_seven_loops(record_property):
    counts, seen = Counter(), set()

    @given(drawn=drawn_convolutions(most_terms=2000))
    @examples(400)
    def compare(drawn: Drawn) -> None:
        ran = list(algorithms(drawn.geometry))
        for dtype in DTYPES:
            truth = Truth(drawn, dtype)
            for backend, algorithm in ran:
                assert_true(truth, backend, algorithm)
        if drawn.geometry not in seen:
            seen.add(drawn.geometry)
            counts.update(kinds(drawn.geometry))
            counts["refused by winograd"] += "winograd" not in dict(map(reversed, ran))

    compare()
    told = {"geometries": len(seen), **counts}
    for name, count in told.items():
        record_property(name, count)
    print(*(f"{count} {name}" for name, count in told.items()), sep=", ")
    scale = settings.default.max_examples // 100
    assert len(seen) >= AT_LEAST * scale
    assert len(seen) - counts["refused by winograd"] >= AT_LEAST // 6 * scale
    few = {name: counts[name] for name in kinds(ConvGeometry(Axis(1, 1), Axis(1, 1), 1, 1, 1)) if counts[name] < 10}
    assert not few


SPECIAL = {
    # kernels (K) and channels (C) of several tiles, with a rest and without
    "panels of kernels": ConvGeometry(Axis(7, 3, 1, 1, 1), Axis(6, 3, 1, 1, 1), 2, 3, 31),
    "panels of channels": ConvGeometry(Axis(6, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1), 2, 67, 5),
    "whole panels": ConvGeometry(Axis(6, 3, 1, 1, 1), Axis(7, 3, 1, 0, 0), 1, 32, 84),
    # sums deeper than 256 rows of b, with a rest of one and without
    "deeper": ConvGeometry(Axis(4, 1), Axis(5, 1), 2, 257, 7),
    "deeper, in groups": ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(4, 3, 1, 1, 1), 2, 140, 140, 2),
    "two depths": ConvGeometry(Axis(3, 1), Axis(3, 1), 1, 512, 6),
    "five by five, deeper": ConvGeometry(Axis(9, 5, 1, 2, 2), Axis(6, 5, 1, 2, 2), 1, 30, 20),
    "winograd, deeper": ConvGeometry(Axis(6, 3, 1, 1, 1), Axis(5, 3, 1, 1, 1), 2, 300, 270),
    # more tiles than winograd takes at a time where they are fewer than kernels; more than kernels, and deep
    "winograd, few tiles in groups": ConvGeometry(Axis(13, 3, 1, 1, 1), Axis(14, 3, 1, 1, 1), 5, 264, 168, 2),
    "winograd, deeper, many tiles": ConvGeometry(Axis(15, 3, 1, 1, 1), Axis(14, 3, 1, 1, 1), 2, 300, 6),
    # rows of whole vectors, in several bands, of groups, with steps down
    "along rows": ConvGeometry(Axis(37, 3, 1, 1, 1), Axis(48, 3, 1, 1, 1), 2, 2, 11),
    "along rows, in groups": ConvGeometry(Axis(9, 3, 2, 2, 0, 2), Axis(18, 2, 1, 0, 0, 2), 3, 4, 10, 2),
    # more output positions than the 1024 of a band, along rows, along columns, and with a rest
    "rows of bands": ConvGeometry(Axis(101, 3, 1, 1, 1), Axis(13, 3, 1, 1, 1), 2, 3, 4),
    "one long row": ConvGeometry(Axis(1, 1), Axis(2500, 5, 1, 2, 2), 2, 2, 3),
    "one long column": ConvGeometry(Axis(2500, 5, 1, 2, 2), Axis(1, 1), 2, 2, 3),
    "bands of columns, strided": ConvGeometry(Axis(5, 2, 2), Axis(2601, 3, 2, 1, 0, 2), 1, 2, 3),
    "bands of columns, winograd": ConvGeometry(Axis(5, 5, 1, 2, 2), Axis(531, 5, 1, 2, 2), 1, 2, 3),
    "narrow bands of many kernels": ConvGeometry(Axis(3, 1), Axis(9, 1), 1, 1, 9000),
    # more tiles than a block of Winograd's, more images than one range
    "blocks of tiles": ConvGeometry(Axis(66, 3, 1, 1, 1), Axis(63, 3, 1, 1, 1), 3, 5, 7),
    "many small images": ConvGeometry(Axis(4, 3, 1, 1, 1), Axis(5, 3, 1, 1, 1), 90, 3, 4),
    # images side by side: more than a block, several bands of each, a last one of few and of one
    "blocks of images": ConvGeometry(Axis(14, 5), Axis(14, 5), 97, 6, 16),
    "blocks and bands of images": ConvGeometry(Axis(23, 3, 1, 1, 1), Axis(22, 3, 1, 1, 1), 35, 7, 9),
    "blocks of images, stride and groups": ConvGeometry(Axis(13, 4, 2, 3, 1, 2), Axis(17, 3, 3, 2, 0), 49, 8, 12, 4),
    "blocks of images, by channel": ConvGeometry(Axis(7, 3, 1, 1, 1), Axis(7, 3, 1, 1, 1), 65, 9, 9, 9),
    "blocks of images, long rows": ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(29, 3, 1, 1, 1), 38, 3, 17),
    # AlexNet's first layer; LeNet-5's
    "stride 4": ConvGeometry(Axis(51, 11, 4, 2, 2), Axis(47, 11, 4, 2, 2), 2, 3, 16),
    "lenet": ConvGeometry(Axis(14, 5), Axis(14, 5), 4, 6, 16),
    # a stride longer than the kernel: inputs that no output reads, on rows and columns of lattices of their own
    "gaps": ConvGeometry(Axis(20, 2, 5, 1, 0), Axis(17, 1, 3), 2, 3, 4),
    "dilation shares factors with the stride": ConvGeometry(Axis(23, 4, 4, 3, 1, 2), Axis(20, 3, 3, 2, 2, 3), 2, 3, 4),
    "by channel": ConvGeometry(Axis(9, 3, 1, 1, 1), Axis(8, 3, 1, 1, 1), 2, 20, 40, 20),
    # a transposed convolution with output_padding
    "negative pads": ConvGeometry(Axis(19, 4, 3, 2, -2), Axis(18, 3, 3, 1, -2), 2, 7, 6),
    "all windows in the padding": ConvGeometry(Axis(3, 3, 1, 4, -3), Axis(9, 3), 2, 3, 4),
    "one of everything": ConvGeometry(Axis(1, 1), Axis(1, 1), 1, 1, 1),
    "an empty batch": ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(6, 3, 1, 1, 1), 0, 3, 4),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("name", SPECIAL)
def test_geometries_that_the_loops_are_too_slow_for(name, dtype):
    # NumPy's im2col in float64, itself held to the loops above, is their reference.
    drawn = Drawn(SPECIAL[name], seed=len(name))
    truth = Truth(drawn, dtype, conv_im2col)
    for backend, algorithm in algorithms(drawn.geometry):
        assert_true(truth, backend, algorithm)
