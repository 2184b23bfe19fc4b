"""What a training shows while it runs: a bar on a terminal, and a line for each epoch anywhere."""

from __future__ import annotations

from typing import Any

from tinycnn.training.trainer import Callback, Row, Trainer
from tinycnn.wording import percent


class Progress(Callback):
    """Prints a line when an epoch is done; where standard output is a terminal, also a bar with the time left."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, soft_wrap=True)
        self._bar: Any = None
        self._task: Any = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Put up the bar."""
        if not self._console.is_terminal:
            return
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self._bar = Bar(*columns, TimeRemainingColumn(), TextColumn("left"), console=self._console, transient=True)
        self._task = self._bar.add_task("", total=trainer.epochs * trainer.batches)
        self._bar.start()
        self.on_batch_end(trainer)

    def on_batch_end(self, trainer: Trainer) -> None:
        """Move the bar."""
        if self._bar is None:
            return
        loss = f", loss {trainer.loss_sum / trainer.images:.3f}" if trainer.images else ""
        done = trainer.epoch * trainer.batches + trainer.batch
        epoch = min(trainer.epoch + 1, trainer.epochs)
        self._bar.update(self._task, completed=done, description=f"epoch {epoch} of {trainer.epochs}{loss}")

    def on_validation_start(self, trainer: Trainer) -> None:
        """Say why the bar stands still."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"epoch {trainer.epoch + 1} of {trainer.epochs}, validation")

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Print the line."""
        print(in_words(trainer.history[-1], trainer.epochs), flush=True)  # above the bar, where there is one

    def on_fit_end(self, trainer: Trainer) -> None:
        """Take the bar down."""
        self.close()

    def close(self) -> None:
        """Take the bar down, also when the training ended in an error; twice does no harm."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def in_words(row: Row, epochs: int) -> str:
    """A row of the history in words."""
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}} of {epochs}", f"loss {row['loss']:.4f}"]
    parts.append(f"accuracy {percent(row['accuracy'])}")
    if "validation_loss" in row:
        accuracy = percent(row["validation_accuracy"])
        parts.append(f"validation loss {row['validation_loss']:.4f}, accuracy {accuracy}")
    return "   ".join([*parts, f"{row['images_per_second']:,.0f} images/s"])
