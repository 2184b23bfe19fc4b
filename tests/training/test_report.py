"""The run report: what it says against the evaluation, and that it needs nothing but itself."""

import html
import re
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

import tinycnn as tc
from tests.oracles import oracle
from tinycnn.data import DATA_SETS
from tinycnn.nn import Conv2d
from tinycnn.training import Checkpoint, Evaluation, Recipe
from tinycnn.training.environment import environment
from tinycnn.training.report import MEANINGS, write_report

for library in ("jinja2", "matplotlib", "PIL"):
    oracle(library)

NASTY = ("T-shirt/top", "<script>alert(1)</script>", "\"quoted\" & 'more'", *"3456789")


def rows(epochs, validated=True):
    found = []
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "lr": 0.05, "loss": 2.3 / epoch, "accuracy": 1 - 0.5 / epoch, "seconds": 1.25}
        if validated:
            row |= {"validation_loss": 2.4 / epoch, "validation_accuracy": 1 - 0.6 / epoch}
        found.append(row)
    return found


def judged(labels, mistakes):
    """An evaluation in which the images of these indices are taken for other classes, with these probabilities."""
    probabilities = np.full((len(labels), 10), 0.01)
    probabilities[np.arange(len(labels)), labels] = 0.91
    for index, (other, sure) in mistakes.items():
        probabilities[index] = 0
        probabilities[index, labels[index]], probabilities[index, other] = 1 - sure, sure
    return Evaluation(0.25, labels.astype(np.int64), probabilities)


MISTAKES = {0: (4, 0.998), 3: (2, 0.75), 5: (1, 0.99999), 200: (8, 0.6)}


def pieces(model="lenet5", data="digits", epochs=3, mistakes=MISTAKES, validated=True, images=None):
    recipe = Recipe.of(model, data, epochs=epochs, **({} if validated else {"validation": 0.0, "patience": 0}))
    labels = recipe.data_set.read("test")[1][:images]
    history = rows(epochs, validated)
    tc.manual_seed(0)
    weights = recipe.architecture.build(num_classes=10).state_dict()
    notes = {"environment": environment(), "row": history[max(0, epochs - 2)]}
    checkpoint = Checkpoint(Path("best.safetensors"), recipe, weights, None, notes)
    return {
        "recipe": recipe,
        "history": history,
        "checkpoint": checkpoint,
        "evaluation": judged(labels, mistakes),
    }


class Page:
    """A report, written and read as the XML that it also is."""

    def __init__(self, folder, parts):
        path = folder / "report.html"
        write_report(path, **parts)
        self.size = path.stat().st_size
        self.source = path.read_text(encoding="utf-8")
        self.root = ElementTree.fromstring(self.source)

    def section(self, name):
        return next(element for element in self.root.iter("section") if element.get("id") == name)

    def text(self, name=None):
        element = self.root.find("body") if name is None else self.section(name)
        return " ".join("".join(element.itertext()).replace("\xa0", " ").split())


@pytest.fixture(scope="module")
def parts():
    return pieces()


@pytest.fixture(scope="module")
def page(parts, tmp_path_factory):
    return Page(tmp_path_factory.mktemp("report"), parts)


def test_the_page_is_small_and_alone(page):
    assert page.size < 500_000
    urls = re.findall(r"""(?:src|href|srcset|action|data|poster)\s*=\s*["']([^"']*)""", page.source)
    assert urls
    assert all(url.startswith(("data:image/png;base64,", "#")) for url in urls)
    for fetching in ("http:", "https:", "url(", "@import", "<script", "<link", "<iframe", "javascript:", 'src="//'):
        assert fetching not in page.source


def test_every_name_is_given_once_and_every_reference_leads_somewhere(page):
    names = [element.get("id") for element in page.root.iter() if element.get("id")]
    assert len(names) == len(set(names))
    led = [e.get("href")[1:] for e in page.root.iter() if (e.get("href") or "").startswith("#")]
    led += [e.get("aria-labelledby") for e in page.root.iter() if e.get("aria-labelledby")]
    assert set(led) <= set(names)


def test_headings_pictures_and_tables_can_be_found_without_seeing(page):
    levels = [int(element.tag[1]) for element in page.root.iter() if re.fullmatch("h[1-6]", element.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.root.get("lang") == "en"
    assert all(len(image.get("alt", "")) > 10 for image in page.root.iter("img"))
    assert all(table.find(".//th[@scope='row']") is not None for table in page.root.iter("table"))
    scrolling = [e for e in page.root.iter("div") if e.get("class") == "scroll"]
    assert len(scrolling) == len(list(page.root.iter("table")))
    assert all((e.get("tabindex"), e.get("role")) == ("0", "region") and e.get("aria-label") for e in scrolling)


def test_the_headline_tells_the_evaluation(page, parts):
    evaluation = parts["evaluation"]
    right = int((evaluation.predictions == evaluation.labels).sum())
    text = page.text()
    assert right == 355
    assert "lenet5 on digits" in text
    assert "355 of 359 test images right" in text
    assert f"{100 * evaluation.accuracy:.2f} %" in text
    assert f"{100 - 100 * evaluation.accuracy:.2f} %" in text
    assert "3.8 s" in text  # three epochs of 1.25


def test_the_confusion_matrix_is_the_evaluations(page, parts):
    evaluation = parts["evaluation"]
    table = page.section("confusion").find(".//table")
    lines = table.findall("tbody/tr")
    assert [line.find("th").text for line in lines] == list("0123456789")
    cells = [[cell.text for cell in line.findall("td")] for line in lines]
    assert np.array([[int(cell) for cell in line[:-1]] for line in cells]).tolist() == evaluation.confusion.tolist()
    for i, line in enumerate(cells):
        assert (
            line[-1].replace("\xa0", " ") == f"{100 * evaluation.confusion[i, i] / evaluation.confusion[i].sum():.1f} %"
        )
    assert [head.find("span").text for head in table.findall("thead/tr")[1]] == list("0123456789")


def test_the_worst_mistakes_come_in_their_order(page, parts):
    evaluation = parts["evaluation"]
    shown = page.section("mistakes").findall(".//li")
    assert len(shown) == 4
    assert evaluation.worst.tolist() == [5, 0, 3, 200]
    labels = evaluation.labels
    texts = [" ".join("".join(item.itertext()).replace("\xa0", " ").split()) for item in shown]
    assert texts[0].startswith(f"taken for 1 with over 99.9 %, is {labels[5]}")
    assert texts[1].startswith(f"taken for 4 with 99.8 %, is {labels[0]}")
    assert texts[2].startswith(f"taken for 2 with 75.0 %, is {labels[3]}")
    assert all(f"test image {i}" in text for i, text in zip((5, 0, 3, 200), texts, strict=True))


def test_filters_and_maps_of_lenet5(page):
    filters = page.section("filters").findall(".//img")
    assert len(filters) == 6
    assert filters[0].get("alt").startswith("Filter 1 of c1, weights from ")
    stages = page.section("maps").findall("div")
    assert [stage.find("h3").text.strip() for stage in stages] == ["Input", "c1", "s2", "c3", "s4"]
    assert [len(stage.findall(".//li")) for stage in stages] == [0, 6, 6, 16, 16]
    assert "Conv2d, Tanh: 6 maps of 28 × 28" in page.text("maps")
    assert "left out" not in page.text("maps")
    assert "test image 1, " in page.source.lower(), "image 0 was classified wrong, image 1 right"


def test_recipe_environment_and_command(page, parts):
    assert set(MEANINGS) == set(parts["recipe"].as_dict())
    told = {
        row.find("th").text: row.find("td").text
        for row in page.section("recipe").iter("tr")
        if row.find("td") is not None
    }
    assert set(told) == set(MEANINGS) | set(environment())
    assert {name: told[name] for name in environment()} == {name: str(value) for name, value in environment().items()}
    recipe = parts["recipe"]
    assert (told["epochs"], told["batch_size"], told["lr"]) == ("3", str(recipe.batch_size), f"{recipe.lr:g}")
    assert page.text("again").endswith(
        f"tinycnn train lenet5 --data digits --epochs 3 --seed 0 --threads {recipe.threads}"
    )


def test_the_kept_epoch_and_every_epoch_in_numbers(page, parts):
    assert "The dotted line is at epoch 2" in page.text("curves")
    lines = page.section("curves").findall(".//tbody/tr")
    assert len(lines) == 3
    assert lines[2][2].text == f"{parts['history'][2]['loss']:.4f}"
    labels = [svg.get("aria-label").replace("\xa0", " ") for svg in page.section("curves").iter("svg")]
    assert labels == [
        "Loss by epoch; training from 2.3 to 0.7667; validation from 2.4 to 0.8.",
        "Accuracy by epoch; training from 50.00 % to 83.33 %; validation from 40.00 % to 80.00 %.",
    ]


def test_one_epoch_without_validation_and_without_mistakes(tmp_path):
    page = Page(tmp_path, pieces(epochs=1, validated=False, mistakes={}))
    text = page.text()
    assert "After 1 epoch of training" in text
    assert "359 of 359 test images right" in text
    assert "100.00 %" in text
    assert "no curve of validation" in text
    assert "validation" not in [element.text for element in page.root.iter("text")]
    assert "no test image was taken for another class" in text
    assert "There are none" in page.text("mistakes")
    assert not page.section("mistakes").findall(".//img")


def test_more_mistakes_than_are_shown_and_a_class_without_images(tmp_path):
    parts = pieces(images=40, mistakes={})
    labels = parts["evaluation"].labels
    labels = np.where(labels == 9, 8, labels)
    parts["evaluation"] = judged(labels, {i: (int(labels[i] + 1) % 10, 0.9 - i / 100) for i in range(30)})
    page = Page(tmp_path, parts)
    assert "10 of 40 test images right" in page.text()
    assert "the 20 worst of 30" in page.text("mistakes")
    assert len(page.section("mistakes").findall(".//li")) == 20
    assert "no images" in page.text("confusion")


def test_outputs_that_are_distances(tmp_path):
    page = Page(tmp_path, pieces("lenet5-1998"))
    text = page.text("maps")
    assert "ConnectedConv2d, ScaledTanh: 16 maps of 10 × 10" in text
    assert "Subsampling, ScaledTanh: 16 maps of 5 × 5" in text


def test_names_of_classes_are_text_whatever_they_hold(tmp_path, monkeypatch):
    fashion = replace(DATA_SETS["fashion-mnist"], read=lambda split: DATA_SETS["digits"].read(split), classes=NASTY)
    monkeypatch.setitem(DATA_SETS, "fashion-mnist", replace(fashion, size=8, maximum=16))
    parts = pieces(data="fashion-mnist")
    page = Page(tmp_path, parts)
    assert "<script" not in page.source
    heads = [head.find("span").text for head in page.section("confusion").findall(".//thead/tr")[1]]
    assert heads == list(NASTY)
    assert html.escape(NASTY[1]) in page.source
    assert len({image.get("alt") for image in page.section("mistakes").iter("img")}) == 4


@pytest.mark.parametrize(
    ("model", "kinds"), [("alexnet", "Conv2d, ReLU, LocalResponseNorm"), ("vgg11-bn", "Conv2d, BatchNorm2d, ReLU")]
)
def test_large_models_show_a_part_and_say_so(model, kinds, tmp_path):
    recipe = Recipe.of(model, "digits", epochs=2)
    net = recipe.architecture.build(num_classes=10).eval()
    history = rows(2)
    labels = recipe.data_set.read("test")[1][:5]
    parts = {
        "recipe": recipe,
        "history": history,
        # Weights are not copied: these are hundreds of megabytes.
        "checkpoint": SimpleNamespace(build=lambda: net, notes={"environment": environment(), "row": history[-1]}),
        "evaluation": judged(labels, {0: (4, 0.9)}),
    }
    page = Page(tmp_path, parts)
    assert page.size < 2_000_000
    filters = next(layer for layer in net.modules() if isinstance(layer, Conv2d)).weight
    assert len(page.section("filters").findall(".//img")) == 32
    assert f"{filters.shape[0] - 32} are left out" in page.text("filters")
    assert "sum of a filter’s weights over them" in page.text("filters")
    first = net.features[0]
    summed = first.weight.data.sum(axis=1)[0]
    assert page.section("filters").find(".//img").get("alt").endswith(f"from {summed.min():.3g} to {summed.max():.3g}")
    stages = page.section("maps").findall("div")[1:]
    convolutions = [layer for layer in net.features if type(layer).__name__ in ("Conv2d", "MaxPool2d")]
    assert len(stages) == len(convolutions)
    assert all(len(stage.findall(".//li")) == 16 for stage in stages)
    assert f"{kinds}: {filters.shape[0]} maps" in page.text("maps")
    assert "drawn smaller" in page.text("maps")


def test_the_page_is_replaced_at_once_or_not_at_all(tmp_path, parts, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("before")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ModuleNotFoundError, match=r"need jinja2: pip install 'tinycnn\[plot\]'"):
        write_report(path, **parts)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
