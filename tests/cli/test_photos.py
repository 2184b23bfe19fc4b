"""``train``, ``evaluate``, ``predict`` and ``step`` on photos in colour, with a data set of a few images."""

import numpy as np
import pytest

import tinycnn as tc
from tests.data.small_cifar10 import expect, store_packed
from tests.oracles import oracle
from tinycnn.training import load_checkpoint

Image = oracle("PIL.Image")


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """CIFAR-10 with forty images in a batch."""
    store_packed(expect(tmp_path, monkeypatch))
    Image.fromarray(tc.data.photograph("flower").transpose(1, 2, 0)).save(tmp_path / "flower.png")


def test_a_run_on_photos_is_trained_reported_tested_and_asked(command, photos):
    words = ("train", "vgg-small", "--data", "cifar10", "--epochs", 1, "--threads", 1, "--out", "run", "--json")
    outcome = command(*words)
    assert outcome.status == 0, outcome
    assert outcome.json["recipe"]["augment"] is True
    assert outcome.json["report"] == "run/report.html"
    tested = command("evaluate", "run", "--json")
    assert tested.json["test_accuracy"] == outcome.json["test_accuracy"]
    assert tested.json["images"] == 40
    assert "airplane" in tested.out
    asked = command("predict", "flower.png", "--model", "run", "--top", 10, "--json")
    (prediction,) = asked.json["predictions"]
    assert sum(entry["probability"] for entry in prediction["top"]) == pytest.approx(1, abs=1e-5)


def test_augmentation_of_photos_changes_what_is_learned(command, photos):
    weights = []
    for number, words in enumerate((["--augment"], ["--no-augment"], ["--augment"])):
        out = f"run-{number}"
        common = ("train", "vgg-small", "--data", "cifar10", "--epochs", 1, "--threads", 1, "--out", out)
        assert command(*common, *words).status == 0
        weights.append(load_checkpoint(out).weights["classifier.weight"])
    np.testing.assert_array_equal(weights[0], weights[2])
    assert not np.array_equal(weights[0], weights[1])


def test_lenet_trains_on_the_grey_of_photos(command, photos):
    assert command("train", "lenet5", "--data", "cifar10", "--epochs", 1, "--out", "run").status == 0


def test_the_model_that_comes_trained_is_asked_by_its_name(command, photos):
    outcome = command("predict", "flower.png", "--model", "vgg-small", "--json")
    assert outcome.json["model"] == str(tc.models.pretrained_path("vgg-small"))
    outcome = command("evaluate", "vgg-small", "--json")
    assert outcome.json["model"] == str(tc.models.pretrained_path("vgg-small"))
    assert outcome.json["data"] == "cifar10"


def test_a_photo_is_stepped_through(command, photos, tmp_path):
    outcome = command("step", "--model", "vgg-small", "--image", "flower.png", "--label", "ship", "--out", "steps")
    assert outcome.status == 0, outcome
    assert (tmp_path / "steps" / "index.html").is_file()
