"""``tinycnn predict``: what is printed, what it is held to be, and what happens to files that are no images."""

import json
import sys

import numpy as np
import pytest

import tinycnn as tc
from tests.oracles import data_file, oracle
from tinycnn.cli.main import main
from tinycnn.training import Recipe, Run, load_checkpoint

Image = oracle("PIL.Image")
Draw = oracle("PIL.ImageDraw")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder of a run on the digits that comes with tinycnn, of a few seconds."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    run = Run.start(Recipe.of("lenet5", "digits", epochs=6), folder)
    run.fit()
    tc.use_algorithm("auto")
    return folder


@pytest.fixture(scope="module")
def test_digits(trained):
    """Images, labels, and the probabilities that the trained model gives them: as `evaluate` finds them."""
    checkpoint = load_checkpoint(trained)
    result = tc.training.evaluate(checkpoint.build(), tc.training.run.loader_for_test(checkpoint.recipe))
    return tc.data.digits("test")[0], result


def as_written(image, maximum, rng, resampling=Image.Resampling.BOX):
    """Black ink somewhere on a white sheet, as large as one writes: (H, W) -> an image of 100 x 140."""
    ink = Image.fromarray((image * (255 / maximum)).astype(np.uint8)).resize((64, 64), resampling)
    sheet = np.zeros((140, 100), np.uint8)
    top, left = rng.integers(0, 76), rng.integers(0, 36)
    sheet[top : top + 64, left : left + 64] = np.asarray(ink)
    return Image.fromarray(255 - sheet)


def test_one_line_an_image(command, trained, test_digits):
    images, result = test_digits
    sure = np.flatnonzero(result.probabilities.max(axis=1) > 0.9)[:2]
    for name, index in zip(("a.png", "b.png"), sure, strict=True):
        Image.fromarray(images[index] * 15).save(name)
    outcome = command("predict", "a.png", "b.png", "--model", trained, "--top", 2)
    assert (outcome.status, outcome.error) == (0, "")
    lines = outcome.out.splitlines()
    assert len(lines) == 2
    for line, name, index in zip(lines, ("a.png", "b.png"), sure, strict=True):
        assert line.startswith(f"{name}: {result.predictions[index]} (")
        assert line.count(" %)") == 2


def test_json_is_the_last_line(command, trained, test_digits):
    images, result = test_digits
    # Of an image that is framed as the data set's own, all probabilities are as `evaluate` finds them.
    index = next(i for i, image in enumerate(images) if image.max() == 16 and _is_framed(image))
    Image.fromarray(images[index] * 15).save("digit.png")
    outcome = command("predict", "digit.png", "--json", "--model", trained, "--top", 99)
    assert outcome.status == 0
    found = outcome.json
    assert found["model"] == str(trained / "best.safetensors")
    (prediction,) = found["predictions"]
    assert prediction["image"] == "digit.png"
    shares = [entry["probability"] for entry in prediction["top"]]
    assert len(shares) == 10, "there are no more classes"
    assert shares == sorted(shares, reverse=True)
    by_class = [share for _, share in sorted((entry["class"], entry["probability"]) for entry in prediction["top"])]
    np.testing.assert_allclose(by_class, result.probabilities[index], atol=1e-5)
    assert len(command("predict", "digit.png", "--json", "--model", trained).json["predictions"][0]["top"]) == 3


def _is_framed(image):
    columns = np.flatnonzero(image.any(axis=0))
    return columns[0] == 1 and columns[-1] == 6


def test_it_reads_handwriting_as_well_as_the_data_set(command, trained, test_digits, rng):
    images, result = test_digits
    names = [f"{index}.png" for index in range(len(images))]
    for name, image in zip(names, images, strict=True):
        as_written(image, 16, rng).save(name)
    found = command("predict", *names, "--model", trained, "--top", 1, "--json").json
    classes = np.array([int(prediction["top"][0]["class"]) for prediction in found["predictions"]])
    assert [prediction["image"] for prediction in found["predictions"]] == names
    assert result.accuracy > 0.93
    assert (classes == result.labels).mean() > result.accuracy - 0.03


def test_the_kind_of_file_does_not_matter(command, trained, test_digits, rng):
    images, result = test_digits
    index = int(result.probabilities.max(axis=1).argmax())
    sheet = as_written(images[index], 16, rng)
    clear = Image.merge("LA", [Image.new("L", sheet.size), Image.fromarray(255 - np.asarray(sheet))])
    exif = Image.Exif()
    exif[0x0112] = 6
    names = ["grey.png", "inverted.png", "clear.png", "palette.gif", "one-bit.png", "deep.png", "float.tif"]
    names += ["cmyk.jpg", "sideways.jpg"]
    sheet.save("grey.png")
    Image.fromarray(255 - np.asarray(sheet)).save("inverted.png")
    clear.save("clear.png")
    sheet.convert("P").save("palette.gif")
    sheet.convert("1", dither=Image.Dither.NONE).save("one-bit.png")
    Image.fromarray(np.asarray(sheet).astype(np.uint16) * 257).save("deep.png")
    Image.fromarray(np.asarray(sheet) / np.float32(255)).save("float.tif")
    sheet.convert("RGB").convert("CMYK").save("cmyk.jpg")
    sheet.rotate(90, expand=True).save("sideways.jpg", exif=exif)
    outcome = command("predict", *names, "--model", trained)
    assert (outcome.status, outcome.error) == (0, "")
    expected = [f"{name}: {result.predictions[index]}" for name in names]
    assert [line.partition(" (")[0] for line in outcome.out.splitlines()] == expected


def test_a_file_that_is_no_image_does_not_stop_the_others(command, trained, test_digits, tmp_path):
    Image.fromarray(test_digits[0][0]).save("good.png")
    (tmp_path / "note.txt").write_text("seven", encoding="utf-8")
    outcome = command("predict", "note.txt", "good.png", "nowhere.png", "--model", trained, "--json")
    assert outcome.status == 2
    errors = outcome.error.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith("tinycnn: note.txt is no image")
    assert errors[1].startswith("tinycnn: there is no file nowhere.png")
    assert outcome.out.startswith("good.png: ")
    assert [prediction["image"] for prediction in outcome.json["predictions"]] == ["good.png"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "IMAGES requires an argument"),
        (["a.png", "--top", "0"], "--top must be at least 1, got 0"),
        (["a.png", "--top", "-2"], "--top must be at least 1, got -2"),
        (["a.png", "--top", "many"], "--top: expected a whole number such as 12, got 'many'"),
        (["a.png", "--model", "nowhere"], "nowhere"),
        (["a.png"], "there is no file a.png"),
    ],
)
def test_bad_input_is_one_line(refused, words, sentence):
    assert sentence in refused("predict", *words)


def test_without_pillow_it_is_said_once(refused, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert "pip install 'tinycnn[plot]'" in refused("predict", "a.png", "b.png", "--model", trained)


STROKES = {  # corners of a line, drawn with a pen 14 wide
    "1": [(100, 40), (100, 240)],
    "2": [(50, 90), (70, 50), (110, 40), (145, 65), (145, 100), (50, 230), (155, 230)],
    "4": [(70, 40), (45, 150), (160, 150), (125, 150), (130, 70), (118, 240)],
    "7": [(45, 50), (155, 50), (90, 240)],
}


@pytest.mark.parametrize("digit", STROKES)
def test_the_model_that_comes_with_tinycnn_reads_a_drawing(command, digit):
    sheet = Image.new("RGB", (200, 280), "white")
    Draw.Draw(sheet).line(STROKES[digit], "darkblue", 14, "curve")
    sheet.save("drawing.png")
    outcome = command("predict", "drawing.png", "--json")
    assert outcome.status == 0
    assert outcome.json["model"] == str(tc.models.pretrained_path("lenet5"))
    assert outcome.json["predictions"][0]["top"][0]["class"] == digit


def test_the_model_that_comes_with_tinycnn_reads_mnist_written_on_paper(command, rng):
    data_file("mnist/t10k-images-idx3-ubyte.gz")
    images, labels = (array[:200] for array in tc.data.mnist("test"))
    names = [f"{index}.png" for index in range(200)]
    for name, image in zip(names, images, strict=True):
        as_written(image, 255, rng, Image.Resampling.BICUBIC).save(name)
    found = json.loads(command("predict", *names, "--top", 1, "--json").out.splitlines()[-1])
    classes = [int(prediction["top"][0]["class"]) for prediction in found["predictions"]]
    assert (np.array(classes) == labels).mean() > 0.97


def test_what_a_decoder_writes_to_standard_error_is_not_shown(tmp_path, capfd):
    whole = tmp_path / "whole.tif"
    noise = np.random.default_rng(0).integers(0, 256, (50, 200), dtype=np.uint8)
    Image.fromarray(noise).save(whole, compression="tiff_adobe_deflate")
    content = bytearray(whole.read_bytes())
    content[1000:1300] = bytes(300)
    (tmp_path / "damaged.tif").write_bytes(content)
    with pytest.raises(ValueError, match="cannot be decoded"):
        tc.data.read_photo(tmp_path / "damaged.tif", tc.data.DATA_SETS["mnist"])
    assert capfd.readouterr().err, "libtiff is quiet by itself: this shows nothing"
    assert main(["predict", str(tmp_path / "damaged.tif")]) == 2
    written = capfd.readouterr().err
    assert written.startswith("tinycnn: ")
    assert written.count("\n") == 1
