"""A run: a recipe trained in a folder, from which it can go on after whatever stopped it.

The folder holds ``config.json``, ``metrics.jsonl`` (a line an epoch, then one with the test), ``best.safetensors``,
``last.safetensors`` and ``report.html``. ``last.safetensors`` alone says where the run stands: it is replaced as a
whole, after the best model and before the metrics, which are written anew from it. So a run that is killed at any
moment, also while it saves, goes on from the last checkpoint and ends as if nothing had happened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import Any

import numpy as np

from tinycnn.arrays import Array
from tinycnn.backend import convolution, load_kernels, require_algorithm, use_algorithm, use_backend
from tinycnn.data import DataLoader, Transform
from tinycnn.data.loader import transformed_once
from tinycnn.data.sets import hold_out
from tinycnn.gpu import allow_tf32
from tinycnn.inspect.convolutions import convolutions
from tinycnn.nn import Module
from tinycnn.optim import SGD, CosineAnnealingLR
from tinycnn.random import manual_seed
from tinycnn.storage import PARTIAL, write_text
from tinycnn.threads import cores, set_num_threads
from tinycnn.training.checkpoint import Checkpoint, load_checkpoint, save_model, save_training
from tinycnn.training.environment import differences, environment
from tinycnn.training.evaluation import Evaluation, evaluate
from tinycnn.training.folder import (
    ANOTHER,
    BEST,
    CONFIG,
    LAST,
    METRICS,
    UNFINISHED,
    Lock,
    clear,
    hold,
    one_sentence,
    remove_if_empty,
    require_vacant,
)
from tinycnn.training.recipe import Recipe
from tinycnn.training.stopping import EarlyStopping, is_best
from tinycnn.training.trainer import Callback, Trainer

SAVE_EVERY = 60  # seconds, within an epoch
EVALUATION_BATCH = 250  # images: LeNet-5 over MNIST's 10,000 takes 0.92 s; 1.15 s by 50, 1.0 s by 1000


class Run:
    """A recipe, its data, model and optimiser, and the folder that all of it is kept in.

    Make one with `start` or `resume`. Backend, algorithm, threads, TF32 and seed are set for the whole process, so
    train one run at a time.

    Attributes
    ----------
    folder, recipe
        Where, and what.
    trainer
        With the model, and the history so far.
    train, validation, test_data : DataLoader
        The images to train on, those held out of them (None where none are), and those of the test.
    changes
        What differs from the surroundings that a resumed run was started in, so that it may not end bit for bit as it
        would have there.
    """

    def __init__(self, folder: Path, recipe: Recipe):
        self.folder, self.recipe = folder, recipe
        self.changes: list[str] = []
        self._lock: Lock
        use_backend(recipe.backend)
        if recipe.algorithm != "auto":
            require_algorithm(load_kernels(recipe.backend), recipe.algorithm)
        set_num_threads(min(recipe.threads, cores()))
        manual_seed(recipe.seed)
        model = recipe.build()
        if recipe.algorithm != "auto":
            _require_that_it_can_run(recipe, model)
        use_algorithm(recipe.algorithm)
        allow_tf32(recipe.tf32)
        model.to(recipe.backend)
        optimizer = SGD(model.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay)
        stopping = [EarlyStopping(recipe.patience)] if recipe.patience else []
        self.trainer = Trainer(
            model,
            optimizer,
            CosineAnnealingLR(optimizer, recipe.epochs),
            [*stopping, _Saving(self)],
            cuda_graph=recipe.cuda_graph,
        )
        self._read_data()

    @classmethod
    def start(cls, recipe: Recipe, folder: str | Path | None = None) -> Run:
        """Make a new run, in ``folder``, or in the next free one below ``runs/``.

        Raises
        ------
        FileExistsError
            When the folder is not empty.
        BlockingIOError
            When another process is starting a run there.
        OSError
            When the data cannot be had, or the folder cannot be made; it does not exist then.
        ValueError
            When so many images are held out, or so few, that none are left on one side.
        """
        if folder is None:
            return cls._start_in_next_folder(recipe)
        folder = Path(folder)
        with one_sentence(f"{folder} cannot be made", ANOTHER):
            require_vacant(folder)  # at once, and not after the data was fetched
        run = cls(folder, recipe)
        run._make_folder(folder)
        return run

    @classmethod
    def _start_in_next_folder(cls, recipe: Recipe) -> Run:
        run, number = cls(Path(), recipe), 0
        while True:
            number += 1
            place = Path("runs") / f"{recipe.model}-{recipe.data}-{number}"
            if not place.exists():
                with suppress(FileExistsError, BlockingIOError):  # another process was quicker
                    run._make_folder(place)
                    return run

    @classmethod
    def resume(cls, folder: str | Path, backend: str | None = None) -> Run:
        """Go on with the run in ``folder``.

        Parameters
        ----------
        folder
            Of the run.
        backend
            Another one than it was started on; None for the same.

        Raises
        ------
        FileNotFoundError
            When it holds none.
        ValueError
            When its checkpoint is damaged.
        BlockingIOError
            When another process is training there.
        """
        folder = Path(folder)
        last = folder / LAST
        if not last.is_file():
            if folder.is_file():
                raise FileNotFoundError(f"{folder} is a file: give the folder that it is in")
            if not folder.exists():
                raise FileNotFoundError(f"there is no folder {folder}")
            raise FileNotFoundError(f"{folder} holds no run to go on with: there is no {LAST} in it")
        with ExitStack() as undo:
            with one_sentence(f"{folder} cannot be written to", "a run goes on in its own folder"):
                lock = hold(folder)
            undo.callback(lock.release)
            checkpoint = load_checkpoint(last)
            if checkpoint.state is None:
                raise ValueError(f"{last} holds a model alone, no state of a training to go on from")
            before = checkpoint.recipe
            recipe = before if backend is None else before.on(backend)
            run = cls(folder, recipe)
            run._lock = lock
            try:
                run.trainer.load_state_dict(checkpoint.state)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{last} does not fit its recipe, {recipe.model}: {error}") from None
            if run.trainer.history:
                run._best()
            run.changes = _changes(before.backend, checkpoint.notes["environment"], recipe.backend)
            with run._saving():
                for leftover in folder.glob(f".*{PARTIAL}"):
                    leftover.unlink()
                if not (folder / CONFIG).is_file():  # it was killed when it had just been made
                    run._write_config()
            undo.pop_all()
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
        with self._saving():
            self._lock = hold(self.folder)
        own = self.trainer.callbacks
        self.trainer.callbacks = [*own, *callbacks]
        try:
            self.trainer.fit(self.train, self.validation, self.recipe.epochs)
        finally:
            self._lock.release()
            self.trainer.callbacks = own

    def test(self) -> tuple[Checkpoint, Evaluation]:
        """Evaluate the best model on the test images, and write the result down in ``metrics.jsonl``.

        Raises
        ------
        FileNotFoundError
            When no epoch is done yet, or the best model is lost.
        ValueError
            When the file of the best model is of another run.
        """
        checkpoint = self._best()
        result = evaluate(checkpoint.build().to(self.recipe.backend), self.test_data)
        self.write_metrics({"test_loss": result.loss, "test_accuracy": result.accuracy})
        return checkpoint, result

    def save(self) -> None:
        """Write the best model, where the last epoch made it, and the state to go on from.

        Raises
        ------
        OSError
            When the folder cannot be written to; what was saved before is intact.
        """
        trainer = self.trainer
        with self._saving():
            if trainer.history and trainer.batch == 0 and is_best(trainer.history):
                save_model(self.folder / BEST, self.recipe, trainer.model.state_dict(), row=trainer.history[-1])
            save_training(self.folder / LAST, self.recipe, trainer.state_dict())
        self.write_metrics()

    def write_metrics(self, *results: dict[str, float]) -> None:
        """Write ``metrics.jsonl`` anew."""
        lines = [json.dumps(row, allow_nan=False) + "\n" for row in (*self.trainer.history, *results)]
        with self._saving():
            write_text(self.folder / METRICS, "".join(lines))

    def _best(self) -> Checkpoint:
        """The best model; refused where it is none of this run's."""
        best = load_checkpoint(self.folder)
        row, history = best.notes.get("row", {}), self.trainer.history
        epoch = row.get("epoch", 0)
        known = 0 < epoch <= len(history) and history[epoch - 1]["loss"] == row["loss"]
        is_same = best.recipe.on("numpy") == self.recipe.on("numpy")  # wherever it was trained
        if not is_same or not (known or epoch == len(history) + 1):  # killed before it was written down
            raise ValueError(
                f"{best.path} is not this run's best model: put that back, or use the last one, {self.folder / LAST}"
            )
        return best

    def _write_config(self) -> None:
        description = {"recipe": self.recipe.as_dict(), "environment": environment()}
        write_text(self.folder / CONFIG, json.dumps(description, indent=2) + "\n")

    def _saving(self) -> AbstractContextManager[None]:
        return one_sentence(
            f"the run could not be saved in {self.folder}",
            "what was saved before is intact, and once the folder can be written to again 'tinycnn train --resume "
            f"{quote(str(self.folder))}' goes on from there",
        )

    def _read_data(self) -> None:
        recipe = self.recipe
        images, labels = recipe.data_set.read("train")
        shape = recipe.architecture.input_shape
        kept, held = hold_out(labels, recipe.validation, recipe.seed)
        if not len(kept) or (recipe.validation and not len(held)):
            raise ValueError(
                f"validation={recipe.validation} holds out {len(held)} of {len(labels)} images: "
                f"give it {'less' if len(held) else 'more, or 0'}"
            )
        ready, transform = transformed_once(images[kept], recipe.data_set.transform(shape, recipe.augment))
        self.train = DataLoader(
            ready, labels[kept], recipe.batch_size, shuffle=True, transform=transform, seed=recipe.seed
        )
        ready, transform = transformed_once(images[held], recipe.data_set.transform(shape))
        self.validation = _in_order(ready, labels[held], recipe, transform) if len(held) else None
        self.test_data = loader_for_test(recipe)  # not looked at before `test`, but had: training may take long

    def _make_folder(self, folder: Path) -> None:
        """Make the folder with all that a run needs to go on; where that fails, leave nothing of it.

        It is a run from the moment on that ``last.safetensors`` is in it; what was killed before that is taken over.
        """
        with ExitStack() as undo, one_sentence(f"{folder} cannot be made", ANOTHER):
            require_vacant(folder)
            missing = [place for place in (folder, *folder.parents) if not place.exists()]
            for place in reversed(missing):
                undo.callback(remove_if_empty, place)
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = hold(folder)
            undo.callback(self._lock.release)
            require_vacant(folder)  # once more, now that no other process can take it
            undo.callback(clear, folder)
            self.folder = folder
            for leftover in folder.glob(UNFINISHED):
                leftover.unlink()
            save_training(folder / LAST, self.recipe, self.trainer.state_dict())
            self._write_config()
            write_text(folder / METRICS, "")
            undo.pop_all()


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


def _require_that_it_can_run(recipe: Recipe, model: Module) -> None:
    """Refuse an algorithm that cannot run one of the model's layers, before a folder is made."""
    with use_backend("numpy"), use_algorithm("auto"):  # where nothing need be compiled to find out
        found = convolutions(model, recipe.architecture.input_shape)
    for (layer, *_), geometry, _ in found:
        try:
            convolution(load_kernels(recipe.backend), recipe.algorithm, "forward", geometry)
        except ValueError as error:
            raise ValueError(f"layer {layer} of {recipe.model}: {error}") from None


def _changes(backend: str, surroundings: Mapping[str, Any], new_backend: str) -> list[str]:
    """What differs now from what a run was saved with, in words."""
    now = environment()
    if backend == new_backend:
        return differences(surroundings, now)
    common = {name: now[name] for name in now if name in surroundings}  # a GPU is told only where it computes
    return [f"backend was {backend} and is {new_backend}", *differences(surroundings, common)]


def loader_for_test(recipe: Recipe) -> DataLoader:
    """The test images of a recipe's data set, as its model takes them."""
    return _in_order(*recipe.data_set.read("test"), recipe, recipe.data_set.transform(recipe.architecture.input_shape))


def _in_order(images: Array, labels: Array, recipe: Recipe, transform: Transform | None) -> DataLoader:
    size = max(1, min(EVALUATION_BATCH, EVALUATION_BATCH * 32 * 32 // int(np.prod(recipe.architecture.input_shape))))
    return DataLoader(images, labels, size, transform=transform)
