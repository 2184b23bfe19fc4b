"""The convolution lab: every algorithm of every backend on the same convolutions, fairly, and who wins where and why.

First each algorithm is looked at: whether it can run a convolution, about how long it takes, what memory it needs, how
much it errs. Then it is timed in several runs, each in a fresh process, for where a process's memory happens to lie is
where it stays. Within a run the algorithms of a backend take turns, on the same arrays and as many threads; what is far
slower than the fastest is timed once. Peers take turns with what ``auto`` runs, each side in its process.

FLOPs are counted as direct convolution, two per multiply-add. The peaks are measured in each run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tinycnn.benchmarks import record as records
from tinycnn.benchmarks.conv.contest import Contest, Duel, Job
from tinycnn.benchmarks.conv.convolutions import CROSSOVER, Convolution
from tinycnn.benchmarks.conv.peers import PEERS
from tinycnn.benchmarks.conv.reasons import why
from tinycnn.benchmarks.conv.worker import OurConvolutions
from tinycnn.benchmarks.peaks import peaks
from tinycnn.benchmarks.processes import PAUSE, Worker, worker
from tinycnn.benchmarks.record import Keep, Progress, Record, Say
from tinycnn.wording import counted, duration

START = 2.0  # seconds until a process is ready, and the peaks are measured
WAYS = 4  # a duel takes about so many times as long as what auto runs alone


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes
    ----------
    of
        What the convolutions are of, as it was asked for.
    passes, backends, algorithms, threads
        Each pass by each algorithm on each backend, on so many threads.
    runs, repeat
        Fresh processes, and samples in each.
    limit
        Seconds that a call may take.
    against
        Names of peers.
    quick
        Whether that is a first look.
    """

    of: tuple[str, ...]
    batch: int | None
    passes: tuple[str, ...]
    backends: tuple[str, ...]
    algorithms: tuple[str, ...]
    threads: int
    runs: int
    repeat: int
    limit: float
    against: tuple[str, ...]
    quick: bool


def measure(plan: Plan, convolutions: Sequence[Convolution], say: Say, progress: Progress, keep: Keep) -> Record:
    """Look, then measure.

    Parameters
    ----------
    plan, convolutions
        What to measure.
    say, progress, keep
        See `tinycnn.benchmarks.record`.

    Returns
    -------
    Record
        Of kind ``"conv"``: ``convolutions``, ``rows`` for each pass by each algorithm, ``winners``, ``against``.
    """
    jobs = [Job(i, found, phase) for i, found in enumerate(convolutions) for phase in plan.passes]
    record = records.new("conv", asdict(plan), ("numba", *plan.against))
    record |= {"peaks": [], "convolutions": [found.described for found in convolutions]}
    say(f"looking at {counted(len(jobs) * len(plan.backends), 'row')}: what can run, in what time, with what error")
    contests = list(_look(plan, jobs, progress))
    duels = [
        Duel(contest.job, peer, contest.backend, plan.repeat * (WAYS * contest.auto_seconds + 4 * PAUSE))
        for peer in plan.against
        for contest in contests
        if contest.backend == plan.backends[-1] and contest.job.convolution.of != CROSSOVER
    ]
    work = plan.runs * (START * (1 + len(plan.backends) + 2 * len(plan.against)) + sum(duel.work for duel in duels))
    work += sum(contest.work(first=run == 0) for run in range(plan.runs) for contest in contests)
    rows = f"{counted(plan.runs, 'run')} of {counted(len(contests), 'row')}"
    say(f"{rows}, {counted(plan.threads, 'thread')}: about {duration(work)}")
    with progress("measuring", work) as advance:
        for run in range(plan.runs):
            _run(plan, record, contests, duels, advance, first=run == 0)
            record |= _told(record, contests, duels)
            keep(record)
    return record


def _look(plan: Plan, jobs: Sequence[Job], progress: Progress) -> Iterator[Contest]:
    """Every pass on every backend, with what is known of the algorithms before they are timed."""
    with progress("looking", len(jobs) * len(plan.backends)) as advance:
        for backend in plan.backends:
            with _ours(plan, backend) as asked:
                for job in jobs:
                    geometry = job.convolution.geometry
                    looks = asked.ask("look", job.phase, geometry, plan.algorithms, plan.limit)
                    yield Contest(job, backend, looks, plan.repeat)
                    advance(1)


def _run(
    plan: Plan,
    record: Record,
    contests: Sequence[Contest],
    duels: Sequence[Duel],
    advance: Callable[[float], None],
    first: bool,
) -> None:
    record["peaks"].append(peaks(plan.threads))
    advance(START)
    for backend in plan.backends:
        with _ours(plan, backend) as asked:
            advance(START)
            for contest in contests:
                if contest.backend == backend:
                    contest.measure(asked, first)
                    advance(contest.work(first))
    for peer in plan.against:
        with ExitStack() as stack:
            ours = stack.enter_context(_ours(plan, plan.backends[-1]))
            theirs = stack.enter_context(worker(peer, PEERS[peer], plan.threads, threads=plan.threads))
            advance(2 * START)
            for duel in duels:
                if duel.peer == peer:
                    duel.measure(ours, theirs, plan.repeat)
                    advance(duel.work)


def _ours(plan: Plan, backend: str) -> AbstractContextManager[Worker]:
    return worker(f"the {backend} backend", OurConvolutions, backend, plan.threads, threads=plan.threads)


def _told(record: Record, contests: Sequence[Contest], duels: Sequence[Duel]) -> dict[str, list[dict[str, Any]]]:
    """What the record says of what was measured so far."""
    flops, moved = (median(found[what] for found in record["peaks"]) for what in ("flops", "bytes"))
    cache = max(record["machine"]["caches"].values(), default=0)
    winners = [found for contest in contests if (found := _winner(contest, flops / moved, cache))]
    rows = [row for contest in contests for row in contest.rows(flops)]
    return {"rows": rows, "winners": winners, "against": [duel.row for duel in duels if duel.turns or duel.cannot]}


def _winner(contest: Contest, balance: float, cache: int) -> dict[str, Any]:
    """Who wins a row, and why; nothing where nothing was measured."""
    found = contest.verdict
    if found is None:
        return {}
    geometry = contest.job.convolution.geometry
    row = contest.job.phase, geometry, contest.backend
    sentence = why(*row, contest.by_speed, found.tied, balance, cache)
    outcome = {"winner": "" if found.tied else found.winner, "tied": found.tied, "ahead": found.ahead, "why": sentence}
    return contest.job.key | {"backend": contest.backend} | outcome
