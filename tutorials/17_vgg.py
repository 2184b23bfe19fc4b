import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="17. VGG: depth, 3×3 against 5×5, two-stage start, fine-tuning")

with app.setup(hide_code=True):
    from time import perf_counter

    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn import nn
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("17_vgg")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("why")
    return


@app.cell(hide_code=True)
def _():
    guess_field = lesson.question("field")
    guess_field
    return (guess_field,)


@app.cell(hide_code=True)
def _(guess_field):
    lesson.answer("field", guess_field)
    return


@app.function
def paths(layers, width=13):
    """In how many ways each input reaches the output in the middle, through ``layers`` convolutions of 3 × 3.

    With all weights 1, that number is the gradient of the output.
    """
    x = tc.Tensor(np.zeros((1, 1, width, width)), requires_grad=True)
    y = x
    for _ in range(layers):
        y = F.conv2d(y, tc.Tensor(np.ones((1, 1, 3, 3))), padding=1)
    middle = np.zeros(y.shape)
    middle[0, 0, width // 2, width // 2] = 1
    y.backward(middle)
    return x.grad[0, 0]


@app.cell(hide_code=True)
def _():
    layers = lesson.slider("layers", 1, 5, 2)
    channels = lesson.choice("channels", {str(C): C for C in (64, 128, 256, 512)}, "256")
    lesson.controls(layers, channels)
    return channels, layers


@app.cell
def _(layers):
    ways = paths(layers.value)
    tc.plot.pictures({lesson.word("ways"): ways}, alt=lesson.word("ways_alt"), numbers=".0f", size=5)
    return (ways,)


@app.cell
def _(channels, layers, ways):
    _field = int(np.count_nonzero(ways.any(axis=0)))
    _stack, _single = layers.value * 9 * channels.value**2, _field**2 * channels.value**2
    lesson.numbers(field=_field, stack=_stack, single=_single, saved=100 * (1 - _stack / _single))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("merged")
    return


@app.function
def merged(first, second):
    """The one kernel that does what two do: (1, 1, 3, 3) and (1, 1, 3, 3) -> (1, 1, 5, 5).

    merged[i, j] = Σ first[i − r, j − s] · second[r, s]: a true convolution, which flips one of the two.
    """
    return F.conv2d(tc.Tensor(first), tc.Tensor(second), padding="full", flip=True).data


@app.cell(hide_code=True)
def _():
    relu = lesson.switch("relu")
    relu
    return (relu,)


@app.cell
def _(relu):
    photograph = tc.data.photograph("china")[1, 100:228, 80:208][None, None] / 255 - 0.5  # (1, 1, 128, 128)
    _rng = np.random.default_rng(17)
    first, second = _rng.standard_normal((2, 1, 1, 3, 3)) / 3
    _between = F.conv2d(tc.Tensor(photograph), tc.Tensor(first))
    by_two = F.conv2d(F.relu(_between) if relu.value else _between, tc.Tensor(second)).data
    by_one = F.conv2d(tc.Tensor(photograph), tc.Tensor(merged(first, second))).data
    merged_difference = np.abs(by_two - by_one).max() / np.abs(by_one).max()
    lesson.numbers(relus=int(relu.value), weights_of_two=18, weights_of_one=25, merged_difference=merged_difference)
    return by_one, by_two, first, merged_difference, second


@app.cell
def _(by_one, by_two):
    _most = np.abs(by_one).max()
    tc.plot.pictures(
        {lesson.word("by_two"): by_two[0, 0], lesson.word("by_one"): by_one[0, 0]},
        alt=lesson.word("by_two_alt"),
        signed=True,
        limits=(-_most, _most),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _(first, numbers, second):
    def _stack(x, first, second):
        return F.conv2d(F.relu(F.conv2d(x, first)), second)

    tc.trace(_stack, numbers, np.round(first, 1), np.round(second, 1), backward=True)
    return


@app.cell
def _():
    numbers = np.random.default_rng(0).integers(-4, 5, (1, 1, 5, 5)) / 2
    return (numbers,)


@app.cell(hide_code=True)
def _():
    lesson.text("columns")
    return


@app.function
def count(configuration, H=224):
    """Parameters and multiply-adds, layer by layer: 3 × 3 with padding 1, ``|`` is a pool that halves the map."""
    rows, C = [], 3
    for word in configuration.split():
        if word == "|":
            H //= 2
            continue
        R, K = (1, int(word[4:])) if word.startswith("1x1·") else (3, int(word))
        rows.append((f"{R}x{R}·{K}", H, K * (C * R * R + 1), K * C * R * R * H * H))
        C = K
    for K, inputs in ((4096, C * H * H), (4096, 4096), (1000, 4096)):
        rows.append((f"fc·{K}", 1, K * (inputs + 1), K * inputs))
    return rows


@app.cell(hide_code=True)
def _():
    guess_depth = lesson.question("depth")
    guess_depth
    return (guess_depth,)


@app.cell(hide_code=True)
def _(guess_depth):
    lesson.answer("depth", guess_depth)
    return


@app.cell(hide_code=True)
def _():
    column = lesson.choice("column", ["A", "B", "C", "D", "E"], "D")
    column
    return (column,)


@app.cell
def _(column):
    columns = {
        "A": "64 | 128 | 256 256 | 512 512 | 512 512 |",
        "B": "64 64 | 128 128 | 256 256 | 512 512 | 512 512 |",
        "C": "64 64 | 128 128 | 256 256 1x1·256 | 512 512 1x1·512 | 512 512 1x1·512 |",
        "D": "64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512 |",
        "E": "64 64 | 128 128 | 256 256 256 256 | 512 512 512 512 | 512 512 512 512 |",
    }
    rows = count(columns[column.value])
    parameters = {name: sum(row[2] for row in count(text)) for name, text in columns.items()}
    lesson.numbers(
        weight_layers=len(rows),
        parameters=parameters[column.value],
        multiply_adds=sum(row[3] for row in rows),
        full_share=100 * sum(row[2] for row in rows[-3:]) / parameters[column.value],
    )
    return parameters, rows


@app.cell
def _(rows):
    tc.plot.bars(
        {f"{place}: {name}, {H} × {H}": work / 1e9 for place, (name, H, _, work) in enumerate(rows, 1)},
        x=lesson.word("work"),
        alt=lesson.word("work_alt"),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("two_stage")
    return


@app.function
def small_vgg(convolutions, std=0.05, seed=0):
    """3 × 3 convolutions of 16 kernels on 8 × 8 pixels, weights N(0, std²); He's rule where std is None."""
    tc.manual_seed(seed)
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    for _ in range(convolutions - 1):
        layers += [nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
    layers += [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)]
    for layer in layers:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            if std is None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


@app.function
def train(model, images, labels, steps, lr=0.05):
    """SGD with momentum on batches of 32; the losses."""
    optimizer = tc.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    rng, losses = np.random.default_rng(0), []
    model.train()
    for _ in range(steps):
        chosen = rng.choice(len(images), 32, replace=False)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(tc.Tensor(images[chosen])), labels[chosen])
        loss.backward()
        optimizer.step()
        losses.append(float(loss.data))
    model.eval()
    return losses


@app.function
def right(model, images, labels):
    """Percentage of right answers."""
    with tc.no_grad():
        return 100 * np.mean(model(tc.Tensor(images)).data.argmax(axis=1) == labels)


@app.cell(hide_code=True)
def _():
    guess_start = lesson.question("start")
    guess_start
    return (guess_start,)


@app.cell(hide_code=True)
def _(guess_start):
    lesson.answer("start", guess_start)
    return


@app.cell
def _():
    transform = tc.data.DATA_SETS["digits"].transform((1, 8, 8))
    digits, labels = (part[:512] for part in tc.data.digits("train"))
    test_digits, test_labels = tc.data.digits("test")
    shallow = small_vgg(2)
    shallow_losses = train(shallow, transform(digits), labels, 100)
    return digits, labels, shallow, shallow_losses, test_digits, test_labels, transform


@app.cell(hide_code=True)
def _():
    convolutions = lesson.slider("convolutions", 3, 8, 6)
    convolutions
    return (convolutions,)


@app.cell
def _(convolutions, digits, labels, shallow, shallow_losses, test_digits, test_labels, transform):
    deep = {
        "at_random": small_vgg(convolutions.value, seed=1),
        "from_shallow": small_vgg(convolutions.value, seed=1),
        "he": small_vgg(convolutions.value, std=None, seed=1),
    }
    _weights = deep["from_shallow"].state_dict()
    _last = len(list(deep["from_shallow"])) - 1
    for _old, _new in ((0, 0), (3, 3), (7, _last)):  # two convolutions and the full layer; those between stay random
        _weights |= {f"{_new}.{part}": array for part, array in shallow[_old].state_dict().items()}
    deep["from_shallow"].load_state_dict(_weights)
    losses = {"shallow": shallow_losses}
    losses |= {name: train(model, transform(digits), labels, 100) for name, model in deep.items()}
    rights = {name: right(model, transform(test_digits), test_labels) for name, model in deep.items()}
    tc.plot.curves(
        {lesson.word(name): np.convolve(loss, np.ones(10) / 10, "valid") for name, loss in losses.items()},
        x=lesson.word("steps"),
        y=lesson.word("loss"),
        alt=lesson.word("losses_alt"),
    )
    return (rights,)


@app.cell(hide_code=True)
def _(convolutions, rights):
    lesson.numbers(
        deep_parameters=160 + (convolutions.value - 1) * 2320 + 650,
        right_at_random=rights["at_random"],
        right_from_shallow=rights["from_shallow"],
        right_he=rights["he"],
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("fine_tuning")
    return


@app.function
def coloured(digits, seed, size=16):
    """Grey digits of 8 × 8 in bright random colours on dark ones, as a network for CIFAR-10 takes them."""
    rng = np.random.default_rng(seed)
    ink = tc.data.Resize(size)(digits[:, None].astype(np.float32) / 16)  # (N, 1, size, size), from 0 to 1
    bright, dark = rng.uniform(0.6, 1, (len(digits), 3, 1, 1)), rng.uniform(0, 0.3, (len(digits), 3, 1, 1))
    return (ink * bright + (1 - ink) * dark).astype(np.float32)


@app.function
def cut(model, frozen):
    """The layers up to ``frozen`` convolutions with what belongs to them, and the rest with a new last layer."""
    features = list(model.features)
    ends = [place for place, layer in enumerate(features) if isinstance(layer, nn.Conv2d)] + [len(features)]
    tc.manual_seed(0)
    rest = nn.Sequential(*features[ends[frozen] :], model.pool, model.flatten, nn.Linear(96, 10))
    return nn.Sequential(*features[: ends[frozen]]).eval(), rest


@app.cell
def _(digits, labels, test_digits, test_labels):
    normalize = tc.data.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))  # as in its training
    images = {"train": coloured(digits[:200], 0), "test": coloured(test_digits[:200], 1)}

    def fine_tune(frozen, lr, is_trained=True):
        """Train what is not frozen for 30 steps: percentage right, seconds, and how many numbers were trained."""
        tc.manual_seed(1)
        path = tc.models.pretrained_path("vgg-small")
        model = tc.training.load_checkpoint(path).build() if is_trained else tc.models.vgg_small()
        front, rest = cut(model, frozen)
        begun = perf_counter()
        with tc.no_grad():  # what is frozen gives the same maps in every step: once is enough
            seen, tested = (front(tc.Tensor(normalize(images[part]))).data for part in ("train", "test"))
        train(rest, seen, labels[:200], 30, lr)
        seconds = perf_counter() - begun
        return right(rest, tested, test_labels[:200]), seconds, sum(part.size for part in rest.parameters())

    tc.plot.pictures(
        {f"{n}: {label}": image for n, image, label in zip(range(1, 11), images["train"], labels, strict=False)},
        alt=lesson.word("coloured_alt"),
        columns=10,
        size=0.6,
    )
    return (fine_tune,)


@app.cell(hide_code=True)
def _():
    guess_freeze = lesson.question("freeze")
    guess_freeze
    return (guess_freeze,)


@app.cell(hide_code=True)
def _(guess_freeze):
    lesson.answer("freeze", guess_freeze)
    return


@app.cell(hide_code=True)
def _():
    frozen = lesson.slider("frozen", 0, 7, 4)
    rate = lesson.choice("rate", {"0.05": 0.05, "0.2": 0.2}, "0.2")
    lesson.controls(frozen, rate)
    return frozen, rate


@app.cell
def _(fine_tune, frozen, rate):
    tuned, _seconds, _trained = fine_tune(frozen.value, rate.value)
    untrained, _, _ = fine_tune(frozen.value, rate.value, is_trained=False)
    lesson.numbers(trained=_trained, right_tuned=tuned, right_untrained=untrained, seconds=_seconds)
    return tuned, untrained


@app.cell(hide_code=True)
def _():
    sweep = lesson.button("sweep")
    sweep
    return (sweep,)


@app.cell
def _(fine_tune, frozen, rate, sweep, tuned):
    by_frozen = {frozen.value: tuned}
    for _count in range(8) if sweep.value else (7,):
        by_frozen[_count] = fine_tune(_count, rate.value)[0]
    lesson.numbers(trainings=len(by_frozen))
    return (by_frozen,)


@app.cell
def _(by_frozen):
    tc.plot.bars(
        {lesson.word("frozen", count=count): by_frozen[count] for count in sorted(by_frozen)},
        x=lesson.word("right"),
        alt=lesson.word("frozen_alt"),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("careful")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("18_receptive_field", "16_sgd_momentum")
    return


@app.cell
def _(by_frozen, convolutions, frozen, rate, rights, tuned, untrained):
    if convolutions.value == 6:
        assert rights["at_random"] < 20 < 50 < min(rights["from_shallow"], rights["he"])
    if (frozen.value, rate.value) == (4, 0.2):
        assert tuned > max(untrained, by_frozen[7])
    return


@app.cell(hide_code=True)
def _(layers, merged_difference, parameters, relu, ways):
    assert np.count_nonzero(ways.any(axis=0)) == 2 * layers.value + 1
    assert merged_difference > 1e-3 if relu.value else merged_difference < 1e-12
    assert {name: round(number / 1e6) for name, number in parameters.items()} == {
        "A": 133,  # table 2 of the paper, in millions
        "B": 133,
        "C": 134,
        "D": 138,
        "E": 144,
    }
    return


if __name__ == "__main__":
    app.run()
