"""Layers: each is its function with its own settings and parameters."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn import nn


@pytest.fixture
def images(rng):
    return tc.Tensor(rng.standard_normal((2, 4, 9, 8), dtype=np.float32))


def same(a, b):
    np.testing.assert_array_equal(a.data, b.data)


def test_convolutions_pass_every_setting_on(images):
    layer = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)
    same(layer(images), F.conv2d(images, layer.weight, layer.bias, (2, 1), (1, 0), (1, 2), 2))
    layer = nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2)
    assert layer.weight.shape == (4, 3, 3, 3)
    same(layer(images), F.conv_transpose2d(images, layer.weight, layer.bias, 2, 1, 1, 2, 2))
    signal = images.reshape(2, 4, 72)
    layer = nn.Conv1d(4, 6, 5, stride=3, padding=2, dilation=2, groups=2)
    same(layer(signal), F.conv1d(signal, layer.weight, layer.bias, 3, 2, 2, 2))
    same(nn.Conv2d(4, 2, 1, bias=False)(images).sum() * 0, tc.Tensor(0.0))


def test_pooling_layers_pass_every_setting_on(images):
    same(nn.MaxPool2d(3, 2, 1, True)(images), F.max_pool2d(images, 3, 2, 1, True))
    same(nn.MinPool2d(3, 2, 1, True)(images), F.min_pool2d(images, 3, 2, 1, True))
    same(nn.AvgPool2d(3, 2, 1, True, False)(images), F.avg_pool2d(images, 3, 2, 1, True, False))
    same(nn.LPPool2d(3, 3, 2, True)(images), F.lp_pool2d(images, 3, 3, 2, True))
    same(nn.AdaptiveAvgPool2d((3, 2))(images), F.adaptive_avg_pool2d(images, (3, 2)))
    same(nn.GlobalAvgPool2d()(images), F.global_avg_pool2d(images))
    same(nn.GlobalMaxPool2d()(images), F.global_max_pool2d(images))
    values, where = nn.MaxPool2d(2, return_indices=True)(images)
    same(nn.MaxUnpool2d(2)(values, where, images.shape), F.max_unpool2d(values, where, 2, output_size=(9, 8)))


def test_activation_and_shape_layers_pass_every_setting_on(images):
    same(nn.ReLU()(images), F.relu(images))
    same(nn.LeakyReLU(0.3)(images), F.leaky_relu(images, 0.3))
    same(nn.Tanh()(images), F.tanh(images))
    same(nn.Sigmoid()(images), F.sigmoid(images))
    same(nn.Softmax(1)(images), F.softmax(images, 1))
    same(nn.LogSoftmax(1)(images), F.log_softmax(images, 1))
    same(nn.Flatten()(images), images.reshape(2, -1))
    same(nn.Flatten(2)(images), images.reshape(2, 4, -1))
    same(nn.ZeroPad2d((1, 2, 3, 0))(images), F.pad(images, (3, 0, 1, 2)))
    assert nn.Identity()(images) is images


def test_normalisation_layers_pass_every_setting_on(images):
    same(
        nn.LocalResponseNorm(3, 0.1, 0.5, 2.0, average=False)(images),
        F.local_response_norm(images, 3, 0.1, 0.5, 2.0, False),
    )
    layer = nn.BatchNorm2d(4, eps=1e-3, momentum=0.3)
    mean, variance = np.zeros(4, np.float32), np.ones(4, np.float32)
    same(layer(images), F.batch_norm(images, mean, variance, layer.weight, layer.bias, True, 0.3, 1e-3))
    np.testing.assert_array_equal(layer.running_mean, mean)
    np.testing.assert_array_equal(layer.running_var, variance)
    layer.eval()
    same(layer(images), F.batch_norm(images, mean, variance, layer.weight, layer.bias, False, 0.3, 1e-3))
    assert layer.num_batches_tracked == 1


def test_losses_pass_every_setting_on(rng):
    logits, labels = tc.Tensor(rng.standard_normal((4, 3))), np.array([0, 2, 1, 2])
    weight = np.array([1.0, 2.0, 3.0])
    same(
        nn.CrossEntropyLoss(weight, 1, "sum", 0.1)(logits, labels),
        F.cross_entropy(logits, labels, weight, 1, "sum", 0.1),
    )
    x, t = tc.Tensor(rng.standard_normal((4, 3))), tc.Tensor(rng.uniform(0.1, 1, (4, 3)))
    same(nn.MSELoss("sum")(x, t), F.mse_loss(x, t, "sum"))
    same(
        nn.BCEWithLogitsLoss(weight, "none", weight)(x, t),
        F.binary_cross_entropy_with_logits(x, t, weight, "none", weight),
    )
    same(nn.MultiLabelSoftMarginLoss(weight, "sum")(x, t), F.multilabel_soft_margin_loss(x, t, weight, "sum"))
    same(nn.KLDivLoss("batchmean", True)(x, t), F.kl_div(x, t, "batchmean", True))


def test_dropout_drops_in_training_only(images):
    tc.manual_seed(5)
    layer = nn.Dropout(0.5)
    assert (layer(images).data == 0).mean() == pytest.approx(0.5, abs=0.1)
    assert layer.eval()(images) is images
    with pytest.raises(ValueError, match="from 0 to 1, got 2"):
        nn.Dropout(2)


def test_the_same_seed_gives_the_same_weights_and_masks():
    runs = []
    for _ in range(2):
        tc.manual_seed(42)
        layer = nn.Conv2d(3, 4, 3)
        runs.append((layer.weight.data, F.dropout(tc.Tensor(np.ones(1000, np.float32))).data))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    other = nn.Conv2d(3, 4, 3).weight.data
    assert not np.array_equal(runs[0][0], other)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "groups=2 must divide the 3 input and the 4 output channels"),
        (lambda: nn.Conv2d(0, 4, 3), "in_channels must be at least 1, got 0"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), "kernel_size must be an int or 2 of them"),
        (lambda: nn.Linear(3, 2.5), "out_features must be an int, got 2.5"),
        (lambda: nn.BatchNorm2d(-1), "num_features must be at least 1, got -1"),
    ],
)
def test_impossible_sizes_are_refused_when_the_layer_is_made(build, message):
    with pytest.raises((ValueError, TypeError), match=message):
        build()


def test_batch_norm_refuses_other_channels_and_ranks():
    with pytest.raises(ValueError, match=r"BatchNorm2d\(4\) expected input of 4 axes with 4 channels"):
        nn.BatchNorm2d(4)(tc.Tensor(np.zeros((2, 3, 5, 5))))
    with pytest.raises(ValueError, match="of 2 or 3 axes"):
        nn.BatchNorm1d(4)(tc.Tensor(np.zeros((2, 4, 5, 5))))


def test_manual_seed_takes_unsigned_64_bit_integers():
    for seed in (-1, 2**64, 1.5, "1"):
        with pytest.raises(ValueError, match="manual_seed takes an integer from 0"):
            tc.manual_seed(seed)
