"""What an evaluation says, by numbers worked out by hand, and that it leaves the model as it was."""

from typing import Any

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.data import DataLoader
from tinycnn.random import default_generator
from tinycnn.training import Evaluation, evaluate

LOGITS = np.array([[2, 0, 0], [0, 1, 0], [0, 3, 0], [0, 0, 0.5], [5, 0, 0]], np.float32)
LABELS = np.array([0, 1, 2, 0, 1])  # right, right, wrong, wrong, wrong


class Echo(tc.nn.Module):
    """Its outputs are its images."""

    def forward(self, x: Any) -> tc.Tensor:
        return tc.Tensor(x)


def test_all_of_it_by_hand():
    result = evaluate(Echo(), DataLoader(LOGITS, LABELS, 2))
    losses = [np.log(np.exp(row).sum()) - row[label] for row, label in zip(LOGITS, LABELS, strict=True)]
    assert result.loss == pytest.approx(np.mean(losses), rel=1e-6)  # with batches of 2, 2 and 1
    assert np.mean([np.mean(losses[:2]), np.mean(losses[2:4]), losses[4]]) != pytest.approx(result.loss, rel=1e-2)
    assert result.labels.tolist() == LABELS.tolist()
    np.testing.assert_allclose(result.probabilities, np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True), rtol=1e-5)
    assert result.predictions.tolist() == [0, 1, 1, 2, 0]
    assert result.accuracy == 2 / 5
    assert result.confusion.tolist() == [[1, 0, 1], [1, 1, 0], [0, 1, 0]]  # row: the class it is of
    assert result.worst.tolist() == [4, 2, 3]  # the surest mistake first


def test_confusion_has_a_row_for_each_class_though_some_are_absent():
    result = Evaluation(0.0, np.array([0, 0]), np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]]))
    assert result.confusion.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_labels_of_one_byte_do_not_overflow():
    classes = np.arange(20, dtype=np.uint8)
    result = evaluate(Echo(), DataLoader(np.eye(20, dtype=np.float32), classes, 20))
    assert (result.confusion == np.eye(20)).all()  # 19 · 20 + 19 is more than a byte holds


def test_the_number_of_images_in_a_batch_does_not_matter():
    results = [evaluate(Echo(), DataLoader(LOGITS, LABELS, size)) for size in (1, 2, 3, 5)]
    for result in results[1:]:
        assert result.loss == pytest.approx(results[0].loss, rel=1e-6)
        assert (result.probabilities == results[0].probabilities).all()


def network() -> tc.nn.Sequential:
    return tc.nn.Sequential(tc.nn.BatchNorm2d(1), tc.nn.Flatten(), tc.nn.Dropout(0.5), tc.nn.Linear(4, 3))


def test_it_takes_no_random_numbers_and_moves_no_statistics():
    model = network()
    before, calls = model.state_dict(), default_generator.calls
    images = np.random.default_rng(0).normal(3, 1, (6, 1, 2, 2)).astype(np.float32)
    loader = DataLoader(images, np.zeros(6, int), 4)
    first = evaluate(model, loader)
    assert default_generator.calls == calls
    assert all((array == before[name]).all() for name, array in model.state_dict().items())
    assert (evaluate(model, loader).probabilities == first.probabilities).all()
    expected = F.softmax(model.eval()(images)).data
    np.testing.assert_allclose(first.probabilities, expected, rtol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_each_module_is_in_its_own_mode_again(training):
    model = network().train(training)
    model[0].eval()  # statistics that were frozen on purpose
    images = np.zeros((2, 1, 2, 2), np.float32)
    evaluate(model, DataLoader(images, [0, 1]))
    assert [module.training for module in model] == [False, training, training, training]
    with pytest.raises(ValueError, match="channels"):
        evaluate(model, DataLoader(np.zeros((2, 2, 1, 2), np.float32), [0, 1]))
    assert [module.training for module in model] == [False, training, training, training]
    assert model.training is training


def test_no_graph_is_kept():
    kept: list[tc.Tensor] = []

    class Keep(tc.nn.Module):
        def __init__(self) -> None:
            self.scale = tc.nn.Parameter(np.ones(3, np.float32))

        def forward(self, x: Any) -> tc.Tensor:
            kept.append(self.scale * x)
            return kept[-1]

    evaluate(Keep(), DataLoader(LOGITS, LABELS))
    assert kept[0].creator is None


def test_a_model_with_a_loss_and_logits_of_its_own():
    class Distances(Echo):
        def loss(self, outputs: tc.Tensor, targets: Any) -> tc.Tensor:
            return (outputs * outputs).mean()

        def logits(self, outputs: tc.Tensor) -> tc.Tensor:
            return -outputs

    result = evaluate(Distances(), DataLoader(LOGITS, LABELS, 2))
    assert result.loss == pytest.approx((LOGITS**2).mean(), rel=1e-6)
    assert result.predictions.tolist() == LOGITS.argmin(axis=1).tolist()
