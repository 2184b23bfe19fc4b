"""``tinycnn train``."""

from __future__ import annotations

import json as json_format
import signal
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import Annotated, Any

from cyclopts import Parameter

from tinycnn.cli.options import Number, Place, Whole
from tinycnn.cli.status import DONE, INTERRUPTED
from tinycnn.training import Callback, Checkpoint, Evaluation, Recipe, Run, Trainer, write_report
from tinycnn.training.progress import Progress
from tinycnn.wording import percent


def train(
    model: str | None = None,
    *,
    data: str | None = None,
    out: Place | None = None,
    resume: Place | None = None,
    epochs: Whole | None = None,
    batch_size: Whole | None = None,
    lr: Number | None = None,
    momentum: Number | None = None,
    weight_decay: Number | None = None,
    validation: Number | None = None,
    patience: Whole | None = None,
    augment: Annotated[bool | None, Parameter(negative="--no-augment")] = None,
    seed: Whole | None = None,
    backend: str | None = None,
    algorithm: str | None = None,
    threads: Whole | None = None,
    tf32: bool | None = None,
    cuda_graph: bool | None = None,
    json: bool = False,
) -> int:
    """Train a model, test it, and write a report.

    Each model and data set has a recipe of its own; options change parts of it. A run is kept in a folder and saved
    after each epoch and each minute: whatever stops it, --resume goes on exactly where it was.

    Parameters
    ----------
    model
        lenet5 (the default), lenet5-1998, vgg-small, alexnet, vgg16, …
    data
        digits (the default; comes with tinycnn), mnist, fashion-mnist or cifar10.
    out
        Folder of the run; the next free one below runs/ where not given.
    resume
        Folder of a run to go on with; on another --backend, if you like.
    epochs
        How often each image is seen.
    batch_size
        Images in a step.
    lr
        Learning rate to start from; it falls along half a cosine to 0.
    momentum
        Part of the last step that is taken again.
    weight_decay
        Strength of the pull of all weights to 0.
    validation
        Part of the training images that is held out to watch the training by, such as 0.1.
    patience
        Epochs without a lower validation loss after which to stop early; 0 for never.
    augment
        Turn, scale, shear and shift the images a little, or mirror and shift them where they are photos; anew in each
        epoch.
    seed
        Of first weights, order and all other random choices.
    backend
        Kernels to run on: numpy, numba, or cupy for a GPU; see tinycnn info.
    algorithm
        Of the convolutions: auto (by layer and pass; see tinycnn bench tune), direct, im2col, winograd, fft, or on a
        GPU implicit_gemm.
    threads
        Of the matrix products.
    tf32
        Let a GPU round the factors of products to 10 bits of mantissa, which is several times as fast.
    cuda_graph
        Let a GPU repeat a recorded step by itself, for small models without dropout.
    json
        Print the result as one JSON object on the last line.
    """
    chosen = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "validation": validation,
        "patience": patience,
        "augment": augment,
        "seed": seed,
        "backend": backend,
        "algorithm": algorithm,
        "threads": threads,
        "tf32": tf32,
        "cuda_graph": cuda_graph,
    }
    if resume is None:
        run = Run.start(
            Recipe.of("lenet5" if model is None else model, "digits" if data is None else data, **chosen), out
        )
    else:
        _refuse_more({"the model": model, "data": data, "out": out} | chosen | {"backend": None})
        run = Run.resume(resume, backend)
    _introduce(run)
    try:
        return _train_and_test(run, json)
    except KeyboardInterrupt:
        print(f"interrupted; to go on from what was saved last: tinycnn train --resume {quote(str(run.folder))}")
        return INTERRUPTED


def _train_and_test(run: Run, json: bool) -> int:
    progress, interrupt = Progress(), _Interrupt()
    try:
        run.fit(interrupt, progress)
    finally:
        progress.close()
        interrupt.close()
    if interrupt.came:
        print(f"interrupted and saved; to go on: tinycnn train --resume {quote(str(run.folder))}")
        return 128 + interrupt.came
    print(f"testing the model of the best epoch on {len(run.test_data.images):,} images", flush=True)
    checkpoint, result = run.test()
    wrong = len(result.worst)
    print(f"test accuracy {percent(result.accuracy)}: {wrong} of {len(result.labels):,} images taken for another")
    report = _report(run, checkpoint, result)
    if json:
        print(json_format.dumps(_as_json(run, result, report)))
    return DONE


def _introduce(run: Run) -> None:
    trained, held_out = run.images
    held = f", {held_out:,} held out to watch it by" if held_out else ""
    print(f"training {run.recipe.model} on {trained:,} images of {run.recipe.data}{held}")
    print(f"everything is kept in {run.folder}", flush=True)
    if run.changes:
        print(f"not as it was started, so it may not end bit for bit the same: {', '.join(run.changes)}")
    if run.trainer.epoch or run.trainer.batch:
        print(f"going on after epoch {run.trainer.epoch} of {run.recipe.epochs}, batch {run.trainer.batch}")


def _refuse_more(chosen: dict[str, Any]) -> None:
    given = [name for name, value in chosen.items() if value is not None]
    if given:
        name = given[0] if given[0].startswith("the") else f"--{given[0].replace('_', '-')}"
        raise ValueError(f"--resume goes on with a run as it was started, but for --backend: leave out {name}")


class _Interrupt(Callback):
    """Ctrl-C, or being told to end, lets the batch end, so that the run is saved; a second one does not wait."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    came = 0  # the signal that came first

    def __init__(self) -> None:
        self._previous = {number: signal.getsignal(number) for number in self.SIGNALS}

    def on_fit_start(self, trainer: Trainer) -> None:
        def stop(number: int, frame: FrameType | None) -> None:
            if self.came:
                raise KeyboardInterrupt
            self.came = number
            trainer.stop("interrupted")

        for number, handler in self._previous.items():
            if handler != signal.SIG_IGN:  # as nohup and a shell's background jobs have it, on purpose
                signal.signal(number, stop)

    def close(self) -> None:
        """Signals end the program again."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def _report(run: Run, checkpoint: Checkpoint, result: Evaluation) -> Path | None:
    path = run.folder / "report.html"
    try:
        write_report(path, recipe=run.recipe, history=run.trainer.history, checkpoint=checkpoint, evaluation=result)
    except ImportError as error:
        print(f"no report: {error}")
        return None
    except OSError as error:
        raise OSError(
            f"{path} could not be written ({error.strerror or error}): the run itself is saved, and "
            f"'tinycnn train --resume {quote(str(run.folder))}' tries again"
        ) from None
    print(f"report: {path}")
    return path


def _as_json(run: Run, result: Evaluation, report: Path | None) -> dict[str, Any]:
    return {
        "test_accuracy": result.accuracy,
        "test_loss": result.loss,
        "epochs": run.trainer.epoch,
        "stopped": run.trainer.stop_reason,
        "run": str(run.folder),
        "report": str(report) if report else None,
        "recipe": run.recipe.as_dict(),
        "history": run.trainer.history,
    }
