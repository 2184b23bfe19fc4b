"""A whole model in a process of its own: its training steps or its inference, with tinycnn or with a peer.

A training step is zero_grad, forward, cross-entropy, backward and SGD with momentum and weight decay. Every side has
the same weights, images and labels, made from one seed.

The peak of a process's memory is read from /proc, for `resource.getrusage` counts that of whoever started the process
as well. It is forgotten, where the system lets it be, once a side is warm: what only building took does not count.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import tinycnn as tc
from tinycnn.arrays import Array
from tinycnn.backend import load_kernels
from tinycnn.benchmarks.models.layers import Layer, chain
from tinycnn.benchmarks.models.split import Split
from tinycnn.benchmarks.processes import wake
from tinycnn.benchmarks.timing import quickest, sample
from tinycnn.models import architecture
from tinycnn.nn import Module

WORKS = TRAIN, INFERENCE = "train", "inference"
SEED = 0
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 5e-4
TURN = 0.05  # seconds that a turn takes, by as many steps as that needs
LONG = 1.0  # seconds
WARM_UP, MOST = 0.3, 1000  # seconds, and steps in them
SPLITS, MOST_SPLITS = 3, 51  # steps that are split, more of them where they are short; the one in the middle counts
PROCESS = Path("/proc/self")


class Lacks(Exception):
    """What a peer has not, in a sentence."""


class Side(ABC):
    """What takes turns: a subclass says how one library does a step.

    Parameters
    ----------
    variant
        Which of the library's ways; of tinycnn, the backend.
    model, work, batch, threads
        Name of the model, one of WORKS, images in a step, threads that the library may use.
    """

    def __init__(self, variant: str, model: str, work: str, batch: int, threads: int):
        self.variant, self.model, self.trains, self.batch = variant, model, work == TRAIN, batch
        self.threads = threads
        self._seconds, self._steps = 0.0, 1

    @abstractmethod
    def load(self) -> None:
        """Import the library, and give it its threads."""

    @abstractmethod
    def build(self, model: Module, layers: Sequence[Layer], images: Array, labels: Array) -> None:
        """Make the model from tinycnn's.

        Raises
        ------
        Lacks
            For a layer that the library has not.
        """

    @abstractmethod
    def logits(self) -> Array:
        """What the model says of the images when it does not train."""

    @abstractmethod
    def step(self) -> None:
        """Do the work once."""

    def begin(self) -> dict[str, Any]:
        """Build and warm up.

        Returns
        -------
        dict
            ``logits``, ``seconds`` of a step, ``start_bytes``, the memory of the process before there was a model, and
            whether kernels were ``compiled``; or why the library ``cannot``.
        """
        self.load()
        start = peak_bytes()
        tc.manual_seed(SEED)
        model, input_shape = architecture(self.model).build(), architecture(self.model).input_shape
        layers = chain(model, input_shape)
        rng = np.random.default_rng(SEED)
        images = rng.standard_normal((self.batch, *input_shape), dtype=np.float32)
        labels = rng.integers(0, layers[-1].output_shape[-1], self.batch)
        try:
            self.build(model, layers, images, labels)
        except Lacks as reason:
            return {"cannot": str(reason)}
        del model, layers
        logits = self.logits()
        self.step()  # may compile
        forget_peak()
        self._seconds = quickest(self.step, WARM_UP, MOST)
        self._steps = max(1, round(TURN / self._seconds))
        return {"logits": logits, "seconds": self._seconds, "start_bytes": start, "compiled": self.compiled()}

    def compiled(self) -> bool:
        """Whether this process holds what compiling took beside the model."""
        return False

    def turn(self) -> float:
        """Seconds of a step, after a pause in which another process had its turn."""
        if self._seconds < LONG:  # a long step does not feel how cores wake
            wake(self.step)
        return sample(self.step, self._steps)

    def peak(self) -> int:
        """Bytes of memory that the process had at most, since it was warm."""
        return peak_bytes()


class OurModel(Side):
    """tinycnn, on one backend."""

    def compiled(self) -> bool:
        """See `Side.compiled`."""
        if self.variant != "numba":
            return False
        from tinycnn.kernels.numba.compile import has_compiled

        return has_compiled()

    def load(self) -> None:
        """Take the backend and the threads."""
        tc.use_backend(self.variant)
        load_kernels(self.variant)
        tc.set_num_threads(self.threads)

    def build(self, model: Module, layers: Sequence[Layer], images: Array, labels: Array) -> None:
        """Keep the model as it is."""
        self._net: Any = model.train(self.trains)
        self._layers, self._images, self._labels = layers, images, labels
        self._optimizer = tc.optim.SGD(
            model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )

    def logits(self) -> Array:
        """See `Side.logits`."""
        with tc.nn.evaluating(self._net), tc.no_grad():
            return self._net(self._images).data

    def step(self) -> None:
        """Train, or infer."""
        self._run()
        if self.trains:
            self._optimizer.step()

    def split(self) -> dict[str, Any]:
        """Where the time of a step goes, of the one in the middle of several; see `tinycnn.benchmarks.models.split`."""
        self._split()  # may compile what runs one by one
        count = SPLITS
        if self._seconds < LONG:
            wake(self._split)
            count = max(SPLITS, min(MOST_SPLITS, round(WARM_UP / self._seconds)))
        found = sorted((self._split() for _ in range(count)), key=lambda told: told["unfused_seconds"])
        return found[count // 2]

    def _split(self) -> dict[str, Any]:
        split = Split(self._layers)
        with split.watching():
            whole = sample(self._run)
            optimiser = sample(self._optimizer.step) if self.trains else 0.0
        return split.told(whole + optimiser, optimiser)

    def _run(self) -> None:
        """All of a step but the optimiser's."""
        if self.trains:
            self._optimizer.zero_grad()
            tc.functional.cross_entropy(self._net(self._images), self._labels).backward()
        else:
            with tc.no_grad():
                self._net(self._images)


def peak_bytes() -> int:
    """Bytes of main memory that this process had at most."""
    (line,) = (line for line in (PROCESS / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def forget_peak() -> None:
    """Count the peak from now on, where the system has a way."""
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")
