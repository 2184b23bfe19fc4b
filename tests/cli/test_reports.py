"""``evaluate``, ``summary``, ``gradcheck`` and ``info``: what they print is what the functions give."""

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.oracles import data_file
from tinycnn.backend import load_kernels
from tinycnn.inspect.gradcheck.cases import CASES


def test_summary_prints_the_summary(command):
    outcome = command("summary", "lenet5", "--batch-size", 10, "--json")
    expected = tc.inspect.summary(tc.models.lenet5(), (1, 32, 32))
    assert outcome.out.startswith(str(expected))
    assert outcome.json["parameters"] == 61_706
    assert outcome.json["multiply_adds"] == 416_520
    assert outcome.json["memory"]["total"] == expected.memory(10).total
    assert [layer["name"] for layer in outcome.json["layers"]] == [layer.name for layer in expected.layers]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("lenet5", 61_706),
        ("lenet5-1998", 60_000),
        ("alexnet", 60_965_224),
        ("alexnet-single", 62_378_344),
        ("alexnet-one-weird-trick", 61_100_840),
    ],
)
def test_every_smaller_model_has_a_summary(command, name, parameters):
    assert command("summary", name, "--json").json["parameters"] == parameters


def test_the_names_of_vgg_build_what_they_say():
    expected = {name.replace("_", "-"): getattr(tc.models, name) for name in dir(tc.models) if name.startswith("vgg1")}
    found = {name: entry.build for name, entry in tc.models.ARCHITECTURES.items() if name.startswith("vgg1")}
    assert {name: build for name, build in found.items() if not name.endswith("-bn")} == expected
    normed = {name.removesuffix("-bn"): build for name, build in found.items() if name.endswith("-bn")}
    assert {name: build.func for name, build in normed.items()} == expected
    assert all(build.keywords == {"batch_norm": True} for build in normed.values())


def test_gradcheck_has_a_case_for_every_operation_with_a_gradient():
    without = {"argmax", "astype", "to"}  # no gradient; a cast, which float64 alone cannot show; a move of all bits
    assert {case.operation for case in CASES} == set(F.__all__) - without


def test_gradcheck_takes_names(command):
    outcome = command("gradcheck", "relu", "max_pool2d", "--json")
    assert [row["operation"] for row in outcome.json["cases"]] == ["relu", "max_pool2d"]


def test_gradcheck_of_a_broken_kernel_fails(command, monkeypatch):
    monkeypatch.setattr(load_kernels("numpy"), "tanh_backward", lambda grad, y: grad * (1 - y))
    with tc.use_backend("numpy"):
        outcome = command("gradcheck", "relu", "tanh")
    assert outcome.status == 1
    assert "WRONG  tanh" in outcome.out
    assert "the difference quotient" in outcome.out
    assert "right  relu" in outcome.out


def test_info_tells_who_implements_what(command):
    outcome = command("info", "--json")
    assert outcome.json["numpy"] == np.__version__
    assert outcome.json["backends"] == list(tc.available_backends())
    assert outcome.json["kernels"]["conv_im2col"] == list(tc.available_backends())
    assert outcome.json["kernels"]["conv_fft"] == ["numpy"]
    assert "conv_im2col" in outcome.out


def test_the_bundled_model_reads_mnist(command, monkeypatch):
    folder = data_file("mnist/t10k-images-idx3-ubyte.gz").parents[1]
    monkeypatch.setenv("TINYCNN_DATA", str(folder))
    outcome = command("evaluate", "--json")
    assert outcome.json["images"] == 10_000
    assert outcome.json["test_accuracy"] > 0.99
    assert np.array(outcome.json["confusion"]).sum() == 10_000


def test_the_bundled_model_is_recorded_with_its_recipe():
    checkpoint = tc.training.load_checkpoint(tc.models.pretrained_path("lenet5"))
    assert (checkpoint.recipe.model, checkpoint.recipe.data) == ("lenet5", "mnist")
    assert checkpoint.state is None
    assert tc.models.pretrained_path("lenet5").stat().st_size < 260_000


def test_a_model_is_not_tested_on_other_classes(refused, monkeypatch):
    few = tc.data.DataSet("few", tc.data.digits, ("0", "1"), 8, 16, 0.3, 0.4, 8)
    monkeypatch.setitem(tc.data.DATA_SETS, "few", few)
    assert "tells 10 classes apart, few has 2" in refused("evaluate", "--data", "few")
