"""``tinycnn bench conv``."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from typing import Annotated, Any

from cyclopts import Parameter

from tinycnn.backend import ALGORITHMS, cpu_backends
from tinycnn.benchmarks import record as records
from tinycnn.benchmarks.conv.contest import PASSES
from tinycnn.benchmarks.conv.convolutions import CROSSOVER, GIVEN, MODELS, Convolution, crossover, of_model
from tinycnn.benchmarks.conv.measure import Plan, measure
from tinycnn.benchmarks.conv.peers import PEERS
from tinycnn.benchmarks.memory import require_memory
from tinycnn.benchmarks.peers import require_peers
from tinycnn.choices import look_up
from tinycnn.cli.bar import bar
from tinycnn.cli.bench.conv_report import report
from tinycnn.cli.bench.words import chosen, draw_into, measurable_backends, require_counts
from tinycnn.cli.options import Number, Place, Sizes, Whole
from tinycnn.cli.status import DONE
from tinycnn.geometry import conv_geometry
from tinycnn.models import ARCHITECTURES
from tinycnn.threads import cores

RUNS, REPEAT, LIMIT = 5, 3, 1.0
QUICK_RUNS, QUICK_REPEAT, QUICK_LIMIT = 2, 2, 0.2
QUICK_GRID: dict[str, Any] = {"channels": (1, 4, 16, 64, 256), "sizes": (7, 28, 56), "kernels": (1, 3, 5)}
EMPTY: tuple[str, ...] = ()


def conv(
    *of: str,
    input: Sizes | None = None,
    weight: Sizes | None = None,
    stride: Sizes = (1,),
    padding: str = "0",
    dilation: Sizes = (1,),
    groups: Whole = 1,
    batch_size: Annotated[Whole | None, Parameter(name=("--batch-size", "--batch"))] = None,
    passes: Annotated[tuple[str, ...], Parameter(name="--pass")] = EMPTY,
    backend: tuple[str, ...] = EMPTY,
    algorithm: tuple[str, ...] = EMPTY,
    threads: Whole | None = None,
    against: tuple[str, ...] = EMPTY,
    runs: Whole | None = None,
    repeat: Whole | None = None,
    limit: Number | None = None,
    quick: bool = False,
    out: Place | None = None,
    json: bool = False,
) -> int:
    """Measure every convolution algorithm on the same convolutions, and say which one wins where, and why.

    For each pass of each convolution, on each backend: the time, its rate and share of this machine's peak, the memory
    that is needed beside the arrays, the error against float64. A winner is the fastest in each of several runs, each
    in a fresh process, and by 5 % at the least; all else is called a tie. Run it while the machine is idle.

    Parameters
    ----------
    of
        Models such as lenet5, alexnet, vgg16, and crossover: a grid over channels, image size and kernel. All four
        where nothing is named.
    input, weight
        A convolution of your own: N x C x H x W as 4x64x56x56, and K x C/groups x R x S as 128x64x3x3.
    stride, padding, dilation, groups
        Of that convolution; a padding is also same, valid or full.
    batch_size
        Images; else 64 for lenet5, 16 for alexnet, 4 for vgg16, 1 for crossover.
    passes
        forward, backward_input or backward_weight; may be given several times, as may the next two and --against.
    backend
        numpy or numba; both where not given and installed.
    algorithm
        direct, im2col, winograd or fft; all where not given.
    threads
        That each side has; all cores where not given.
    against
        torch or onnxruntime: the same work there, in the fastest of its ways, taking turns with what auto runs.
    runs, repeat
        Fresh processes (5), and samples in each (3).
    limit
        Seconds that a call may take to be measured (1).
    quick
        A first look: one image, two runs of two samples, at most 0.2 seconds a call, a coarser grid.
    out
        Folder for conv.json, conv.csv and pictures.
    json
        Print the record as one JSON object on the last line.
    """
    given = _given(input, weight, stride, padding, dilation, groups)
    images = batch_size if batch_size or not quick else 1
    require_counts(batch_size=[batch_size], runs=[runs], repeat=[repeat], threads=[threads])
    if limit is not None and not 0 < limit < inf:
        raise ValueError(f"--limit must be a number of seconds above 0, got {limit:g}")
    if given and batch_size and not of:
        raise ValueError("--batch is of models: the images of your own convolution are the first size of --input")
    for name in of:
        look_up("model", name, dict.fromkeys((*ARCHITECTURES, CROSSOVER)))
    names = tuple(dict.fromkeys(of)) or (() if given else (*MODELS, CROSSOVER))
    plan = Plan(
        (*names, *(found.of for found in given)),
        images,
        chosen("pass", passes, PASSES),
        measurable_backends("bench conv", backend or cpu_backends()),
        chosen("algorithm", algorithm, [name for name in ALGORITHMS if name not in ("auto", "implicit_gemm")]),
        threads or cores(),
        runs or (QUICK_RUNS if quick else RUNS),
        repeat or (QUICK_REPEAT if quick else REPEAT),
        limit or (QUICK_LIMIT if quick else LIMIT),
        tuple(dict.fromkeys(against)),
        quick,
    )
    require_peers(against, PEERS)
    grid = QUICK_GRID if quick else {}
    convolutions = [*given]
    for name in names:
        convolutions += crossover(**grid, batch=images or 1) if name == CROSSOVER else of_model(name, images)
    require_memory(convolutions, sides=2 if against else 1)
    if out is not None:
        records.require_folder(out)

    def keep(record: records.Record) -> None:
        if out is not None:
            records.save(out / "conv.json", record)

    record = measure(plan, convolutions, lambda line: print(line, flush=True), bar, keep)
    if out is not None:
        records.save_csv(out / "conv.csv", _flat(record))
        draw_into(out, record)
    print(report(record))
    if json:
        print(json_format.dumps(records.rounded(record)))
    return DONE


def _given(
    input: Sequence[int] | None,
    weight: Sequence[int] | None,
    stride: Sequence[int],
    padding: str,
    dilation: Sequence[int],
    groups: int,
) -> list[Convolution]:
    """The user's own convolution, if there is one."""
    if input is None and weight is None:
        others = {"stride": tuple(stride) != (1,), "padding": padding != "0", "dilation": tuple(dilation) != (1,)}
        for option, is_given in (others | {"groups": groups != 1}).items():
            if is_given:
                raise ValueError(f"--{option} is of a convolution of your own, which has --input and --weight too")
        return []
    for option, shape, letters in (("input", input, "NxCxHxW"), ("weight", weight, "KxCxRxS")):
        if shape is None:
            raise ValueError(f"--{option} is missing: a convolution of your own has --input and --weight")
        if len(shape) != 4 or min(shape) < 1:
            raise ValueError(f"--{option} must be {letters}, four sizes of at least 1, got {'x'.join(map(str, shape))}")
    assert input is not None
    assert weight is not None
    pads: Any = padding
    with suppress(ValueError):  # a word
        pads = tuple(int(side) for side in padding.split("x"))
    steps: list[Any] = [values[0] if len(values) == 1 else values for values in (stride, dilation)]
    shapes = tuple(input), tuple(weight)
    geometry = conv_geometry("bench conv", *shapes, steps[0], pads, steps[1], groups)
    return [Convolution(GIVEN, "", geometry)]


def _flat(record: records.Record) -> list[dict[str, Any]]:
    """Rows with their convolution, as lines of a CSV file."""
    return [
        record["convolutions"][row["convolution"]] | {key: value for key, value in row.items() if key != "convolution"}
        for row in record["rows"]
    ]
