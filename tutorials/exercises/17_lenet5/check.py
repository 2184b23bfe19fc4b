"""What lenet5 must do: kind, output and parameters of each layer, then the numbers of the whole."""

import numpy as np

import tinycnn as tc
from tinycnn.learn.case import Case

FUNCTIONS = ("lenet5",)
EARLIER = ("02_output_size", "09_average_pooling", "10_activations")
ALLOWED = ("tinycnn.nn",)
TOLERANCE = 1e-4  # in float32, where another order of layers rounds otherwise

LAYERS = (
    ("Conv2d", (6, 28, 28), 6 * 25 + 6),
    ("Tanh", (6, 28, 28), 0),
    ("AvgPool2d", (6, 14, 14), 0),
    ("Conv2d", (16, 10, 10), 16 * 6 * 25 + 16),
    ("Tanh", (16, 10, 10), 0),
    ("AvgPool2d", (16, 5, 5), 0),
    ("Conv2d", (120, 1, 1), 120 * 16 * 25 + 120),
    ("Tanh", (120, 1, 1), 0),
    ("Flatten", (120,), 0),
    ("Linear", (84,), 84 * 120 + 84),
    ("Tanh", (84,), 0),
)


def cases(rng):
    """One image and ten classes, then other numbers of both."""
    yield Case("one digit, ten classes", images=_images(rng, 1), classes=10)
    yield Case("two classes", images=_images(rng, 1), classes=2)
    yield Case("three letters, twenty-six classes", images=_images(rng, 3), classes=26)
    for _ in range(3):
        yield Case("random images", images=_images(rng, rng.integers(1, 5)), classes=int(rng.integers(2, 50)))


def expected(images, classes):
    """The table above, and the numbers of the library's own LeNet-5."""
    table = _table(classes)
    with tc.use_backend("numpy"), tc.no_grad():
        logits = _filled(tc.models.lenet5("modern", num_classes=classes))(tc.Tensor(images)).data
    count = sum(parameters for *_, parameters in table)
    return {**_lines(table, len(images)), "layers": len(table), "parameters": count, "logits": logits}


def call(module, images, classes):
    """Layer by layer: a layer that refuses its input is told as such, and is the last one."""
    net = module.lenet5(classes)
    if not isinstance(net, tc.nn.Sequential):
        return {"layer 1": f"{type(net).__name__} in the place of nn.Sequential"}
    layers, told = list(_filled(net)), {}
    with tc.use_backend("numpy"), tc.no_grad():
        x = tc.Tensor(images)
        for number, layer in enumerate(layers, start=1):
            try:
                y = layer(x)
            except (TypeError, ValueError) as error:
                return {**told, f"layer {number}": f"{type(layer).__name__} refuses {x.shape}: {error}"}
            told[f"layer {number}"] = _told(type(layer).__name__, y.shape, _count(layer))
            x = y
    return {**told, "layers": len(layers), "parameters": _count(net), "logits": x.data}


def layout(arguments, name, index, expected, got):
    """The layers as they should be, up to the wrong one."""
    right = _lines(_table(arguments["classes"]), len(arguments["images"]))
    shown = list(right)
    shown = shown[: shown.index(name) + 1] if name in shown else shown
    lines = [f"{'input':>8}  {arguments['images'].shape}"]
    lines += [f"{key:>8}  {right[key]}{f'   ≠  {got}' if key == name else ''}" for key in shown]
    if name in ("layers", "parameters"):
        lines.append(f"{name}: {expected} ≠ {got}")
    return "\n".join(lines)


def _images(rng, count):
    return rng.normal(size=(count, 1, 32, 32)).astype(np.float32)


def _table(classes):
    return (*LAYERS, ("Linear", (classes,), 84 * classes + classes))


def _lines(table, images):
    return {
        f"layer {number}": _told(kind, (images, *shape), count)
        for number, (kind, shape, count) in enumerate(table, start=1)
    }


def _told(kind, shape, count):
    return f"{kind} → {tuple(int(size) for size in shape)}" + (f", {count:,} parameters" if count else "")


def _count(module):
    return sum(int(parameter.size) for parameter in module.parameters())


def _filled(net):
    """The same numbers in each net of the same shapes."""
    rng = np.random.default_rng(1998)
    for parameter in net.parameters():
        numbers = rng.normal(size=parameter.shape) / np.sqrt(parameter.size / len(parameter.data))
        parameter.data = numbers.astype(np.float32)
    return net
