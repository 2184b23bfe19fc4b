"""Early stopping."""

from __future__ import annotations

from collections.abc import Sequence

from tinycnn import checks
from tinycnn.training.trainer import Callback, Row, Trainer


class EarlyStopping(Callback):
    """Stops a training whose validation loss has not fallen for ``patience`` epochs.

    Parameters
    ----------
    patience
        Epochs to wait for a lower loss, at least 1.

    Raises
    ------
    TypeError, ValueError
        For another ``patience``; and, while training, when there is no validation to watch.

    Notes
    -----
    Prechelt (1998), Early Stopping — But When?, the class UP of its criteria with strips of one epoch is close to this.
    """

    def __init__(self, patience: int):
        self.patience = checks.count("EarlyStopping", "patience", patience, least=1)

    def on_fit_start(self, trainer: Trainer) -> None:
        """A training that had stopped does not go on when it is resumed."""
        self.on_epoch_end(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Count the epochs since the lowest loss."""
        waited = len(trainer.history) - 1 - lowest_loss(trainer.history) if trainer.history else 0
        if waited >= self.patience:
            trainer.stop(f"the validation loss has not fallen for {waited} epochs")


def lowest_loss(history: Sequence[Row]) -> int:
    """Index of the first epoch with the lowest validation loss.

    Raises
    ------
    ValueError
        When there was no validation.
    """
    if not all("validation_loss" in row for row in history):
        raise ValueError("early stopping watches the validation loss: give fit a validation loader")
    losses = [row["validation_loss"] for row in history]
    return losses.index(min(losses))


def is_best(history: Sequence[Row]) -> bool:
    """Whether the last epoch is the best so far: by validation accuracy, then loss; without validation it always is."""
    if "validation_loss" not in history[-1]:
        return True
    rank = [(row["validation_accuracy"], -row["validation_loss"]) for row in history]
    return rank[-1] > max(rank[:-1], default=(-1.0, 0.0))
