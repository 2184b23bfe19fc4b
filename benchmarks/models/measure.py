"""Whole models by batch size, threads and backend, and against other engines: training steps and inference.

Each side of a comparison runs in a process of its own, so that its threads and its memory are its own; all of those
that do the same work live at once and take turns, so that a slow moment of the machine hits all of them. Before
anything is timed, all sides must say the same of the same images. How many times as fast one is as another is the
median over the turns of the ratio within a turn; a peer is compared by the fastest of its ways.

FLOPs are counted as direct convolution, two per multiply-add, and full layers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from tinycnn.benchmarks import record as records
from tinycnn.benchmarks.memory import available
from tinycnn.benchmarks.models.costs import Cost, Costs, require_memory
from tinycnn.benchmarks.models.peers import PEERS
from tinycnn.benchmarks.models.worker import SPLITS, TURN, OurModel, Side
from tinycnn.benchmarks.peaks import peaks
from tinycnn.benchmarks.peers import HOPELESS
from tinycnn.benchmarks.processes import PAUSE, Worker, worker
from tinycnn.benchmarks.record import Keep, Progress, Record, Say
from tinycnn.benchmarks.timing import spread
from tinycnn.wording import counted, duration, milliseconds

MODELS = ("lenet5", "alexnet", "vgg11", "vgg16")
BATCHES = {"lenet5": (1, 16, 64, 256), "alexnet": (1, 4, 16), "vgg": (1, 4)}
AGREE = 1e-3  # of the largest logit, that sides may differ by
LIKELY = 0.3  # share of the peak, from which the duration is estimated
START = 3.0  # seconds until a process is ready


@dataclass(frozen=True)
class Plan:
    """What to measure: every model by every work, batch size and number of threads.

    Attributes
    ----------
    models, works, threads, backends, against
        Names; numbers of threads.
    batches
        Images in a step; those of BATCHES where None.
    repeat
        Turns of each side.
    quick
        Whether the smallest batch will do.
    """

    models: tuple[str, ...]
    batches: tuple[int, ...] | None
    threads: tuple[int, ...]
    backends: tuple[str, ...]
    works: tuple[str, ...]
    against: tuple[str, ...]
    repeat: int
    quick: bool

    def batches_of(self, model: str) -> tuple[int, ...]:
        """Images in a step of this model."""
        family = next(name for name in BATCHES if model.startswith(name))
        found = self.batches or BATCHES[family]
        return (min(found),) if self.quick else found


class Case(NamedTuple):
    """Work that all sides do alike."""

    model: str
    work: str
    batch: int
    threads: int


@dataclass
class Entry:
    """One side, in its process.

    Attributes
    ----------
    side, variant
        The backend of tinycnn, or a peer and one of its ways.
    asked, end
        Its process, and what ends that.
    begun
        What it said when it was warm, see `tinycnn.benchmarks.models.worker.Side.begin`.
    turns
        Seconds of a step in each turn.
    told
        What the record holds of it beside the times.
    """

    side: str
    variant: str
    asked: Worker
    end: Callable[[], None]
    begun: dict[str, Any]
    turns: list[float] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As a message calls it."""
        return f"{self.side}, {self.variant}" if self.variant else self.side

    @property
    def seconds(self) -> float:
        """The median of the turns."""
        return median(self.turns)

    def leave_out(self, **why: str) -> None:
        """Measure it no further, and end its process."""
        self.told |= why
        self.end()

    def row(self, case: Case, cost: Cost, peak: float) -> dict[str, Any]:
        """A row of the record; ``peak`` is the machine's, in operations a second."""
        row = case._asdict() | {"side": self.side, "variant": self.variant}
        if self.turns:
            low, middle, high = spread(self.turns)
            flops = cost.flops(case.work, case.batch)
            row |= {"samples": len(self.turns), "median_seconds": middle, "quartiles_seconds": [low, high]}
            row |= {"images_per_second": case.batch / middle, "gflops": flops / middle / 1e9}
            row |= {"share_of_peak": flops / middle / peak}
        return row | self.told


def measure(plan: Plan, say: Say, progress: Progress, keep: Keep) -> Record:
    """See first that all will fit, then measure.

    Parameters
    ----------
    plan
        What to measure.
    say, progress, keep
        See `tinycnn.benchmarks.record`.

    Returns
    -------
    Record
        Of kind ``"models"``: ``rows`` for each side of each case, ``against`` for each comparison with a peer.

    Raises
    ------
    ValueError
        For what would not fit into memory, before anything is run; for sides that compute different things.
    """
    with worker("the estimate", Costs, threads=1) as asked:
        costs: dict[str, Cost] = {name: asked.ask("of", name) for name in plan.models}
    cases = [
        Case(model, work, batch, threads)
        for model in plan.models
        for work in plan.works
        for batch in plan.batches_of(model)
        for threads in plan.threads
    ]
    free = available()
    for case in cases:
        require_memory(*case[:3], len(_sides(plan, case)), costs[case.model], free)
    record = records.new("models", asdict(plan), ("numba", *plan.against))
    record |= {"peaks": [peaks(threads) for threads in plan.threads], "rows": [], "against": []}
    flops = {found["threads"]: found["flops"] for found in record["peaks"]}
    work = [_seconds(plan, case, costs[case.model], flops[case.threads]) for case in cases]
    cases_of = f"{counted(len(cases), 'case')} of {', '.join(plan.models)}"
    say(f"{cases_of}, {counted(plan.repeat, 'turn')} each: about {duration(sum(work))}")
    with progress("measuring", sum(work)) as advance:
        for case, seconds in zip(cases, work, strict=True):
            entries = _measured(plan, case, seconds, advance)
            expected = {"expected_bytes": costs[case.model].bytes(case.work, case.batch)}
            for entry in entries:
                if entry.side in plan.backends:
                    entry.told |= expected
                record["rows"].append(entry.row(case, costs[case.model], flops[case.threads]))
            record["rows"] += [
                case._asdict() | {"side": peer, "variant": "", "cannot": f"{peer} does not {case.work}"}
                for peer in plan.against
                if case.work not in PEERS[peer].works
            ]
            record["against"] += compared(plan, case, entries)
            keep(record)
    return record


def compared(plan: Plan, case: Case, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """How many times as fast each backend is as each peer in the fastest of its ways."""
    found = []
    measured = [entry for entry in entries if entry.turns]
    for peer in plan.against:
        ways = [entry for entry in measured if entry.side == peer]
        for ours in (entry for entry in measured if ways and entry.side in plan.backends):
            best = min(ways, key=lambda entry: entry.seconds)
            ratios = [theirs / mine for theirs, mine in zip(best.turns, ours.turns, strict=True)]
            low, ratio, high = spread(ratios)
            row = case._asdict() | {"side": ours.side, "peer": peer, "variant": best.variant}
            found.append(row | {"times_as_fast": ratio, "quartiles": [low, high]})
    return found


def _sides(plan: Plan, case: Case) -> list[tuple[str, str, Callable[..., Side]]]:
    """Who does the work: side and variant as the record calls them, and what makes it."""
    sides: list[tuple[str, str, Callable[..., Side]]] = [(b, "", partial(OurModel, b)) for b in plan.backends]
    for name in plan.against:
        peer = PEERS[name]
        if case.work in peer.works:
            sides += [(name, variant, partial(peer.make, variant)) for variant in peer.variants]
    return sides


def _seconds(plan: Plan, case: Case, cost: Cost, peak: float) -> float:
    """About how long a case takes."""
    step = cost.flops(case.work, case.batch) / (LIKELY * peak)
    each = START + 4 * step + plan.repeat * (PAUSE + (2 * TURN if step < TURN else step))
    return len(_sides(plan, case)) * each + len(plan.backends) * (1 + SPLITS) * step


def _measured(plan: Plan, case: Case, seconds: float, advance: Callable[[float], None]) -> list[Entry]:
    """All sides of a case, after they have had their turns, which was thought to take so many seconds."""
    with ExitStack() as processes:
        entries = list(_begun(plan, case, processes))
        require_agreement(case, [entry for entry in entries if "logits" in entry.begun])
        leave_out_slow(entries)
        racing = [entry for entry in entries if not entry.told]
        for _ in range(plan.repeat):
            for entry in racing:
                time.sleep(PAUSE)
                entry.turns.append(entry.asked.ask("turn"))
            advance(seconds / plan.repeat)
        for entry in racing:
            entry.told = {"peak_bytes": entry.asked.ask("peak"), "start_bytes": entry.begun["start_bytes"]}
        for entry in racing:
            if entry.side in plan.backends:
                entry.told |= entry.asked.ask("split")
    return entries


def _begun(plan: Plan, case: Case, processes: ExitStack) -> Iterator[Entry]:
    """Start each side, and let it warm up alone; of a peer that cannot, the first of its ways tells that.

    One that had to compile starts again with what is on disk now: its memory would be the compiler's too, half of a
    gigabyte where VGG-16's step takes 2.3.
    """
    unable: set[str] = set()
    for side, variant, make in _sides(plan, case):
        if side in unable:
            continue
        own = processes.enter_context(ExitStack())
        start = partial(worker, f"{side} {variant}".strip(), make, *case, threads=case.threads)
        asked = own.enter_context(start())
        begun = asked.ask("begin")
        if begun.get("compiled"):
            own.close()
            asked = own.enter_context(start())
            begun = asked.ask("begin")
        entry = Entry(side, variant, asked, own.close, begun)
        if "cannot" in entry.begun:
            unable.add(side)
            entry.variant = ""
            entry.leave_out(cannot=entry.begun["cannot"])
        yield entry


def require_agreement(case: Case, entries: Sequence[Entry]) -> None:
    """Refuse to time what computes something else.

    Raises
    ------
    ValueError
        When logits differ by more than AGREE of the largest.
    """
    first, *others = entries
    expected = first.begun["logits"]
    largest = np.abs(expected).max()
    for entry in others:
        difference = np.abs(entry.begun["logits"] - expected).max() / largest
        if not difference <= AGREE:  # nor where it is no number
            raise ValueError(
                f"{case.model}: the logits of {entry.name} and of {first.name} differ by {difference:.2g} of the "
                f"largest, expected at most {AGREE:g}: they compute different things, and are not compared"
            )


def leave_out_slow(entries: Sequence[Entry]) -> None:
    """Measure those ways of a peer no further that take far longer than its fastest."""
    able = [entry for entry in entries if "seconds" in entry.begun]
    for side in {entry.side for entry in able}:
        ways = [entry for entry in able if entry.side == side]
        best = min(ways, key=lambda entry: entry.begun["seconds"])
        for entry in ways:
            if entry.begun["seconds"] > HOPELESS * best.begun["seconds"]:
                taken = milliseconds(entry.begun["seconds"])
                entry.leave_out(
                    skipped=f"a step took {taken} ms, over {HOPELESS:g} times as long as with {best.variant}"
                )
