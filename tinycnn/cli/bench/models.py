"""``tinycnn bench models``."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from typing import Any

from tinycnn.backend import current_backend, require_backend
from tinycnn.benchmarks import record as records
from tinycnn.benchmarks.model_peers import PEERS
from tinycnn.benchmarks.model_worker import WORKS
from tinycnn.benchmarks.models import MODELS, Plan, measure
from tinycnn.benchmarks.peers import require_peers
from tinycnn.choices import look_up
from tinycnn.cli.bar import bar
from tinycnn.cli.bench.models_report import report
from tinycnn.cli.bench.tune import Batches
from tinycnn.cli.options import Place, Whole, WholeNumbers
from tinycnn.cli.status import DONE
from tinycnn.models import ARCHITECTURES
from tinycnn.threads import MOST, cores

REPEAT, QUICK_REPEAT = 10, 3
EMPTY: tuple[str, ...] = ()


def models(
    *names: str,
    batch_size: Batches | None = None,
    threads: WholeNumbers | None = None,
    backend: tuple[str, ...] = EMPTY,
    work: tuple[str, ...] = EMPTY,
    against: tuple[str, ...] = EMPTY,
    repeat: Whole | None = None,
    quick: bool = False,
    out: Place | None = None,
    json: bool = False,
) -> int:
    """Measure training steps and inference of whole models: time, memory, and which kind of work takes how much.

    Every side runs in a process of its own, with the same weights, images and number of threads, and they take turns.
    A training step is forward, cross-entropy, backward and SGD with momentum and weight decay. Run it while the machine
    is idle.

    Parameters
    ----------
    names
        Models; lenet5, alexnet, vgg11 and vgg16 where not given.
    batch_size
        Images in a step; 1, 16, 64 and 256 where not given for LeNet-5, 1, 4 and 16 for AlexNet, 1 and 4 for VGG. May
        be given several times, as may the next four.
    threads
        That each side has; all cores where not given.
    backend
        numpy or numba; the one in use where not given.
    work
        train or inference; both where not given.
    against
        torch, onnxruntime (for inference) or dezero: the same work there, in the fastest of its ways.
    repeat
        Turns of each side (10).
    quick
        A first look: the smallest batch, three turns.
    out
        Folder for models.json and models.csv.
    json
        Print the record as one JSON object on the last line.
    """
    for option, values in {"batch-size": batch_size or [], "repeat": [] if repeat is None else [repeat]}.items():
        if min(values, default=1) < 1:
            raise ValueError(f"--{option} must be at least 1, got {min(values)}")
    for count in threads or []:
        if not 1 <= count <= MOST:
            raise ValueError(f"--threads must be from 1 to {MOST}, got {count}")
    plan = Plan(
        _chosen("model", names or MODELS, ARCHITECTURES),
        tuple(dict.fromkeys(batch_size)) if batch_size else None,
        tuple(dict.fromkeys(threads or [cores()])),
        _backends(backend or (current_backend(),)),
        _chosen("work", work or WORKS, WORKS),
        _chosen("peer", against, PEERS),
        repeat or (QUICK_REPEAT if quick else REPEAT),
        quick,
    )
    require_peers(plan.against, PEERS)
    if out is not None:
        records.require_folder(out)

    def keep(record: records.Record) -> None:
        if out is not None:
            records.save(out / "models.json", record)
            records.save_csv(out / "models.csv", [flat(row) for row in record["rows"]])

    record = measure(plan, lambda line: print(line, flush=True), bar, keep)
    print(report(record))
    if out is not None:
        print(f"written to {out}")
    if json:
        print(json_format.dumps(record))
    return DONE


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the record as a line of a table: its numbers and words, and each kind of work in a column."""
    line = {name: value for name, value in row.items() if not isinstance(value, (list, dict))}
    if "quartiles_seconds" in row:
        line |= dict(zip(("lower_quartile_seconds", "upper_quartile_seconds"), row["quartiles_seconds"], strict=True))
    return line | {f"{kind} seconds": seconds for kind, seconds in row.get("kinds", {}).items()}


def _chosen(what: str, names: Sequence[str], known: Any) -> tuple[str, ...]:
    """Those asked for, each once, all of them known."""
    for name in names:
        look_up(what, name, dict.fromkeys(known))
    return tuple(dict.fromkeys(names))


def _backends(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name == "cupy":
            raise ValueError("bench models measures a CPU; python -m tinycnn.benchmarks.gpu measures a GPU")
        require_backend(name)
    return tuple(dict.fromkeys(names))
