"""When a training is stopped early, and which of its epochs is the best."""

from typing import Any

import numpy as np
import pytest

import tinycnn as tc
from tinycnn.data import DataLoader
from tinycnn.training import EarlyStopping, Trainer
from tinycnn.training.stopping import is_best, lowest_loss


def history(*losses: float) -> list[dict[str, Any]]:
    return [{"validation_loss": loss, "validation_accuracy": 0.5} for loss in losses]


def trainer(*losses: float) -> Trainer:
    model = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(2, 2))
    made = Trainer(model, tc.optim.SGD(model.parameters(), lr=1e-30))
    made.history = history(*losses)
    return made


@pytest.mark.parametrize(
    ("losses", "waited"),
    [
        ((), None),
        ((1.0,), None),
        ((1.0, 2.0), None),
        ((1.0, 2.0, 3.0), 2),
        ((3.0, 2.0, 1.0), None),
        ((1.0, 1.0, 1.0), 2),  # equal is not lower
        ((2.0, 3.0, 1.0, 1.5), None),  # the count begins anew
        ((2.0, 3.0, 1.0, 1.5, 1.2), 2),  # lower than the last is not enough
    ],
)
@pytest.mark.parametrize("event", ["on_epoch_end", "on_fit_start"])
def test_it_waits_for_patience_epochs_since_the_lowest_loss(losses, waited, event):
    watched = trainer(*losses)
    getattr(EarlyStopping(2), event)(watched)
    assert watched.stop_reason == (waited and f"the validation loss has not fallen for {waited} epochs")


def test_a_training_stands_still_for_so_many_epochs():
    model = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(2, 2))
    loader = DataLoader(np.ones((4, 2), np.float32), [0, 1, 0, 1])
    still = Trainer(model, tc.optim.SGD(model.parameters(), lr=1e-30), callbacks=[EarlyStopping(3)])
    assert len(still.fit(loader, loader, epochs=10)) == 4
    assert len(still.fit(loader, loader, epochs=10)) == 4  # and does not go on when it is asked again


def test_without_validation_it_says_what_it_misses():
    model = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(2, 2))
    blind = Trainer(model, tc.optim.SGD(model.parameters(), lr=0.1), callbacks=[EarlyStopping(3)])
    with pytest.raises(ValueError, match="give fit a validation loader"):
        blind.fit(DataLoader(np.ones((4, 2), np.float32), [0, 1, 0, 1]), epochs=2)


@pytest.mark.parametrize("patience", [0, -1, 2.5, "3"])
def test_patience_is_a_whole_number_of_epochs(patience):
    with pytest.raises((ValueError, TypeError), match="EarlyStopping: patience must be"):
        EarlyStopping(patience)


def test_the_first_of_equally_low_losses_counts():
    assert lowest_loss(history(3.0, 1.0, 2.0, 1.0)) == 1


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        ([(0.0, 9.0)], True),
        ([(0.5, 1.0), (0.6, 2.0)], True),  # accuracy counts first
        ([(0.6, 1.0), (0.5, 0.5)], False),
        ([(0.6, 1.0), (0.6, 0.9)], True),  # then the loss
        ([(0.6, 1.0), (0.6, 1.1)], False),
        ([(0.6, 1.0), (0.6, 1.0)], False),  # of equals, the first
        ([(0.7, 1.0), (0.5, 1.0), (0.6, 0.1)], False),  # better than the last is not enough
    ],
)
def test_which_epoch_is_the_best(rows, best):
    told = [{"validation_accuracy": accuracy, "validation_loss": loss} for accuracy, loss in rows]
    assert is_best(told) is best


def test_without_validation_the_last_epoch_is_the_best():
    assert is_best([{"loss": 1.0, "accuracy": 0.9}, {"loss": 2.0, "accuracy": 0.1}])
