"""Every mistake in a geometry is answered with its value, what was expected, and a fix that works."""

import re

import pytest

from tinycnn.geometry import conv_geometry, pool_geometry


def conv(x=(1, 4, 8, 8), w=(4, 4, 3, 3), *arguments, **options):
    return conv_geometry("conv2d", x, w, *arguments, **options)


def pool(kernel, x=(1, 1, 4, 4), **options):
    return pool_geometry("max_pool2d", x, kernel, **options)


SIDES = "an int of at least 0, (h, w) or (top, bottom, left, right)"

WRONG_VALUES = [
    (lambda: conv(stride=0), "conv2d: stride must be at least 1, got 0"),
    (lambda: conv(stride=(2, -1)), "conv2d: stride must be at least 1, got -1"),
    (lambda: conv(stride=(1, 1, 1)), "stride must be one int or two (down, across), got (1, 1, 1)"),
    (lambda: conv(dilation=0), "conv2d: dilation must be at least 1, got 0"),
    (lambda: conv(groups=0), "conv2d: groups must be at least 1, got 0"),
    (lambda: conv(padding=-1), f"padding must be {SIDES}, got -1; to crop, index the tensor"),
    (lambda: conv(padding=(1, 2, 3)), f"padding must be {SIDES}, got (1, 2, 3)"),
    (lambda: conv(padding=()), f"padding must be {SIDES}, got ()"),
    (lambda: conv(padding="SAME"), 'padding \'SAME\' is unknown; the words are "valid", "same" and "full"'),
    (lambda: conv(padding="same", stride=2), 'padding="same" needs stride 1, got stride (2, 2); padding=(1, 1) is'),
    (lambda: conv(w=(4, 4, 0, 3)), "a weight of shape (4, 4, 0, 3) is empty; every size must be at least 1"),
    (lambda: conv(groups=4), "the weight (4, 4, 3, 3) takes 16 input channels (4 in each of 4 groups), the input"),
    (lambda: conv(groups=4), "the weight's second size counts the channels of one group, C/groups"),
    (lambda: conv(w=(4, 2, 3, 3)), "takes 2 input channels, the input (1, 4, 8, 8) has 4; with groups=2 it would fit"),
    (
        lambda: conv(x=(1, 8, 8, 3), w=(4, 3, 3, 3)),
        "the channels seem to be last; x.permute(0, 3, 1, 2) puts them first",
    ),
    (lambda: conv(w=(4, 3, 3, 3)), "takes 3 input channels, the input (1, 4, 8, 8) has 4"),
    (lambda: conv(w=(3, 2, 3, 3), groups=2), "groups=2 does not divide the 3 output channels; use a multiple of 2"),
    (lambda: conv(w=(4, 4, 9, 3)), "a 9x3 kernel never fits a 8x8 input with padding 0. Use padding=(1, 0)"),
    (lambda: conv(dilation=4), "a 3x3 (dilated to 9x9) kernel never fits a 8x8 input with padding 0. Use padding=1 "),
    (lambda: conv(w=(4, 4, 3, 13), padding=(0, 1, 2, 0)), "with padding (0, 1, 2, 0). Use padding=(1, 3)"),
    (lambda: conv(x=(1, 4, 0, 8)), "the input has no cells (0x8), so a 3x3 kernel never fits"),
    (lambda: pool(5), "max_pool2d: a 5x5 window never fits a 4x4 input with padding 0. Use padding=1, a smaller"),
    (lambda: pool(5), "a smaller kernel_size, or F.global_max_pool2d for one value a channel."),
    (lambda: pool(2, padding=2), "padding 2 leaves windows of 2x2 that hold no input at all; use at most 1"),
    (lambda: pool((3, 2), padding=(0, 0, 0, 2)), "padding (0, 0, 0, 2) leaves windows of 3x2"),
    (lambda: pool((2, 0)), "max_pool2d: kernel_size must be at least 1, got 0"),
]
WRONG_TYPES = [
    (lambda: conv(stride=1.0), "conv2d: stride must be an int, got 1.0"),
    (lambda: conv(stride=True), "conv2d: stride must be an int, got True"),
    (lambda: conv(padding=0.5), "conv2d: padding must be an int, got 0.5"),
    (lambda: pool("2"), "max_pool2d: kernel_size must be an int, got '2'"),
]
MISTAKES = [(ValueError, *row) for row in WRONG_VALUES] + [(TypeError, *row) for row in WRONG_TYPES]


@pytest.mark.parametrize(("kind", "mistake", "told"), MISTAKES, ids=[told for *_, told in MISTAKES])
def test_a_mistake_is_told_with_the_value_and_what_was_expected(kind, mistake, told):
    with pytest.raises(kind, match=re.escape(told)):
        mistake()


TOO_LARGE = [
    ((5, 5), 0),
    ((1, 5), 0),
    ((9, 3), 0),
    ((7, 8), 0),
    ((9, 3), (0, 1)),
    ((7, 8), (2, 1)),
    ((6, 3), (1, 0, 0, 0)),
]


@pytest.mark.parametrize(("kernel", "padding"), TOO_LARGE)
@pytest.mark.parametrize(
    "make", [pool, lambda kernel, padding: conv((1, 4, 4, 4), (4, 4, *kernel), padding=padding)], ids=["pool", "conv"]
)
def test_the_padding_that_a_message_advises_does_fit(make, kernel, padding):
    with pytest.raises(ValueError, match="never fits") as error:
        make(kernel, padding=padding)
    advised = re.search(r"Use padding=(\([\d, ]+\)|\d+)", str(error.value))[1]
    numbers = tuple(map(int, re.findall(r"\d+", advised)))
    make(kernel, padding=numbers if advised.startswith("(") else numbers[0])
