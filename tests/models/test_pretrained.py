"""The models that come trained: their recipe, their size, their keys, and the accuracy that is stated for them."""

from itertools import pairwise

import numpy as np
import pytest
from safetensors import safe_open

import tinycnn as tc
from tests.oracles import data_file, oracle
from tinycnn.models import pretrained_path
from tinycnn.models.pretrained import FILES
from tinycnn.training import evaluate, load_checkpoint
from tinycnn.training.report import command
from tinycnn.training.run import loader_for_test

COMMANDS = {
    "lenet5": "tinycnn train lenet5 --data mnist --epochs 20 --augment --seed 0 --backend numpy --threads 1",
    "vgg-small": "tinycnn train vgg-small --data cifar10 --seed 0 --threads 2",
}


@pytest.fixture(scope="module")
def small():
    return load_checkpoint(pretrained_path("vgg-small"))


@pytest.mark.parametrize("name", FILES)
def test_each_is_a_model_alone_of_less_than_a_megabyte_with_the_command_that_makes_it(name, monkeypatch):
    monkeypatch.setitem(tc.training.recipe.DEFAULTS, "backend", "numba")
    checkpoint = load_checkpoint(pretrained_path(name))
    assert checkpoint.recipe.model == name
    assert command(checkpoint.recipe) == COMMANDS[name]
    assert checkpoint.state is None
    assert pretrained_path(name).stat().st_size <= 1_000_000


def test_keys_and_shapes_are_those_of_a_new_model(small):
    expected = {key: array.shape for key, array in tc.models.vgg_small().state_dict().items()}
    with safe_open(pretrained_path("vgg-small"), "np") as file:
        found = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    assert {key.removeprefix("model/"): array.shape for key, array in found.items()} == expected
    assert expected["features.17.weight"] == (96, 96, 3, 3)
    assert {array.dtype for key, array in found.items() if "num_batches" not in key} == {np.dtype(np.float32)}


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"^unknown trained model 'vgg_small': did you mean vgg-small\?$"):
        pretrained_path("vgg_small")


def test_vgg_small_reads_photos_that_it_has_not_seen(small):
    data_file("cifar10/cifar10-train-jpeg.tar.gz")
    oracle("PIL.Image")
    loader = loader_for_test(small.recipe)
    loader.images, loader.labels = loader.images[::10], loader.labels[::10]  # of each class as many
    assert evaluate(small.build(), loader).accuracy == pytest.approx(0.8574, abs=0.02)


def test_pytorch_computes_the_same_from_the_weights(small, rng):
    torch = oracle("torch")
    nn = torch.nn

    def block(*widths):
        layers = []
        for before, wide in pairwise(widths):
            layers += [nn.Conv2d(before, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
        return layers

    features = [*block(3, 24, 24), nn.MaxPool2d(2), *block(24, 48, 48), nn.MaxPool2d(2), *block(48, 96, 96, 96)]
    twin = nn.ModuleDict({"features": nn.Sequential(*features), "classifier": nn.Linear(96, 10)}).eval()
    twin.load_state_dict({key: torch.from_numpy(np.asarray(array)) for key, array in small.weights.items()})
    images = rng.standard_normal((8, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        maps = twin["features"](torch.from_numpy(images))
        expected = twin["classifier"](maps.mean(dim=(2, 3))).numpy()
    with tc.no_grad():
        found = small.build()(tc.Tensor(images)).data
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
