"""One pass of one convolution: the algorithms of a backend against each other, and against a peer."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tinycnn.benchmarks.conv.convolutions import Convolution
from tinycnn.benchmarks.conv.reasons import is_one_product
from tinycnn.benchmarks.conv.verdict import Verdict, verdict
from tinycnn.benchmarks.peers import HOPELESS
from tinycnn.benchmarks.processes import PAUSE, Worker
from tinycnn.benchmarks.timing import calls_for, spread

PASSES = ("forward", "backward_input", "backward_weight")
EFFECTIVE = ("winograd", "fft")  # they do other operations than are counted
FAR = 5.0  # times as slow as the fastest: one sample in the first run will do
UNABLE = {"cannot", "skipped"}
OURS = "ours"


@dataclass(frozen=True)
class Job:
    """A pass of a convolution, and its number in the record."""

    index: int
    convolution: Convolution
    phase: str

    @property
    def key(self) -> dict[str, Any]:
        """How the record names it."""
        return {"convolution": self.index, "pass": self.phase}


@dataclass
class Contest:
    """The algorithms of one backend in turn.

    Attributes
    ----------
    job, backend
        What is computed, and with which kernels.
    looks
        What `tinycnn.benchmarks.conv.worker.OurConvolutions.look` found, by algorithm.
    repeat
        Samples a run.
    runs
        Samples of each algorithm, in each run.
    """

    job: Job
    backend: str
    looks: dict[str, dict[str, Any]]
    repeat: int
    runs: dict[str, list[list[float]]] = field(default_factory=dict)

    def samples(self, first: bool) -> dict[str, int]:
        """How many each algorithm is measured by, in the first run or a later one."""
        able = {name: look["estimated_seconds"] for name, look in self.looks.items() if not UNABLE & look.keys()}
        able |= {name: median(runs[0]) for name, runs in self.runs.items()}  # better known
        far = FAR * min(able.values(), default=0.0)
        return {name: 1 if seconds > far else self.repeat for name, seconds in able.items() if first or seconds <= far}

    def work(self, first: bool) -> float:
        """About how many seconds the first run takes, or a later one."""
        work = 0.0
        for name, count in self.samples(first).items():
            seconds = self.looks[name]["estimated_seconds"]
            work += seconds * (2 + count * calls_for(seconds))
        return work

    @property
    def auto_seconds(self) -> float:
        """About how long what ``auto`` runs takes."""
        return sum(look.get("estimated_seconds", 0.0) for look in self.looks.values() if look["auto"])

    def measure(self, asked: Worker, first: bool) -> None:
        """One run, the first or a later one."""
        if samples := self.samples(first):
            found = asked.ask("samples", self.job.phase, self.job.convolution.geometry, samples)
            for name, taken in found.items():
                self.runs.setdefault(name, []).append(taken)

    def rows(self, peak: float) -> list[dict[str, Any]]:
        """A row of the record for each algorithm; ``peak`` is the machine's, in operations a second."""
        geometry, rows = self.job.convolution.geometry, []
        flops = geometry.flops
        for name, look in self.looks.items():
            row = self.job.key | {"backend": self.backend, "algorithm": name} | look
            if name in self.runs:
                row.pop("estimated_seconds")
                samples = [sample for run in self.runs[name] for sample in run]
                low, middle, high = spread(samples)
                row |= {"samples": len(samples), "run_seconds": [median(run) for run in self.runs[name]]}
                row |= {"median_seconds": middle, "quartiles_seconds": [low, high], "gflops": flops / middle / 1e9}
                row |= {"effective": name in EFFECTIVE and not is_one_product(self.backend, geometry)}
                row |= {"share_of_peak": flops / middle / peak}
            rows.append(row)
        return rows

    @property
    def by_speed(self) -> list[str]:
        """What was measured, the fastest first, as `tinycnn.benchmarks.conv.verdict` orders it."""
        return sorted(self.runs, key=lambda name: median(median(run) for run in self.runs[name]))

    @property
    def verdict(self) -> Verdict | None:
        """Who wins; None where nothing was measured."""
        return verdict({name: [median(run) for run in runs] for name, runs in self.runs.items()}) if self.runs else None


@dataclass
class Duel:
    """What ``auto`` runs, against the ways in which a peer does the same.

    Attributes
    ----------
    job, peer, backend
        What is computed, by whom, and with which kernels of tinycnn.
    work
        About how many seconds a run takes.
    algorithm
        What ``auto`` runs.
    turns
        Seconds of each turn, tinycnn's under OURS, the peer's by way.
    slow
        Seconds of ways that were too slow to be measured further, when they were tried.
    errors
        Of the peer's ways that were the fastest so far, as `tinycnn.benchmarks.conv.worker.error`.
    cannot
        Why the peer does not do it.
    """

    job: Job
    peer: str
    backend: str
    work: float
    algorithm: str = ""
    turns: list[dict[str, float]] = field(default_factory=list)
    slow: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    cannot: str = ""

    def measure(self, ours: Worker, theirs: Worker, repeat: int) -> None:
        """One run: they take turns, each in its own process."""
        question = self.job.phase, self.job.convolution.geometry
        found = theirs.ask("prepare", *question)
        self.cannot = found.get("cannot", "")
        if self.cannot:
            return
        ways = [way for way, seconds in found.items() if seconds <= HOPELESS * min(found.values())]
        self.slow |= {way: seconds for way, seconds in found.items() if way not in ways}
        (self.algorithm,) = ours.ask("prepare", *question)
        for _ in range(repeat):
            time.sleep(PAUSE)
            turn = {OURS: ours.ask("turn", [self.algorithm])[self.algorithm]}
            time.sleep(PAUSE)
            self.turns.append(turn | theirs.ask("turn", ways))
        if self.fastest not in self.errors:
            self.errors[self.fastest] = theirs.ask("error", *question, self.fastest)

    @property
    def ways(self) -> dict[str, float]:
        """Seconds of each way of the peer that was measured."""
        names = sorted({way for turn in self.turns for way in turn} - {OURS})
        return {way: median(turn[way] for turn in self.turns if way in turn) for way in names}

    @property
    def fastest(self) -> str:
        """The peer's fastest way."""
        return min(self.ways, key=self.ways.__getitem__)

    @property
    def row(self) -> dict[str, Any]:
        """As the record holds it."""
        row = self.job.key | {"peer": self.peer, "backend": self.backend, "algorithm": self.algorithm}
        if self.cannot:
            return row | {"cannot": self.cannot}
        way = self.fastest
        low, ratio, high = spread([turn[way] / turn[OURS] for turn in self.turns if way in turn])
        row |= {"seconds": median(turn[OURS] for turn in self.turns), "variant": way, "variants": self.slow | self.ways}
        row |= {"peer_seconds": self.ways[way], "times_as_fast": ratio, "quartiles": [low, high]}
        return row | {"peer_error": self.errors[way]}
