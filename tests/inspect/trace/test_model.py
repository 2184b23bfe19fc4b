"""A network layer by layer: its numbers are the engine's, its pages are small, bad input is refused in a sentence."""

import base64
import io
import json
import re

import numpy as np
import pytest

import tinycnn as tc
from tests.oracles import oracle
from tinycnn import nn
from tinycnn.cli.step_model import step_model
from tinycnn.data.photo import read_photo
from tinycnn.inspect.activations import feature_maps
from tinycnn.inspect.trace import model, model_page
from tinycnn.inspect.trace.model import STEPS, Layer, Weights, passed
from tinycnn.inspect.trace.model_page import LARGEST, WORDS, _sheet, index_page, layer_pages, require_free, write_folder
from tinycnn.texts import missing
from tinycnn.training import load_checkpoint

Image = oracle("PIL.Image")
oracle("jinja2")

CHECKPOINT = load_checkpoint(tc.models.pretrained_path("lenet5"))


def photo(path, index=0):
    """A digit of the set that comes along, written on white paper."""
    ink = Image.fromarray(255 - tc.data.digits("test")[0][index] * 15).resize((64, 64), Image.Resampling.BOX)
    sheet = Image.new("L", (100, 100), 255)
    sheet.paste(ink, (18, 18))
    sheet.save(path)
    return path


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """As the network takes it, (1, 32, 32)."""
    path = photo(tmp_path_factory.mktemp("images") / "digit.png")
    data_set = CHECKPOINT.recipe.data_set
    return data_set.transform((1, 32, 32))(read_photo(path, data_set)[None])[0]


@pytest.fixture(scope="module")
def seen(image):
    return passed(CHECKPOINT.build(), image, label=8)


def values_of(operation, role):
    (name,) = [name for name, tensor in operation["tensors"].items() if tensor["role"] == role]
    return np.array(operation["tensors"][name]["values"], float).reshape(operation["tensors"][name]["shape"])


def test_what_layers_give_is_what_the_engine_gives(seen, image):
    network = CHECKPOINT.build()
    maps = feature_maps(network, image)
    assert [layer.name for layer in seen.layers] == [*maps, "loss"]
    for layer in seen.layers[:-1]:
        np.testing.assert_array_equal(layer.output, maps[layer.name])
        assert layer.kind == type(dict(network.named_modules())[layer.name]).__name__
    np.testing.assert_array_equal(seen.logits, maps["output"])
    np.testing.assert_allclose(seen.probabilities, np.exp(seen.logits) / np.exp(seen.logits).sum(), rtol=1e-5)
    assert seen.loss == pytest.approx(-np.log(seen.probabilities[8]))
    assert [layer.input_shape for layer in seen.layers[:3]] == [(1, 32, 32), (6, 28, 28), (6, 28, 28)]


def test_gradients_are_those_of_the_engine(seen, image):
    network, outputs = CHECKPOINT.build(), {}
    for name, module in network.named_modules():
        if not any(module.children()):
            module.register_forward_hook(lambda module, inputs, output, name=name: outputs.update({name: output}))
    x = tc.Tensor(image[None], requires_grad=True)
    logits = network(x)
    for output in outputs.values():
        output.retain_grad()
    tc.functional.cross_entropy(logits, np.array([8])).backward()
    for layer in seen.layers[:-1]:
        np.testing.assert_array_equal(layer.gradient, outputs[layer.name].grad[0])
    found = {f"{layer.name}.{each.name}": each.gradient for layer in seen.layers for each in layer.weights}
    assert found.keys() == network.state_dict().keys()
    for name, parameter in network.named_parameters():
        np.testing.assert_array_equal(found[name], parameter.grad)
    np.testing.assert_array_equal(seen.image_gradient, x.grad[0])
    np.testing.assert_allclose(seen.logits_gradient, seen.probabilities - np.eye(10)[8], atol=1e-6)


def test_the_likeliest_class_is_the_label_where_none_is_given(image):
    network = CHECKPOINT.build()
    found = passed(network, image)
    assert found.label == found.probabilities.argmax()
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_layers_page_shows_the_numbers_of_the_layer(seen):
    shown = 0
    for layer in seen.layers:
        crop = next(layer.crops(), None)
        if crop is None:
            continue
        made = crop.trace()
        assert 0 < len(made) <= 1.1 * STEPS
        (operation,) = made.operations
        assert operation["crop"]["of"] == list(crop.call.output.shape)
        if layer.name == "loss":
            continue
        shown += 1
        np.testing.assert_allclose(values_of(operation, "output"), crop.call.output[crop.part], rtol=1e-4, atol=1e-5)
        if "dy" in operation["tensors"]:
            dy = np.array(operation["tensors"]["dy"]["values"]).ravel()
            np.testing.assert_allclose(dy, layer.gradient[crop.part[1:]].ravel(), rtol=1e-6)
    assert shown >= 3


def test_the_bias_gradient_of_a_full_layers_page_is_that_of_the_layer(seen):
    layer = next(layer for layer in seen.layers if layer.name == "c5")  # each bias has one output
    crop = next(layer.crops())
    (operation,) = crop.trace().operations
    expected = layer.weights[1].gradient[crop.part[1]]
    np.testing.assert_allclose(operation["tensors"]["db"]["values"], expected, rtol=1e-6)


def test_a_part_lies_where_output_and_gradient_stand_out(seen):
    for layer in seen.layers[:-1]:
        strength = np.abs(layer.gradient.astype(float))
        if layer.output.ndim == 3 and layer.output[0].size > 1:
            strength *= np.abs(layer.output - np.median(layer.output, axis=(1, 2), keepdims=True))
        for crop in layer.crops():
            windows = np.lib.stride_tricks.sliding_window_view(strength, crop.output.shape[1:])
            most = windows.reshape(*windows.shape[: strength.ndim], -1).sum(-1).max()
            assert strength[crop.part[1:]].sum() == pytest.approx(most, rel=1e-5)


def index_of(seen, pages, language="en", **changed):
    names = {"model": "lenet5", "source": "w.safetensors", "image": "digit.png", "is_given": True, "language": language}
    return index_page(seen, pages, **{**names, "classes": CHECKPOINT.recipe.data_set.classes, **changed})


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_index_is_small_and_tells_the_numbers(language, seen, monkeypatch):
    if language != "en":  # its pages have the same numbers: smaller ones are made sooner
        monkeypatch.setattr(model, "STEPS", 400)
    pages = layer_pages(seen, language)
    text = index_of(seen, pages, language)
    assert len(text.encode()) <= LARGEST
    assert "http" not in re.sub(r"data:[^)\"]*", "", text)
    assert "<script" not in text
    table = text[text.index('<table class="classes">') :]
    for i in range(10):
        assert f"{seen.logits[i]:.3g}".replace("-", "−") in table
        assert f"{seen.logits_gradient[i]:.3g}".replace("-", "−") in table
    for layer in seen.layers[:-1]:
        for array in (layer.output, layer.gradient):
            for value in (array.min(), array.max(), np.linalg.norm(array.astype(float))):
                assert f"{float(value):.3g}".replace("-", "−") in text, layer.name
        for each in layer.weights:
            assert f"{np.linalg.norm(each.gradient):.3g}" in text
    assert all(f'href="{page.name}"' in text for page in pages.values())
    assert all(len(page.text.encode()) <= LARGEST for page in pages.values())


def test_what_is_strange_in_a_name_stays_text(seen):
    text = index_of(seen, {}, model="<b>&", image='"><script>', classes=["<i>"] * 10)
    assert "<b>" not in text.replace('<b style="', "").replace("<b></b>", "")
    assert "<script>" not in text
    assert "&lt;i&gt;" in text


def test_languages_say_the_same_things():
    assert missing(WORDS, "ko") == []


def test_pictures_show_signs_and_sizes():
    maps = np.array([[[1.0, -2.0], [0.0, 0.5]], [[0.0, 0.0], [0.0, 2.0]]])
    sheet = _sheet(maps, 16, 32)
    picture = Image.open(io.BytesIO(base64.b64decode(sheet.picture.partition(",")[2]))).convert("RGBA")
    pixels = np.asarray(picture)  # one map below the other
    assert pixels.shape == (4, 2, 4)
    assert (sheet.limit, sheet.low, sheet.high, sheet.drawn, sheet.is_row) == (2.0, -2.0, 2.0, 2, False)
    np.testing.assert_array_equal(pixels[..., 3], np.rint(255 * np.rint(63 * np.abs(maps.reshape(4, 2) / 2)) / 63))
    assert pixels[0, 0, 0] > pixels[0, 0, 2]  # orange
    assert pixels[0, 1, 0] < pixels[0, 1, 2]  # blue
    row = _sheet(np.arange(300.0), 16, 32)
    assert (row.is_row, row.total, row.height, row.width) == (True, 300, 3, 100)


def deep():
    """A network of many layers, and the shape of its images."""
    blocks = [(nn.Conv2d(8 if i else 3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()) for i in range(20)]
    ending = nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(8 * 8 * 8, 10)
    return nn.Sequential(*(layer for block in blocks for layer in block), *ending), (3, 16, 16)


OPENED = {
    "lenet5-1998": {"Conv2d", "Tanh", "AvgPool2d", "Linear"},
    "alexnet": {"Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d"},
    "deep": {"Conv2d", "ReLU", "MaxPool2d", "CrossEntropy"},
}


@pytest.mark.parametrize("name", OPENED)
def test_other_networks_are_shown_too(name, rng, monkeypatch):
    if name != "alexnet":  # whose normalisation needs many steps
        monkeypatch.setattr(model, "STEPS", 400)
    if name == "deep":
        network, shape = deep()
    else:
        build, shape = tc.models.architecture(name)
        network = build()
    seen = passed(network, rng.normal(size=shape).astype(np.float32), label=3)
    expected = network.eval()(tc.Tensor(rng.normal(size=(1, *shape)).astype(np.float32))).shape
    assert seen.logits.shape == expected[1:]
    pages = {}
    for number, layer in enumerate(seen.layers):
        crop = next(layer.crops(), None)
        if crop is not None:
            assert len(crop.trace()) <= 1.1 * STEPS
            pages[number] = crop
    assert {type(crop.call.function).__name__ for crop in pages.values()} >= OPENED[name]
    text = index_of(seen, {}, classes=[str(i) for i in range(seen.logits.size)])
    assert len(text.encode()) <= LARGEST


def test_layers_that_are_one_number_wide_have_no_frame_beside_their_picture(seen):
    c5 = next(layer for layer in seen.layers if layer.name == "c5")
    assert isinstance(c5, Layer)
    assert isinstance(c5.weights[0], Weights)
    assert _sheet(c5.output, 16, 32).is_row


def test_the_command_writes_the_pages_and_tells_what_came_of_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model, "STEPS", 400)
    photo("digit.png")
    assert step_model(model="lenet5", image=tmp_path / "digit.png", json=True) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    told = json.loads(last)
    assert lines[1] == "No --label was given: the loss is held against the likeliest class."
    assert (told["class"], told["label"], told["page"]) == ("1", "1", "step-lenet5/index.html")
    pages = [layer["page"] for layer in told["layers"] if layer["page"]]
    assert pages[0] == "step-lenet5/1-c1.html"
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.html")}
    assert written == {told["page"], *pages}
    assert step_model(model="lenet5", image=tmp_path / "digit.png", label="8", language="ko") == 0  # over its own pages
    assert "기준 클래스 8" in capsys.readouterr().out
    assert 'lang="ko"' in (tmp_path / told["page"]).read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digit.png", "step-lenet5"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"model": "vgg16"},
            "no weights of vgg16 come with tinycnn, only those of lenet5 and vgg-small: train it, tinycnn ",
        ),
        ({"model": "lenet6"}, "there is no trained model 'lenet6': name lenet5 or vgg-small, a run's folder, or a "),
        ({"image": "gone.png"}, "there is no file gone.png, expected the path of an image"),
        ({"image": "text.png"}, "text.png is no image"),
        ({"image": None}, "--model lenet5 needs an image: add --image FILE, such as a photo of a digit"),
        ({"label": "12"}, "unknown class of mnist '12': "),
        ({"language": "fr"}, "unknown language 'fr': choose from en, ko"),
        ({"out": "text.png"}, "text.png is a file: name a folder with --out"),
        ({"out": "full"}, "full holds other things, such as notes.txt: name another folder with --out"),
        ({"out": "site"}, "site holds other things, such as index.html: name another folder with --out"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(changed, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo("digit.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<p>mine</p>")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    arguments = {"model": "lenet5", "image": "digit.png", **changed}
    arguments |= {key: tmp_path.__class__(arguments[key]) for key in ("image", "out") if arguments.get(key)}
    with pytest.raises((ValueError, OSError)) as error:
        step_model(**arguments)
    assert str(error.value).startswith(told)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_a_folder_is_written_as_a_whole(tmp_path, monkeypatch):
    folder = tmp_path / "deep" / "pages"
    write_folder(folder, {"index.html": '<meta name="generator" content="tinycnn step"/>', "1-a.html": "a"})
    write_folder(folder, {"index.html": '<meta name="generator" content="tinycnn step"/>', "2-b.html": "b"})
    assert sorted(path.name for path in folder.iterdir()) == ["2-b.html", "index.html"]
    monkeypatch.setattr(model_page, "write_text", lambda path, text: path.open("x").close() or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_folder(folder, {"index.html": "new"})
    assert sorted(path.name for path in folder.iterdir()) == ["2-b.html", "index.html"]
    assert [path.name for path in folder.parent.iterdir()] == ["pages"]
    (tmp_path / "empty").mkdir()
    require_free(tmp_path / "empty")
