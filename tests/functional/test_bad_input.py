"""Bad input to operations and models: one sentence that names the value, what was expected and the nearest fix."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.backends import to_backend


def of(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def labels(*values):
    return np.array(values)


REFUSED = {
    # wrong rank, channels last, weights that do not fit
    "grey image": (lambda: F.conv2d(of(28, 28), of(6, 1, 5, 5)), "one grey image is x.reshape(1, 1, 28, 28)"),
    "grey batch": (lambda: F.conv2d(of(64, 28, 28), of(6, 1, 5, 5)), "grey images is x.reshape(64, 1, 28, 28)"),
    "one RGB image": (lambda: F.conv2d(of(3, 8, 9), of(6, 3, 5, 5)), "one image is x.reshape(1, 3, 8, 9)"),
    "channels last": (lambda: F.conv2d(of(1, 28, 28, 3), of(6, 3, 5, 5)), "x.permute(0, 3, 1, 2) puts them first"),
    "one image, channels last": (lambda: F.max_pool2d(of(28, 28, 3), 2), "channels last is x.permute(2, 0, 1)"),
    "flat kernel": (lambda: F.conv2d(of(1, 1, 8, 8), of(5, 5)), "is w.reshape(1, 1, 5, 5)"),
    "channels": (lambda: F.conv2d(of(1, 3, 8, 8), of(4, 1, 3, 3)), "has 3; with groups=3 it would fit"),
    "bias": (lambda: F.conv2d(of(1, 1, 8, 8), of(4, 1, 3, 3), of(3)), "one value for each of 4 channels, got (3,)"),
    "signal": (lambda: F.conv1d(of(9), of(1, 1, 3)), "one signal is x.reshape(1, 1, 9)"),
    "unflattened": (lambda: F.linear(of(2, 3, 4, 4), of(10, 48)), "flatten first, x.flatten(start_dim=1)"),
    "transposed weight": (lambda: F.linear(of(2, 3), of(3, 4)), "the weight looks transposed, it is (out, in)"),
    "matrix product": (lambda: tc.Tensor(of(2, 3)) @ of(2, 3), "3 columns meet 2 rows"),
    "row": (lambda: F.local_response_norm(of(3), 5), "one row is x.reshape(1, -1)"),
    # wrong dtype
    "pixels": (lambda: F.conv2d(of(1, 1, 8, 8, dtype=np.uint8), of(4, 1, 3, 3)), "x.astype(np.float32) / 255"),
    "integers": (lambda: F.relu(of(3, dtype=np.int64)), "expected a floating-point input, got int64"),
    "mixed": (
        lambda: F.conv2d(of(1, 1, 8, 8), of(4, 1, 3, 3, dtype=np.float64)),
        "got input float32, weight float64: bring them to one dtype",
    ),
    "text": (lambda: F.conv2d("abc", of(4, 1, 3, 3)), "a Tensor holds real numbers, got dtype <U3"),
    "complex": (lambda: F.relu(np.array([1j])), "a Tensor holds real numbers, got dtype complex128"),
    "ragged": (lambda: tc.Tensor([[1, 2], [3]]), "a Tensor needs rows of equal length, got a ragged list"),
    # labels
    "label too large": (
        lambda: F.cross_entropy(of(4, 10), labels(0, 1, 2, 10)),
        "target 10 at index 3 is no class: with 10 logits the classes are 0 to 9",
    ),
    "label negative": (lambda: F.cross_entropy(of(1, 10), labels(-1)), "target -1 at index 0 is no class"),
    "float labels": (lambda: F.cross_entropy(of(4, 10), of(4)), "targets.astype(np.int64) if they are class numbers"),
    "probabilities": (lambda: F.cross_entropy(of(4, 10), of(4, 10)), "for probabilities use kl_div"),
    "one-hot": (lambda: F.cross_entropy(of(4, 10), np.eye(4, 10, dtype=int)), "targets.argmax(axis=1)"),
    "label column": (lambda: F.cross_entropy(of(2, 3), labels([0], [1])), "targets.reshape(-1) drops the extra axis"),
    "all ignored": (lambda: F.cross_entropy(of(2, 3), labels(-100, -100)), "every target is ignore_index (-100)"),
    "reduction": (
        lambda: F.cross_entropy(of(1, 3), labels(0), reduction="avg"),
        "reduction must be one of 'none', 'mean', 'sum', got 'avg'",
    ),
    "broadcast loss": (lambda: F.mse_loss(of(4, 1), of(4)), "target.reshape(4, 1) lines them up"),
    # nothing to work on
    "empty batch": (lambda: F.cross_entropy(of(0, 3), labels().astype(int)), "the batch is empty, so there is no mean"),
    "empty mean": (lambda: tc.Tensor(of(0, 3)).mean(dim=0), "has nothing to average"),
    "empty max": (lambda: tc.Tensor(of(0)).max(), "has nothing to compare"),
    "no cells": (lambda: F.global_max_pool2d(of(1, 1, 0, 4)), "an image of 0x4 has no cells to pool"),
    "no rows": (lambda: F.conv2d(of(1, 1, 0, 8), of(4, 1, 3, 3)), "the input has no cells (0x8)"),
    "no weights": (lambda: F.conv2d(of(1, 0, 8, 8), of(4, 0, 3, 3)), "weight of shape (4, 0, 3, 3) is empty"),
    "no classes": (lambda: F.softmax(of(2, 0)), "is empty: there is no class to choose from"),
    "one value": (lambda: F.batch_norm(of(1, 3), training=True), "needs two values or more in each channel"),
    # numbers out of range
    "dropout": (lambda: F.dropout(of(3), 1.5), "p is the probability of dropping, from 0 to 1, got 1.5"),
    "norm": (lambda: F.lp_pool2d(of(1, 1, 4, 4), 0, 2), "norm_type must be a finite number of at least 1, got 0"),
    "smoothing": (
        lambda: F.cross_entropy(of(1, 3), labels(0), label_smoothing=2),
        "label_smoothing is a part, from 0 to 1, got 2",
    ),
    "axis": (lambda: F.softmax(of(2, 3), 2), "dim 2 does not exist in a tensor of 2 axes"),
    "unpool positions": (
        lambda: F.max_unpool2d(of(1, 1, 1, 1), np.full((1, 1, 1, 1), 99), 2),
        "indices from 99 to 99 do not all lie in a 2x2 output",
    ),
    "unpool dtype": (lambda: F.max_unpool2d(of(1, 1, 1, 1), of(1, 1, 1, 1), 2), "pass what max_pool2d("),
    "loss weights": (
        lambda: F.binary_cross_entropy_with_logits(of(3), of(3), weight=of(3, 1)),
        "weight must broadcast to the input's shape (3,), got (3, 1)",
    ),
    "negative probability": (
        lambda: F.kl_div(of(2), np.array([0.5, -0.5], np.float32)),
        "a target of -0.5 is no probability; log_target=True",
    ),
    "lone pad": (lambda: F.pad(of(2, 2), 1), "pad takes (left, right, top, bottom), got 1: write (1, 1, 1, 1)"),
    "argmax axis": (lambda: tc.Tensor(of(2, 3)).argmax(dim=3), "argmax: dim 3 does not exist"),
    "argmax of nothing": (lambda: tc.Tensor(of(0)).argmax(), "has nothing to compare"),
    "no logits": (lambda: F.cross_entropy(of(2, 0), labels(0, 0)), "logits of shape (2, 0) have no classes"),
    "no features": (lambda: F.linear(of(3), of(2, 0)), "linear with weight (2, 0) takes input (…, 0), got (3,)"),
    "statistics": (
        lambda: F.batch_norm(of(2, 3), np.zeros(3, int), of(3)),
        "running_mean must be floating-point of shape (3,), got int64",
    ),
    "listed statistics": (lambda: F.batch_norm(of(2, 3), [0.0] * 3, of(3)), "must be an array or a Tensor, got list"),
    "weightless classes": (
        lambda: F.cross_entropy(of(1, 2), labels(0), weight=np.array([0.0, 1.0])),
        "every target has a class of weight 0",
    ),
    "epsilon": (lambda: F.batch_norm(of(2, 3), training=True, eps=-1), "must not be negative, got -1"),
    "transposed groups": (
        lambda: F.conv_transpose2d(of(1, 3, 4, 4), of(3, 2, 2, 2), groups=2),
        "groups=2 does not divide the 3 input channels",
    ),
    "signal channels": (lambda: F.conv1d(of(1, 2, 9), of(4, 3, 3)), "conv1d, as images of one row: the weight"),
    # models
    "MNIST": (lambda: tc.models.lenet5()(of(2, 28, 28)), "F.pad(x.reshape(-1, 1, 28, 28), (2, 2, 2, 2))"),
    "224 for AlexNet": (
        lambda: tc.models.alexnet(num_classes=2)(of(1, 3, 224, 224)),
        "(N, 3, 227, 227), got (1, 3, 224, 224): the paper says 224, its arithmetic needs 227",
    ),
    "small for VGG": (lambda: tc.models.vgg11(num_classes=2)(of(1, 3, 16, 16)), "or another size from 32 on"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_gets_one_sentence_that_guesses_the_mistake(name):
    call, sentence = REFUSED[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    message = str(caught.value)
    assert sentence in message
    assert "\n" not in message


def test_a_refused_target_leaves_no_gradient_behind():
    layer = tc.nn.Linear(4, 3)
    with pytest.raises(ValueError, match="is no class"):
        F.cross_entropy(layer(to_backend(of(2, 4))), to_backend(labels(0, 3))).backward()
    assert layer.weight.grad is None
