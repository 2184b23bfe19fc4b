"""Geometries at the edges of the blocks, bands and tiles that the compiled convolutions cut their work into."""

from collections.abc import Iterator

from tinycnn.geometry import Axis, ConvGeometry
from tinycnn.kernels.numba.correlation import POSITIONS

ONE = Axis(1, 1)

NAMED = {
    "one of everything": ConvGeometry(ONE, ONE, 1, 1, 1),
    "one position, 1x1 image, wide kernel": ConvGeometry(Axis(1, 5, 1, 2, 2), Axis(1, 5, 1, 2, 2), 1, 1, 1),
    "outputs one wide": ConvGeometry(Axis(40, 3), Axis(3, 3), 2, 5, 7),
    "outputs one high": ConvGeometry(Axis(3, 3), Axis(40, 3), 2, 5, 7),
    "width one, two bands high": ConvGeometry(Axis(2 * POSITIONS + 88, 3, 1, 1, 1), ONE, 1, 1, 1),
    "height one, two bands wide": ConvGeometry(ONE, Axis(2 * POSITIONS + 88, 3, 1, 1, 1), 1, 1, 1),
    "a band to the last position": ConvGeometry(Axis(16, 1), Axis(POSITIONS // 16, 1), 1, 2, 2),
    "a band and one position": ConvGeometry(ONE, Axis(POSITIONS + 1, 1), 1, 2, 2),
    "one whole band": ConvGeometry(ONE, Axis(POSITIONS, 1), 1, 3, 6),
    "stride larger than the kernel": ConvGeometry(Axis(20, 2, 5, 1, 0), Axis(17, 1, 3), 2, 3, 4),
    "stride larger than the image": ConvGeometry(Axis(3, 1, 7), Axis(2, 2, 9), 2, 3, 4),
    "stride and dilation": ConvGeometry(Axis(23, 4, 4, 3, 1, 2), Axis(20, 3, 3, 2, 2, 3), 2, 3, 4),
    "stride 4, 11x11": ConvGeometry(Axis(35, 11, 4, 2, 2), Axis(31, 11, 4, 2, 2), 1, 3, 13),
    "dilation across the image": ConvGeometry(Axis(9, 2, 1, 0, 0, 8), Axis(9, 2, 2, 0, 0, 7), 1, 2, 3),
    "nothing but padding": ConvGeometry(Axis(3, 3, 1, 4, -3), Axis(9, 3), 2, 3, 4),
    "padding wider than the image": ConvGeometry(Axis(1, 3, 1, 9, 8), Axis(2, 3, 1, 7, 9), 1, 2, 3),
    "negative pads": ConvGeometry(Axis(19, 4, 3, 2, -2), Axis(18, 3, 3, 1, -2), 2, 7, 6),
    "sums of 256": ConvGeometry(Axis(3, 1), Axis(3, 1), 1, 256, 6),
    "sums of 257": ConvGeometry(Axis(3, 1), Axis(3, 1), 1, 257, 7),
    "many groups": ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(4, 3, 1, 1, 1), 2, 18, 36, 18),
    "an empty batch": ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(6, 3, 1, 1, 1), 0, 3, 4),
    "images abreast": ConvGeometry(Axis(6, 3), Axis(5, 3), 32, 2, 3),
    "one more image than lanes": ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(4, 3, 1, 1, 1), 33, 3, 7),
    "images of one cell abreast": ConvGeometry(ONE, ONE, 47, 3, 15),
    "images abreast, stride and dilation": ConvGeometry(Axis(9, 4, 3, 3, 1, 2), Axis(8, 3, 2, 2, 2, 3), 35, 4, 2, 2),
    "images abreast, gaps and negative pads": ConvGeometry(Axis(9, 2, 5, 1, -1), Axis(7, 1, 3, -2, 3), 34, 2, 3),
    "images abreast, nothing but padding": ConvGeometry(Axis(3, 3, 1, 4, -3), Axis(9, 3), 33, 2, 3),
    "images abreast, sums of 257": ConvGeometry(Axis(2, 1), ONE, 40, 257, 7),
    "images abreast, long rows": ConvGeometry(ONE, Axis(41, 2), 33, 2, 3),
    "along rows": ConvGeometry(Axis(11, 3, 2, 3, -1, 2), Axis(33, 3, 1, 1, 0), 2, 3, 7),
    "along rows, negative pads": ConvGeometry(Axis(9, 2, 1, -1, -2), Axis(39, 4, 1, -3, -1), 2, 2, 9),
    "along rows, nothing but padding": ConvGeometry(Axis(3, 3, 1, 4, -3), Axis(16, 3, 1, 1, 1), 2, 2, 5),
    "channels as lanes, stride and dilation": ConvGeometry(Axis(23, 4, 4, 3, 1, 2), Axis(20, 3, 3, 2, 2, 3), 2, 6, 33),
    "channels as lanes, in groups": ConvGeometry(Axis(7, 3, 1, 1, 1), Axis(9, 3, 1, 1, 1), 2, 16, 80, 2),
    "channels as lanes, two bands wide": ConvGeometry(ONE, Axis(POSITIONS + 88, 3, 1, 1, 1), 1, 22, 49),
    "channels as lanes, negative pads": ConvGeometry(Axis(19, 4, 3, 2, -2), Axis(18, 3, 3, 1, -2), 2, 7, 34),
    "channels as lanes, nothing but padding": ConvGeometry(Axis(3, 3, 1, 4, -3), Axis(9, 3), 2, 8, 32),
    "channels as lanes, more outputs than a strip": ConvGeometry(Axis(20, 1), Axis(17, 1), 1, 193, 32),
    "5x5 over one tile": ConvGeometry(Axis(6, 5), Axis(6, 5), 1, 1, 1),
    "5x5 over less than a tile": ConvGeometry(Axis(5, 5), Axis(5, 5), 3, 2, 9),
    "5x5 with padding around": ConvGeometry(Axis(3, 5, 1, 5, 4), Axis(7, 5, 1, 6, -1), 2, 3, 4),
    "3x3 with padding around": ConvGeometry(Axis(1, 3, 1, 3, 4), Axis(7, 3, 1, 4, -1), 2, 3, 4),
    "as many tiles as a block holds": ConvGeometry(Axis(34, 3), Axis(34, 3), 1, 2, 3),
    "a tile more than a block": ConvGeometry(Axis(34, 3), Axis(38, 3), 1, 2, 3),
    "images of one tile": ConvGeometry(Axis(4, 3, 1, 1, 1), Axis(4, 3, 1, 1, 1), 67, 2, 3),
    "transforms of 300 channels": ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(4, 3, 1, 1, 1), 1, 300, 9),
}


def channel_counts() -> Iterator[tuple[str, ConvGeometry]]:
    """Channels and kernels around the 6 or 14 rows and the 8, 16 or 32 columns of a tile."""
    for count in (1, 2, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 28, 31, 32, 33):
        for C, K in ((count, 3), (3, count)):
            yield f"{C} to {K} channels", ConvGeometry(Axis(5, 3, 1, 1, 1), Axis(6, 3, 1, 1, 1), 2, C, K)
        yield f"{count} outputs a row", ConvGeometry(Axis(2, 1), Axis(count, 1), 1, 2, 3)
        yield f"{count} outputs a row, 3x3 stride 2", ConvGeometry(Axis(5, 3, 2), Axis(2 * count + 1, 3, 2), 1, 2, 3)
        yield f"{count} outputs a row, 3x3", ConvGeometry(Axis(6, 3), Axis(count + 2, 3), 1, 2, 3)


EXTREMES = NAMED | dict(channel_counts())
