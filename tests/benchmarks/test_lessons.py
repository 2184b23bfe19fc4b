"""The lessons of a record hold of it, and a record of which one does not hold is refused."""

import copy

import pytest

from tinycnn.benchmarks.lessons import lessons
from tinycnn.benchmarks.record import load, newest


@pytest.fixture(scope="module")
def kept():
    return load(newest("conv"), "conv")


def row(record, phase, algorithm, shape, kernel):
    """Of the numba backend."""
    (index,) = (
        i
        for i, found in enumerate(record["convolutions"])
        if (found["of"], found["input"], found["weight"][2:]) == ("crossover", shape, [kernel, kernel])
    )
    key = {"convolution": index, "pass": phase, "backend": "numba", "algorithm": algorithm}
    (found,) = (row for row in record["rows"] if key.items() <= row.items())
    return found


def test_figures_are_those_of_the_rows(kept):
    told = " ".join(lessons(kept).split())
    one = [1, 1, 112, 112]
    direct, im2col = (row(kept, "backward_weight", name, one, 7)["median_seconds"] for name in ("direct", "im2col"))
    assert f"im2col is {direct / im2col:.1f} times as fast in `backward_weight`" in told
    fastest = max(r["gflops"] for r in kept["rows"] if r["algorithm"] == "winograd" and "gflops" in r)
    assert f"**Winograd does more than the processor can**, {fastest:.0f} GFLOP/s" in told
    assert [line[:2] for line in lessons(kept).splitlines() if not line.startswith(" ")] == ["1.", "2.", "3."]
    assert max(map(len, lessons(kept).splitlines())) <= 120


@pytest.mark.parametrize(
    ("phase", "algorithm", "shape", "kernel", "claim"),
    [
        ("backward_weight", "direct", [1, 1, 112, 112], 7, "direct wins two passes of the largest one-channel"),
        ("forward", "im2col", [1, 1, 112, 112], 7, "direct wins two passes"),
        ("forward", "direct", [1, 256, 28, 28], 3, "im2col and direct are alike from 64 channels on"),
    ],
)
def test_a_record_that_says_otherwise_is_refused(kept, phase, algorithm, shape, kernel, claim):
    other = copy.deepcopy(kept)
    row(other, phase, algorithm, shape, kernel)["median_seconds"] /= 50
    with pytest.raises(ValueError, match=f"does not say that {claim}"):
        lessons(other)


def test_winograd_must_pass_the_peak(kept):
    other = copy.deepcopy(kept) | {"peaks": [{"flops": 1e15}]}
    with pytest.raises(ValueError, match="does not say that Winograd passes the peak"):
        lessons(other)
