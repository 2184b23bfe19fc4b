"""A run: a recipe trained in a folder, from which it can go on after whatever stopped it.

The folder holds ``config.json``, ``metrics.jsonl`` (a line an epoch, then one with the test), ``best.safetensors``,
``last.safetensors`` and ``report.html``. ``last.safetensors`` alone says where the run stands: it is replaced as a
whole, after the best model and before the metrics, which are written anew from it. So a run that is killed at any
moment, also while it saves, goes on from the last checkpoint and ends as if nothing had happened.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import json
import os
import shutil
from pathlib import Path
from time import monotonic
from typing import IO

import numpy as np

from tinycnn.arrays import Array
from tinycnn.backend import use_algorithm, use_backend
from tinycnn.data import DataLoader
from tinycnn.data.sets import hold_out
from tinycnn.optim import SGD, CosineAnnealingLR
from tinycnn.random import manual_seed
from tinycnn.storage import PARTIAL, write_text
from tinycnn.threads import set_num_threads
from tinycnn.training.checkpoint import Checkpoint, load_checkpoint, save_model, save_training
from tinycnn.training.environment import differences, environment
from tinycnn.training.evaluation import Evaluation, evaluate
from tinycnn.training.recipe import Recipe
from tinycnn.training.stopping import EarlyStopping, is_best
from tinycnn.training.trainer import Callback, Trainer

SAVE_EVERY = 60  # seconds, within an epoch
EVALUATION_BATCH = 250  # images; of 50 to 1000, LeNet-5 took about the same time for each


class Run:
    """A recipe, its data, model and optimiser, and the folder that all of it is kept in.

    Make one with `start` or `resume`.

    Attributes
    ----------
    folder, recipe
        Where, and what.
    trainer
        With the model, and the history so far.
    changes
        What differs from the surroundings that a resumed run was started in, so that it may not end bit for bit as it
        would have there.
    """

    def __init__(self, folder: Path, recipe: Recipe):
        self.folder, self.recipe = folder, recipe
        self.changes: list[str] = []
        self._lock: IO[str] | None = None
        use_backend(recipe.backend)
        use_algorithm(recipe.algorithm)
        set_num_threads(recipe.threads)
        manual_seed(recipe.seed)
        model = recipe.architecture.build(num_classes=len(recipe.data_set.classes))
        optimizer = SGD(model.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay)
        stopping = [EarlyStopping(recipe.patience)] if recipe.patience else []
        self.trainer = Trainer(
            model, optimizer, CosineAnnealingLR(optimizer, recipe.epochs), [*stopping, _Saving(self)]
        )
        self._read_training_data()

    @classmethod
    def start(cls, recipe: Recipe, folder: Path | None = None) -> Run:
        """Make a new run, in ``folder``, or in the next free one below ``runs/``.

        Raises
        ------
        FileExistsError
            When the folder is not empty.
        OSError
            When the data cannot be had, or the folder cannot be made; it does not exist then.
        """
        if folder is not None:
            _require_vacant(folder)
        run = cls(folder or Path(), recipe)
        names = [folder] if folder else (Path("runs") / f"{recipe.model}-{recipe.data}-{n}" for n in itertools.count(1))
        run.folder = next(name for name in names if run._make_folder(name))
        return run

    @classmethod
    def resume(cls, folder: Path) -> Run:
        """Go on with the run in ``folder``.

        Raises
        ------
        FileNotFoundError
            When it holds none.
        ValueError
            When its checkpoint is damaged.
        BlockingIOError
            When another process is training there.
        """
        last = folder / "last.safetensors"
        if not last.is_file():
            raise FileNotFoundError(f"{folder} holds no run to go on with: there is no last.safetensors in it")
        lock = _lock(folder)
        checkpoint = load_checkpoint(last)
        if checkpoint.state is None:
            raise ValueError(f"{last} holds a model alone, no state of a training to go on from")
        run = cls(folder, checkpoint.recipe)
        run._lock = lock
        run.trainer.load_state_dict(checkpoint.state)
        run.changes = differences(checkpoint.notes["environment"], environment())
        for leftover in folder.glob(f".*{PARTIAL}"):
            leftover.unlink()
        return run

    @property
    def images(self) -> tuple[int, int]:
        """How many images are trained on, and how many held out for validation."""
        return len(self.train.images), len(self.validation.images) if self.validation else 0

    def fit(self, *callbacks: Callback) -> None:
        """Train to the end, or until the trainer is told to stop.

        Raises
        ------
        Diverged
            When the loss is no longer finite; the last checkpoint stays as it is.
        OSError
            When the folder cannot be written to; what was saved before is intact.
        """
        own = self.trainer.callbacks
        self.trainer.callbacks = [*own, *callbacks]
        try:
            self.trainer.fit(self.train, self.validation, self.recipe.epochs)
        finally:
            self.trainer.callbacks = own

    def test(self) -> tuple[Checkpoint, Evaluation]:
        """Evaluate the best model on the test images, and write the result down in ``metrics.jsonl``."""
        checkpoint = load_checkpoint(self.folder)
        result = evaluate(checkpoint.build(), test_loader(self.recipe))
        self.write_metrics({"test_loss": result.loss, "test_accuracy": result.accuracy})
        return checkpoint, result

    def save(self) -> None:
        """Write the best model, where the last epoch made it, and the state to go on from."""
        trainer = self.trainer
        try:
            if trainer.history and trainer.batch == 0 and is_best(trainer.history):
                best = self.folder / "best.safetensors"
                save_model(best, self.recipe, trainer.model.state_dict(), row=trainer.history[-1])
            save_training(self.folder / "last.safetensors", self.recipe, trainer.state_dict())
            self.write_metrics()
        except OSError as error:
            raise OSError(
                f"the run could not be saved in {self.folder} ({error.strerror or error}): what was saved before is "
                f"intact, and once there is room 'tinycnn train --resume {self.folder}' goes on from there"
            ) from None

    def write_metrics(self, *results: dict[str, float]) -> None:
        """Write ``metrics.jsonl`` anew."""
        lines = [json.dumps(row, allow_nan=False) + "\n" for row in (*self.trainer.history, *results)]
        write_text(self.folder / "metrics.jsonl", "".join(lines))

    def _read_training_data(self) -> None:
        recipe = self.recipe
        images, labels = recipe.data_set.read("train")
        shape = recipe.architecture.input_shape
        kept, held = hold_out(labels, recipe.validation, recipe.seed)
        transform = recipe.data_set.transform(shape, recipe.augment)
        self.train = DataLoader(
            images[kept], labels[kept], recipe.batch_size, shuffle=True, transform=transform, seed=recipe.seed
        )
        self.validation = _in_order(images[held], labels[held], recipe) if len(held) else None

    def _make_folder(self, folder: Path) -> bool:
        """Make the folder with all that a run needs to go on, beside its place and then renamed; False where taken."""
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            for leftover in folder.parent.glob(f".{folder.name}.*{PARTIAL}"):
                _remove_abandoned(leftover)
            made = folder.with_name(f".{folder.name}.{os.getpid()}{PARTIAL}")
            made.mkdir()
        except OSError as error:
            raise OSError(f"{folder} cannot be made ({error.strerror}): name another place with --out") from None
        try:
            self._lock = _lock(made)
            self.folder = made
            description = {"recipe": self.recipe.as_dict(), "environment": environment()}
            write_text(made / "config.json", json.dumps(description, indent=2) + "\n")
            self.save()
            os.rename(made, folder)
        except BaseException as error:
            shutil.rmtree(made, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        return True


class _Saving(Callback):
    """Saves a run after each epoch, each minute within one, and when it is stopped within one."""

    def __init__(self, run: Run):
        self.run = run
        self.saved_at = monotonic()

    def on_fit_start(self, trainer: Trainer) -> None:
        self.run.write_metrics()  # lines after the checkpoint are of epochs that will be run again

    def on_batch_end(self, trainer: Trainer) -> None:
        if monotonic() - self.saved_at >= SAVE_EVERY:
            self._save()

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._save()

    def on_fit_end(self, trainer: Trainer) -> None:
        if trainer.batch:
            self._save()

    def _save(self) -> None:
        self.run.save()
        self.saved_at = monotonic()


def test_loader(recipe: Recipe) -> DataLoader:
    """The test images of a recipe's data set, as its model takes them."""
    return _in_order(*recipe.data_set.read("test"), recipe)


def _in_order(images: Array, labels: Array, recipe: Recipe) -> DataLoader:
    size = max(1, min(EVALUATION_BATCH, EVALUATION_BATCH * 32 * 32 // int(np.prod(recipe.architecture.input_shape))))
    transform = recipe.data_set.transform(recipe.architecture.input_shape)
    return DataLoader(images, labels, size, transform=transform)


def _require_vacant(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name a folder with --out")
    if (folder / "last.safetensors").is_file():
        state = load_checkpoint(folder / "last.safetensors")
        done = state.state["position"]["epoch"] if state.state else 0
        raise FileExistsError(
            f"{folder} holds a run of {state.recipe.model} on {state.recipe.data}, {done} of {state.recipe.epochs} "
            f"epochs done: go on with --resume {folder}, or name another --out"
        )
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty and holds no run: name a new folder with --out")


def _lock(folder: Path) -> IO[str]:
    """Hold the folder for this process; the system lets go of it however the process ends."""
    try:
        file = (folder / ".lock").open("a+")
    except OSError as error:
        raise OSError(f"{folder} cannot be written to ({error.strerror})") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise BlockingIOError(f"another process is training in {folder}: wait for it, or stop it") from None
    return file


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder that was never finished, unless the process that makes it still lives."""
    try:
        with _lock(folder):
            shutil.rmtree(folder)
    except BlockingIOError:
        pass
