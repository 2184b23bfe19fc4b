"""``tinycnn bench models``."""

from __future__ import annotations

import json as json_format
from typing import Any

from tinycnn.backend import current_backend
from tinycnn.benchmarks import record as records
from tinycnn.benchmarks.models.measure import MODELS, Plan, measure
from tinycnn.benchmarks.models.peers import PEERS
from tinycnn.benchmarks.models.worker import WORKS
from tinycnn.benchmarks.peers import require_peers
from tinycnn.cli.bar import bar
from tinycnn.cli.bench.models_report import report
from tinycnn.cli.bench.words import chosen, draw_into, measurable_backends, require_counts
from tinycnn.cli.options import Batches, Place, Whole, WholeNumbers
from tinycnn.cli.status import DONE
from tinycnn.models import ARCHITECTURES
from tinycnn.threads import cores

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
        Folder for models.json, models.csv and pictures.
    json
        Print the record as one JSON object on the last line.
    """
    require_counts(batch_size=batch_size or [], repeat=[repeat], threads=threads or [])
    require_peers(against, PEERS)
    plan = Plan(
        chosen("model", names or MODELS, ARCHITECTURES),
        tuple(dict.fromkeys(batch_size)) if batch_size else None,
        tuple(dict.fromkeys(threads or [cores()])),
        measurable_backends("bench models", backend or (current_backend(),)),
        chosen("work", work, WORKS),
        tuple(dict.fromkeys(against)),
        repeat or (QUICK_REPEAT if quick else REPEAT),
        quick,
    )
    if out is not None:
        records.require_folder(out)

    def keep(record: records.Record) -> None:
        if out is not None:
            records.save(out / "models.json", record)
            records.save_csv(out / "models.csv", [flat(row) for row in record["rows"]])

    record = measure(plan, lambda line: print(line, flush=True), bar, keep)
    if out is not None:
        draw_into(out, record)
    print(report(record))
    if json:
        print(json_format.dumps(records.rounded(record)))
    return DONE


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the record as a line of a table: its numbers and words, and each kind of work in a column."""
    line = {name: value for name, value in row.items() if not isinstance(value, (list, dict))}
    if "quartiles_seconds" in row:
        line |= dict(zip(("lower_quartile_seconds", "upper_quartile_seconds"), row["quartiles_seconds"], strict=True))
    return line | {f"{kind} seconds": seconds for kind, seconds in row.get("kinds", {}).items()}
