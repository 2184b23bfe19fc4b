"""What output_size must do."""

from tinycnn.learn.case import Case

FUNCTIONS = ("output_size",)
EARLIER = ("01_cross_correlation",)
DRAWN = 40
"""Length of an axis beyond which its windows are not drawn."""


def cases(rng):
    """Each of the five numbers by itself, windows that never fit, a layer of AlexNet; then random ones."""
    yield _case("stride 1", 4, 2)
    yield _case("a remainder", 6, 3, stride=2)
    yield _case("padding", 3, 3, padding=1)
    yield _case("dilation", 7, 3, dilation=2)
    yield _case("exactly one window", 3, 3, stride=2)
    yield _case("padding makes room", 2, 3, padding=1)
    yield _case("one entry too few", 2, 3, stride=2)
    yield _case("a window much too long", 2, 4, dilation=2)
    yield _case("AlexNet's first layer", 227, 11, stride=4)
    for _ in range(3):
        kernel, stride, dilation = (int(v) for v in rng.integers((2, 2, 1), (8, 5, 4)))
        padding = int(rng.integers(0, kernel))
        span = dilation * (kernel - 1) + 1
        size = max(1, span - 2 * padding) + int(rng.integers(0, 30))
        yield _case("random numbers", size, kernel, stride, padding, dilation)


def expected(size, kernel, stride, padding, dilation):
    """Count the windows."""
    starts = _starts(size, kernel, stride, padding, dilation)
    return {"raises": "nothing", "output_size": len(starts)} if starts else {"raises": "ValueError"}


def call(module, size, kernel, stride, padding, dilation):
    """To raise ValueError is an answer too."""
    try:
        return {"raises": "nothing", "output_size": module.output_size(size, kernel, stride, padding, dilation)}
    except ValueError:
        return {"raises": "ValueError"}


def layout(arguments, name, index, expected, got):
    """The axis with its padding, the entries that each window reads, and the first window that does not fit."""
    size, kernel, stride, padding, dilation = arguments.values()
    told = ", ".join(f"{key} = {value}" for key, value in arguments.items())
    axis = "0" * padding + "x" * size + "0" * padding
    if len(axis) > DRAWN:
        return told
    count = len(_starts(**arguments))
    window = (" " * (dilation - 1)).join("k" * kernel)
    rows = [f"{' ' * (n * stride)}{window}   {n + 1 if n < count else '×'}" for n in range(count + 1)]
    return f"{told}\n\n  " + "\n  ".join([axis, *rows])


def _case(name, size, kernel, stride=1, padding=0, dilation=1):
    return Case(name, size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation)


def _starts(size, kernel, stride, padding, dilation):
    """Where windows start: the first is moved on for as long as its last entry lies inside."""
    end = size + 2 * padding
    return [start for start in range(0, end, stride) if start + dilation * (kernel - 1) < end]
