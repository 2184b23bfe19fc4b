"""``tinycnn step --model``: one image through a trained network and back, as a folder of pages."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Any

from tinycnn.choices import look_up
from tinycnn.cli.status import DONE
from tinycnn.data.photo import read_photo
from tinycnn.inspect.trace.model import passed
from tinycnn.inspect.trace.model_page import (
    INDEX,
    WORDS,
    index_page,
    layer_pages,
    number,
    part_of_1,
    require_free,
    write_folder,
)
from tinycnn.models import ARCHITECTURES, pretrained_path
from tinycnn.models.pretrained import FILES
from tinycnn.texts import LANGUAGES, Texts
from tinycnn.training import load_checkpoint


def step_model(
    *,
    model: str | Path,
    image: Path | None,
    out: Path | None = None,
    label: str | int | None = None,
    language: str = "en",
    json: bool = False,
) -> int:
    """Write pages that show what each layer of a network makes of an image, and what gradients come back.

    Parameters
    ----------
    model
        A model that comes trained, the folder of a run, or one of its .safetensors files.
    image
        An image file, as ``tinycnn predict`` takes it.
    out
        Folder of the pages; ``step-`` and the model's name where not given.
    label
        The class that the loss is held against; the likeliest where not given.
    language
        Of the pages and of what is printed.
    json
        Print what came of it as one JSON object on the last line.

    Raises
    ------
    ValueError, OSError
        For a model without weights, what is no image, an unknown class, and a folder that holds other things.
    ModuleNotFoundError
        When Jinja2 or Pillow is not installed.
    """
    texts = Texts(WORDS, look_up("language", language, {name: name for name in LANGUAGES}))
    path = _checkpoint_path(str(model))
    if image is None:
        raise ValueError(f"--model {model} needs an image: add --image FILE, such as a photo of a digit")
    name = str(model) if path == _bundled(str(model)) else Path(model).resolve().stem
    folder = Path(f"step-{name}") if out is None else out
    require_free(folder)
    checkpoint = load_checkpoint(path)
    recipe, classes = checkpoint.recipe, checkpoint.recipe.data_set.classes
    answer = None
    if label is not None:
        answer = look_up(f"class of {recipe.data}", str(label), {each: i for i, each in enumerate(classes)})
    ready = recipe.data_set.transform(recipe.architecture.input_shape)(read_photo(image, recipe.data_set)[None])
    seen = passed(checkpoint.build(), ready[0], answer)
    pages = layer_pages(seen, language)
    index = index_page(
        seen,
        pages,
        model=recipe.model,
        source=path.name,
        image=image.name,
        classes=classes,
        is_given=label is not None,
        language=language,
    )
    write_folder(folder, {INDEX: index, **{page.name: page.text for page in pages.values()}})
    likeliest = int(seen.probabilities.argmax())
    percent = part_of_1(float(seen.probabilities[likeliest]))
    loss, against = number(seen.loss), classes[seen.label]
    print(texts.say("terminal.says", image=image, name=classes[likeliest], percent=percent, loss=loss, label=against))
    if label is None:
        print(texts["terminal.likeliest"])
    print(texts.say("terminal.wrote", pages=len(pages), path=folder / INDEX))
    if json:
        told: dict[str, Any] = {
            "model": str(path),
            "image": str(image),
            "class": classes[likeliest],
            "probability": float(seen.probabilities[likeliest]),
            "label": classes[seen.label],
            "loss": seen.loss,
            "page": str(folder / INDEX),
            "layers": [
                {
                    "name": layer.name,
                    "kind": layer.kind,
                    "output_shape": list(layer.output.shape),
                    "page": str(folder / pages[i].name) if i in pages else None,
                }
                for i, layer in enumerate(seen.layers)
            ],
        }
        print(json_format.dumps(told))
    return DONE


def _bundled(name: str) -> Path | None:
    return pretrained_path(name) if name in FILES else None


def _checkpoint_path(name: str) -> Path:
    """Of the model of this name, or what is at that place.

    Raises
    ------
    ValueError
        Naming the models that come trained, and how to train one.
    """
    bundled = _bundled(name)
    if bundled is not None:
        return bundled
    if name in ARCHITECTURES:
        raise ValueError(
            f"no weights of {name} come with tinycnn, only those of {' and '.join(FILES)}: train it, "
            f"tinycnn train {name} --out runs/{name}, then step through it with --model runs/{name}"
        )
    if not Path(name).exists():
        raise ValueError(
            f"there is no trained model {name!r}: name {' or '.join(FILES)}, a run's folder, or a .safetensors file"
        )
    return Path(name)
