"""What receptive_field must do: found by following single outputs back to the image."""

from tinycnn.learn.case import Case

FUNCTIONS = ("receptive_field",)
EARLIER = ("02_output_size",)


def cases(rng):
    """No layer, one, two, padding, a pool below and above, LeNet-5, VGG's start; then random chains."""
    yield Case("one 3x3 convolution", kernels=(3,), strides=(1,), paddings=(0,))
    yield Case("two 3x3 convolutions", kernels=(3, 3), strides=(1, 1), paddings=(0, 0))
    yield Case("a 2x2 pool above a 3x3 convolution", kernels=(3, 2), strides=(1, 2), paddings=(0, 0))
    yield Case("a 3x3 convolution above a 2x2 pool", kernels=(2, 3), strides=(2, 1), paddings=(0, 0))
    yield Case("padding", kernels=(3, 3), strides=(2, 1), paddings=(1, 1))
    yield Case("no layer at all", kernels=(), strides=(), paddings=())
    yield Case("LeNet-5 up to C5", kernels=(5, 2, 5, 2, 5), strides=(1, 2, 1, 2, 1), paddings=(0, 0, 0, 0, 0))
    yield Case("AlexNet up to its last pool", kernels=(11, 3, 5, 3, 3, 3, 3, 3), strides=(4, 2, 1, 2, 1, 1, 1, 2),
               paddings=(0, 0, 2, 0, 1, 1, 1, 0))  # fmt: skip
    for _ in range(4):
        layers = range(rng.integers(2, 7))
        yield Case(
            "a random chain",
            kernels=tuple(int(rng.integers(1, 8)) for _ in layers),
            strides=tuple(int(rng.integers(1, 4)) for _ in layers),
            paddings=tuple(int(rng.integers(0, 3)) for _ in layers),
        )


def expected(kernels, strides, paddings):
    """From the outputs 0 and 1 down to the image."""
    first, last = _seen(0, kernels, strides, paddings)[-1]
    second, _ = _seen(1, kernels, strides, paddings)[-1]
    return {"size": last - first + 1, "stride": second - first, "start": first}


def call(module, kernels, strides, paddings):
    """The three numbers by name."""
    found = module.receptive_field(kernels, strides, paddings)
    return dict(zip(("size", "stride", "start"), found, strict=False)) if isinstance(found, tuple) else {"size": found}


def layout(arguments, name, index, expected, got):
    """What the outputs 0 and 1 see, layer by layer down to the image."""
    ways = [_seen(output, **arguments) for output in (0, 1)]
    layers = list(zip(*arguments.values(), strict=True))
    lines = [*(f"{key} = {value}" for key, value in arguments.items()), ""]
    lines.append(f"{'0':>10}{'1':>12}")
    for number in range(len(layers), 0, -1):
        kernel, stride, padding = layers[number - 1]
        depth = len(layers) - number + 1
        seen = "".join(f"{_told(way[depth][0])} … {way[depth][1]}".rjust(12) for way in ways)
        lines.append(f"{seen}   ← {number}: {kernel}x{kernel}, stride {stride}, padding {padding}")
    first, last = ways[0][-1]
    lines.append("")
    lines.append(
        {
            "size": f"size = {last} − {_told(first)} + 1 = {expected}",
            "stride": f"stride = {ways[1][-1][0]} − {_told(first)} = {expected}",
            "start": f"start = {expected}",
        }[name]
    )
    return "\n".join(lines)


def _seen(output, kernels, strides, paddings):
    """First and last entry that one output depends on: of the output itself, of the layer below, and so on."""
    first = last = output
    found = [(first, last)]
    for kernel, stride, padding in reversed(list(zip(kernels, strides, paddings, strict=True))):
        first, last = first * stride - padding, last * stride - padding + kernel - 1
        found.append((first, last))
    return found


def _told(value):
    return f"({value})" if value < 0 else str(value)
