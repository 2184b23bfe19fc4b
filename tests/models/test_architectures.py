"""The published tables: shapes, parameters and multiply-adds, layer by layer."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

import tinycnn as tc
from tinycnn.inspect import summary

CONVOLUTIONS_AND_FULL_LAYERS = ("Conv2d", "ConnectedConv2d", "Linear")

# (output shape, parameters, multiply-adds) of each layer with weights, worked out by hand from the papers' tables
LENET_MODERN = [
    ((6, 28, 28), 6 * (25 + 1), 28 * 28 * 6 * 25),
    ((16, 10, 10), 16 * (6 * 25 + 1), 10 * 10 * 16 * 6 * 25),
    ((120, 1, 1), 120 * (16 * 25 + 1), 120 * 16 * 25),
    ((84,), 84 * (120 + 1), 84 * 120),
    ((10,), 10 * (84 + 1), 10 * 84),
]
ALEXNET_2012 = [
    ((96, 55, 55), 96 * (3 * 121 + 1), 55 * 55 * 96 * 3 * 121),
    ((256, 27, 27), 256 * (48 * 25 + 1), 27 * 27 * 256 * 48 * 25),
    ((384, 13, 13), 384 * (256 * 9 + 1), 13 * 13 * 384 * 256 * 9),
    ((384, 13, 13), 384 * (192 * 9 + 1), 13 * 13 * 384 * 192 * 9),
    ((256, 13, 13), 256 * (192 * 9 + 1), 13 * 13 * 256 * 192 * 9),
    ((4096,), 4096 * (9216 + 1), 4096 * 9216),
    ((4096,), 4096 * (4096 + 1), 4096 * 4096),
    ((1000,), 1000 * (4096 + 1), 1000 * 4096),
]
ALEXNET_SINGLE = [
    ALEXNET_2012[0],
    ((256, 27, 27), 256 * (96 * 25 + 1), 27 * 27 * 256 * 96 * 25),
    ALEXNET_2012[2],
    ((384, 13, 13), 384 * (384 * 9 + 1), 13 * 13 * 384 * 384 * 9),
    ((256, 13, 13), 256 * (384 * 9 + 1), 13 * 13 * 256 * 384 * 9),
    *ALEXNET_2012[5:],
]
ALEXNET_ONE_WEIRD_TRICK = [
    ((64, 55, 55), 64 * (3 * 121 + 1), 55 * 55 * 64 * 3 * 121),
    ((192, 27, 27), 192 * (64 * 25 + 1), 27 * 27 * 192 * 64 * 25),
    ((384, 13, 13), 384 * (192 * 9 + 1), 13 * 13 * 384 * 192 * 9),
    ((256, 13, 13), 256 * (384 * 9 + 1), 13 * 13 * 256 * 384 * 9),
    ((256, 13, 13), 256 * (256 * 9 + 1), 13 * 13 * 256 * 256 * 9),
    *ALEXNET_2012[5:],
]


def vgg_rows(*blocks):
    """Blocks of (channels, kernel) pairs on 224, 112, 56, 28 and 14 pixels, then the three full layers."""
    rows, channels = [], 3
    for block, size in zip(blocks, (224, 112, 56, 28, 14), strict=True):
        for wide, kernel in block:
            rows.append(((wide, size, size), wide * (channels * kernel**2 + 1), size**2 * wide * channels * kernel**2))
            channels = wide
    for out, inputs in ((4096, 25088), (4096, 4096), (1000, 4096)):
        rows.append(((out,), out * (inputs + 1), out * inputs))
    return rows


def small_rows():
    """Seven convolutions of 3x3 without biases, on 32, 16 and 8 pixels; the layer of logits on 96 averages."""
    rows, channels = [], 3
    for wide, size in ((24, 32), (24, 32), (48, 16), (48, 16), (96, 8), (96, 8), (96, 8)):
        rows.append(((wide, size, size), wide * channels * 9, size**2 * wide * channels * 9))
        channels = wide
    return [*rows, ((10,), 10 * (96 + 1), 10 * 96)]


def three(*channels):
    return [(wide, 3) for wide in channels]


VGG_A = vgg_rows(three(64), three(128), three(256, 256), three(512, 512), three(512, 512))
VGG_B = vgg_rows(three(64, 64), three(128, 128), three(256, 256), three(512, 512), three(512, 512))
VGG_C = vgg_rows(
    three(64, 64),
    three(128, 128),
    [*three(256, 256), (256, 1)],
    [*three(512, 512), (512, 1)],
    [*three(512, 512), (512, 1)],
)
VGG_D = vgg_rows(three(64, 64), three(128, 128), three(*[256] * 3), three(*[512] * 3), three(*[512] * 3))
VGG_E = vgg_rows(three(64, 64), three(128, 128), three(*[256] * 4), three(*[512] * 4), three(*[512] * 4))

TABLES = {
    "lenet5": (lambda: tc.models.lenet5(), (1, 32, 32), LENET_MODERN, 61_706, 0.00083),
    "alexnet": (lambda: tc.models.alexnet(), (3, 227, 227), ALEXNET_2012, 60_965_224, 1.449),
    "alexnet single": (lambda: tc.models.alexnet("single"), (3, 227, 227), ALEXNET_SINGLE, 62_378_344, None),
    "alexnet one_weird_trick": (
        lambda: tc.models.alexnet("one_weird_trick"),
        (3, 224, 224),
        ALEXNET_ONE_WEIRD_TRICK,
        61_100_840,
        None,
    ),
    "vgg11": (tc.models.vgg11, (3, 224, 224), VGG_A, 132_863_336, 15.2),
    "vgg11_lrn": (tc.models.vgg11_lrn, (3, 224, 224), VGG_A, 132_863_336, 15.2),
    "vgg13": (tc.models.vgg13, (3, 224, 224), VGG_B, 133_047_848, None),
    "vgg16_1x1": (tc.models.vgg16_1x1, (3, 224, 224), VGG_C, 133_638_952, None),
    "vgg16": (tc.models.vgg16, (3, 224, 224), VGG_D, 138_357_544, 30.9),
    "vgg19": (tc.models.vgg19, (3, 224, 224), VGG_E, 143_667_240, 39.3),
    "vgg_small": (tc.models.vgg_small, (3, 32, 32), small_rows(), 246_130, 0.0544),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_layer_has_the_published_shape_parameters_and_multiply_adds(name):
    build, input_shape, rows, parameters, gigaflops = TABLES[name]
    model = build()
    found = summary(model, input_shape)
    with_weights = [layer for layer in found.layers if layer.kind in CONVOLUTIONS_AND_FULL_LAYERS]
    assert [(x.output_shape, x.parameters, x.multiply_adds) for x in with_weights] == rows
    assert found.parameters == parameters == sum(p.size for p in model.parameters())
    assert found.multiply_adds == sum(row[2] for row in rows)
    if gigaflops is not None:
        digits = 3 if gigaflops > 10 else 4
        assert float(f"{2 * found.multiply_adds / 1e9:.{digits}g}") == pytest.approx(gigaflops, rel=5e-3)


def test_lenet_of_1998_has_the_papers_60_000_parameters_layer_by_layer():
    model = tc.models.lenet5("1998")
    counts = {name: sum(p.size for p in child.parameters()) for name, child in model.children()}
    assert {name: n for name, n in counts.items() if n} == {
        "c1": 156,
        "s2": 12,
        "c3": 1516,
        "s4": 32,
        "c5": 48_120,
        "f6": 10_164,
    }
    assert sum(counts.values()) == 60_000


@functools.cache
def torchvision_keys():
    return json.loads(Path(__file__).with_name("torchvision_keys.json").read_text())


@pytest.mark.parametrize("name", list(torchvision_keys()))
def test_keys_and_shapes_are_torchvisions(name):
    if name == "alexnet":
        model = tc.models.alexnet("one_weird_trick")
    else:
        model = getattr(tc.models, name.removesuffix("_bn"))(batch_norm=name.endswith("_bn"))
    assert {key: list(array.shape) for key, array in model.state_dict().items()} == torchvision_keys()[name]


PARAMETERS_WITH_BATCH_NORM = {
    "vgg11": 132_868_840,
    "vgg13": 133_053_736,
    "vgg16": 138_365_992,
    "vgg19": 143_678_248,
}


@pytest.mark.parametrize("name", PARAMETERS_WITH_BATCH_NORM)
def test_parameters_with_batch_norm_are_torchvisions(name):
    model = getattr(tc.models, name)(batch_norm=True)
    assert sum(p.size for p in model.parameters()) == PARAMETERS_WITH_BATCH_NORM[name]


def test_pooling_and_normalisation_shapes_of_alexnet():
    found = summary(tc.models.alexnet(num_classes=2), (3, 227, 227))
    shapes = {layer.name: layer.output_shape for layer in found.layers if "Pool" in layer.kind}
    assert shapes == {"features.3": (96, 27, 27), "features.7": (256, 13, 13), "features.14": (256, 6, 6)}
    kinds = [layer.kind for layer in found.layers[:4]]
    assert kinds == ["Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"]


def test_the_two_towers_of_2012_meet_only_at_conv3_and_the_full_layers():
    model = tc.models.alexnet(num_classes=2)
    groups = [layer.groups for layer in model.features if isinstance(layer, tc.nn.Conv2d)]
    assert groups == [1, 2, 1, 2, 2]


def test_alexnet_starts_as_its_paper_says():
    tc.manual_seed(0)
    model = tc.models.alexnet()
    biases = [float(layer.bias.data.mean()) for layer in model.features if isinstance(layer, tc.nn.Conv2d)]
    biases += [float(layer.bias.data.mean()) for layer in model.classifier if isinstance(layer, tc.nn.Linear)]
    assert biases == [0, 1, 0, 1, 1, 1, 1, 0]
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            assert abs(parameter.data.std() - 0.01) < 3e-4
            assert abs(parameter.data.mean()) < 3e-4


def test_small_vgg_normalises_each_convolution_and_starts_by_hes_rule():
    tc.manual_seed(0)
    model = tc.models.vgg_small(num_classes=7)
    kinds = [type(layer).__name__ for layer in model.features]
    block = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds == [*block * 2, "MaxPool2d", *block * 2, "MaxPool2d", *block * 3]
    for layer in model.features:
        if isinstance(layer, tc.nn.Conv2d):
            assert layer.bias is None
            K, _, R, S = layer.weight.shape
            assert layer.weight.data.std() == pytest.approx((2 / (K * R * S)) ** 0.5, rel=0.1)
    assert model(tc.Tensor(np.zeros((2, 3, 40, 24), np.float32))).shape == (2, 7)


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (3, 32, 32), (2, 3, 3, 32)])
def test_small_vgg_tells_what_it_takes(shape):
    with pytest.raises(ValueError, match=r"^vgg_small expected input \(N, 3, 32, 32\), or another size from 4 on, got"):
        tc.models.vgg_small()(tc.Tensor(np.zeros(shape, np.float32)))


def test_unknown_variants_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match='lenet5: variant must be "modern" or "1998", got \'2012\''):
        tc.models.lenet5("2012")
    with pytest.raises(ValueError, match='alexnet: variant must be "2012", "single" or "one_weird_trick", got \'v2\''):
        tc.models.alexnet("v2")
    with pytest.raises(ValueError, match="codes for ten digits, got num_classes=26"):
        tc.models.lenet5("1998", num_classes=26)


def test_lenet_tells_how_to_pad_mnist():
    images = tc.Tensor(np.zeros((2, 1, 28, 28), np.float32))
    with pytest.raises(ValueError, match=r"expected input \(N, 1, 32, 32\), got \(2, 1, 28, 28\): pad MNIST's 28x28"):
        tc.models.lenet5()(images)
