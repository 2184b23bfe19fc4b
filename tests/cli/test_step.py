"""``tinycnn step``: every operation, files, and bad input."""

from xml.etree import ElementTree

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tinycnn.inspect.trace import Trace
from tinycnn.inspect.trace.entries import number_text
from tinycnn.inspect.trace.examples import EXAMPLES, NICKNAMES, example

FORWARD = {
    "conv2d": ["forward"],
    "im2col": ["im2col", "gemm"],
    "winograd": ["transform_weight", "transform_input", "product", "transform_output"],
    "conv_transpose2d": ["forward"],
    "max_pool2d": ["forward"],
    "avg_pool2d": ["forward"],
    "relu": ["forward"],
    "leaky_relu": ["forward"],
    "tanh": ["forward"],
    "sigmoid": ["forward"],
    "dropout": ["forward"],
    "local_response_norm": ["denominator", "forward"],
    "cross_entropy": ["softmax", "forward"],
    "linear": ["forward"],
    "sgd": ["step"],
}
WEIGHTS = ["backward_input", "backward_weight", "backward_bias"]
BACKWARD = {
    "conv2d": WEIGHTS,
    "im2col": ["backward_weight_gemm", "backward_column_gemm", "col2im", "backward_bias"],
    "winograd": [],
    "conv_transpose2d": WEIGHTS,
    "local_response_norm": ["shared", "backward"],
    "linear": WEIGHTS,
    "sgd": [],
}


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", FORWARD)
def test_every_operation_gives_its_record(command, name, backward):
    outcome = command("step", name, "--json", *(["--backward"] if backward else []))
    assert outcome.status == 0, outcome.error
    (operation,) = outcome.json["operations"]
    expected = FORWARD[name] + (BACKWARD.get(name, ["backward"]) if backward else [])
    assert [phase["name"] for phase in operation["phases"]] == expected
    assert all(phase["steps"] for phase in operation["phases"])
    assert {each["backend"] for each in operation["agrees"]} >= {"numpy"}
    assert outcome.json == Trace.from_json(outcome.out.splitlines()[-1]).record


@pytest.mark.parametrize("name", [*FORWARD, "graph"])
def test_every_operation_is_printed(command, name):
    outcome = command("step", name, "--backward")
    assert outcome.status == 0
    assert "stop 1 of" in outcome.out
    assert "\x1b" not in outcome.out
    assert outcome.error == ""


def test_the_table_names_every_example():
    assert set(FORWARD) - {"im2col", "winograd"} | {"graph"} == set(EXAMPLES)
    assert {full.partition(":")[0] for full in NICKNAMES.values()} <= set(EXAMPLES)


def test_the_result_is_that_of_the_engine(command):
    words = "--input 2x5x6 --kernel 3x2 --kernels 4 --stride 2x1 --padding 1 --groups 2"
    (operation,) = command("step", "conv", *words.split(), "--backward", "--json").json["operations"]
    tensors = {
        name: np.array(tensor["values"], float).reshape(tensor["shape"])
        for name, tensor in operation["tensors"].items()
    }
    x, weight, bias = (tc.Tensor(tensors[name], requires_grad=True) for name in ("x", "weight", "bias"))
    assert weight.shape == (4, 1, 3, 2)
    y = F.conv2d(x, weight, bias, stride=(2, 1), padding=1, groups=2)
    y.backward(tensors["dy"])
    for name, expected in {"y": y.data, "dx": x.grad, "dw": weight.grad, "db": bias.grad}.items():
        assert np.allclose(tensors[name], expected, rtol=0, atol=1e-12)


def test_the_same_seed_gives_the_same_numbers(command):
    first, again, other = (command("step", "dropout", "--json", "--seed", seed).json for seed in (1, 1, 2))
    assert first == again
    assert first["operations"][0]["tensors"]["x"] != other["operations"][0]["tensors"]["x"]


def test_numbers_are_halves(command):
    tensors = command("step", "conv", "--json").json["operations"][0]["tensors"]
    for name in ("x", "weight", "bias"):
        assert all(2 * value == int(2 * value) and abs(value) <= 2 for value in tensors[name]["values"])


@pytest.mark.parametrize("name", ["graph"])
def test_a_graph_is_walked_and_goes_wrong_without_waiting(command, name):
    outcome = command("step", name)
    assert "Without waiting" in outcome.out
    assert "some gradients are wrong" in outcome.out
    graph = command("step", name, "--json").json["graph"]
    assert graph["naive"]["differs"]


def test_files_are_written(command, tmp_path):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    words = ["--phase", "backward_input", "--stop", "2"]
    outcome = command(
        *("step", "conv", "--stride", "2", "--backward", *words, "--language", "ko"),
        *("--html", "page.html", "--svg", "sheet.svg", "--png", "sheet.png", "--json"),
    )
    assert outcome.status == 0, outcome.error
    assert outcome.out.splitlines()[:3] == [
        "page: page.html#operation=0&phase=1&stop=1",
        "sheet: sheet.svg",
        "sheet: sheet.png",
    ]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["page.html", "sheet.png", "sheet.svg"]
    assert '<html lang="ko"' in (tmp_path / "page.html").read_text(encoding="utf-8")
    svg = (tmp_path / "sheet.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    traced = example("conv2d", {"stride": (2,)}, backward=True)
    assert svg == traced.to_svg(None, "ko", 0, 1, 1)
    for value in traced.operations[0]["tensors"]["dy"]["values"]:
        assert number_text(value) in svg
    with image.open(tmp_path / "sheet.png") as opened:
        assert opened.format == "PNG"


def test_a_stop_alone_is_printed(command):
    out = command("step", "conv", "--backward", "--phase", "forward", "--stop", "5").out
    assert "stop 5 of 9" in out
    assert "stop 4 of 9" not in out
    assert out.count("stop ") == 1


def test_a_model_is_handed_on(command, monkeypatch):
    from tinycnn.cli import step_model

    seen = {}
    monkeypatch.setattr(step_model, "step_model", lambda **given: seen.update(given) or 0)
    assert command("step", "--model", "lenet5", "--image", "digit.png", "--label", "3", "--out", "pages").status == 0
    assert {name: str(value) for name, value in seen.items()} == {
        "model": "lenet5",
        "image": "digit.png",
        "out": "pages",
        "label": "3",
        "language": "en",
        "json": "False",
    }


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("", ["needs an operation", "conv2d", "--model lenet5"]),
        ("convv", ["unknown operation 'convv'", "did you mean conv?"]),
        ("batch_norm", ["unknown operation 'batch_norm'"]),
        ("conv --size 3", ["conv2d has no option --size", "--kernel", "--stride"]),
        ("relu --kernel 3", ["relu has no option --kernel", "it has --input"]),
        ("graph --input 3x3", ["graph has no option --input", "none of its own"]),
        ("graph --phase forward", ["leave them out"]),
        ("conv --algorithm fft", ["unknown algorithm 'fft'", "direct, im2col, winograd"]),
        ("im2col --algorithm wino", ["unknown algorithm 'wino'", "winograd"]),
        ("winograd --stride 2", ["winograd", "stride"]),
        ("conv --input 2x2", ["3x3 kernel never fits a 2x2 input", "padding=1"]),
        ("conv --input 5", ["--input of conv2d is 5x5", "got 5"]),
        ("conv --input 1x1x1x5x5", ["got 1x1x1x5x5"]),
        ("conv --input 0x5", ["sizes of at least 1", "got 0x5"]),
        ("conv --input five", ["got 'five'"]),
        ("conv --kernel 3x3x3", ["--kernel is one size or two", "got 3x3x3"]),
        ("conv --kernel 0", ["--kernel is one size or two"]),
        ("conv --kernels 0", ["--kernels must be at least 1, got 0"]),
        ("conv --stride 0", ["stride", "0"]),
        ("conv --padding sane", ["got 'sane'"]),
        ("pool --padding same", ["--padding of max_pool2d is one size, two or four", "words are for conv2d"]),
        ("transposed --padding full", ["--padding of conv_transpose2d is one size, two or four"]),
        ("conv --groups 2", ["--groups 2 must divide the 1 input channels"]),
        ("conv --input 300x300", ["90,000 numbers", "make --input"]),
        ("conv --input 9x20x20 --kernels 8", ["about", "steps here, and 20,000 can be shown", "smaller"]),
        ("conv --input 100000x100000", ["10,000,000,000 numbers"]),
        ("pool --kernel 6", ["6x6 window never fits a 5x5 input"]),
        ("lrn --size 0", ["--size must be at least 1"]),
        ("dropout --p 1", ["--p is the probability of dropping, between 0 and 1, got 1.0"]),
        ("softmax --input 2x3x4", ["--input of cross_entropy is images x classes", "got 2x3x4"]),
        ("linear --input 1x2x3", ["images x features"]),
        ("conv --seed -1", ["--seed must be at least 0, got -1"]),
        ("conv --phase backward", ["unknown pass 'backward'", "forward"]),
        ("conv --stop 0", ["--stop of forward is from 1 to 9, got 0"]),
        ("conv --stop 10", ["--stop of forward is from 1 to 9, got 10"]),
        ("conv --language de", ["unknown language 'de'"]),
        ("conv --image digit.png", ["--image is for a whole network"]),
        ("conv --label 3", ["--label is for a whole network"]),
        ("conv --model lenet5", ["conv is an operation and --model lenet5 a network"]),
        ("--model lenet5 --stride 2", ["--stride is for one operation"]),
        ("--model lenet5 --backward", ["--backward is for one operation"]),
        ("conv --html missing/page.html", ["missing/page.html", "No such file"]),
        ("conv --svg missing/sheet.svg", ["missing/sheet.svg", "No such file"]),
        ("conv --colour red", ["--colour"]),
    ],
)
def test_bad_input_is_one_sentence(refused, tmp_path, words, parts):
    line = refused("step", *words.split())
    for part in parts:
        assert part in line
    assert not list(tmp_path.iterdir())


def test_stops_are_printed_in_order(command):
    lines = command("step", "conv").out.splitlines()
    assert [line for line in lines if line.startswith("stop ")] == [f"stop {number} of 9" for number in range(1, 10)]
