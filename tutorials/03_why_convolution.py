import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="3. Nearest neighbours, templates, and why convolution")

with app.setup(hide_code=True):
    from itertools import pairwise

    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("03_why_convolution")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("neighbours")
    return


@app.cell
def _():
    train_digits, train_labels = tc.data.digits("train")  # (1438, 8, 8), (1438,)
    test_digits, test_labels = tc.data.digits("test")
    return test_digits, test_labels, train_digits, train_labels


@app.function
def squared_distances(images, others):
    """d[i, j] = Σ (images[i] − others[j])² = Σ images[i]² − 2 Σ images[i]·others[j] + Σ others[j]²."""
    a, b = images.reshape(len(images), -1).astype(float), others.reshape(len(others), -1).astype(float)
    return (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)


@app.function
def vote(distances, labels, k):
    """The label that most of the k nearest have, for each row of distances."""
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.array([np.bincount(row).argmax() for row in labels[nearest]])


@app.cell(hide_code=True)
def _():
    guess_neighbours = lesson.question("neighbours")
    guess_neighbours
    return (guess_neighbours,)


@app.cell(hide_code=True)
def _(guess_neighbours):
    lesson.answer("neighbours", guess_neighbours)
    return


@app.cell(hide_code=True)
def _():
    known = lesson.slider("known", 100, 1400, 1400, step=100)
    k = lesson.slider("k", 1, 15, 1, step=2)
    lesson.controls(known, k)
    return k, known


@app.cell
def _(test_digits, train_digits):
    distances = squared_distances(test_digits, train_digits)  # (359, 1438)
    return (distances,)


@app.cell
def _(distances, k, known, test_labels, train_labels):
    by_neighbours = vote(distances[:, : known.value], train_labels[: known.value], k.value)
    lesson.numbers(
        neighbours_right=100 * np.mean(by_neighbours == test_labels),
        products=known.value * 64,
        stored=known.value * 64,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("look")
    return


@app.cell(hide_code=True)
def _():
    chosen = lesson.slider("chosen", 0, 358, 3)
    chosen
    return (chosen,)


@app.cell
def _(chosen, distances, test_digits, test_labels, train_digits, train_labels):
    order = np.argsort(distances[chosen.value], kind="stable")[:5]
    shown = {lesson.word("test", label=test_labels[chosen.value]): test_digits[chosen.value].astype(float)}
    for _place, _index in enumerate(order, 1):
        shown[lesson.word("neighbour", place=_place, label=train_labels[_index])] = train_digits[_index].astype(float)
    tc.plot.pictures(shown, alt=lesson.word("neighbours_alt"), limits=(0, 16), size=1.4)
    return (order,)


@app.cell(hide_code=True)
def _(chosen, distances, order, test_labels, train_labels):
    lesson.numbers(
        truth=test_labels[chosen.value],
        nearest_label=train_labels[order[0]],
        nearest_distance=np.sqrt(distances[chosen.value, order[0]]),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("distance")
    return


@app.function
def on_ground(digits, right=0, down=0, cropped=False):
    """Digits on a black ground of 16 × 16, moved from its middle: (N, 8, 8) -> (N, 1, 16, 16), from 0 to 1."""
    images = np.zeros((len(digits), 1, 16, 16), np.float32)
    images[:, 0, 4 + down : 12 + down, 4 + right : 12 + right] = digits / 16
    if cropped:  # nothing is left outside the place where digits stand in training
        images[:, :, :4] = images[:, :, 12:] = images[..., :4] = images[..., 12:] = 0
    return images


@app.cell
def _(distances, test_digits, test_labels, train_labels):
    to_itself = ((on_ground(test_digits, right=1) - on_ground(test_digits)) ** 2).sum(axis=(1, 2, 3)) * 16**2
    to_another = np.where(test_labels[:, None] == train_labels, np.inf, distances).min(axis=1)
    lesson.numbers(
        to_itself=np.sqrt(to_itself).mean(),
        to_another=np.sqrt(to_another).mean(),
        stranger_nearer=100 * np.mean(to_another < to_itself),
    )
    return to_another, to_itself


@app.cell(hide_code=True)
def _(to_another, to_itself):
    lesson.text("stranger", percent=f"{100 * np.mean(to_another < to_itself):.0f}")
    return


@app.cell(hide_code=True)
def _():
    lesson.text("templates")
    return


@app.function
def train(model, images, labels, rate, epochs):
    """Show all images to the model, 32 at a time, and change its weights a little each time."""
    optimizer = tc.optim.Adam(model.parameters(), lr=rate)
    shuffle = np.random.default_rng(0)
    for _ in range(epochs):
        order = shuffle.permutation(len(images))
        for batch in order[: len(order) // 32 * 32].reshape(-1, 32):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    return model.eval()


@app.function
def percent_right(model, images, labels):
    with tc.no_grad():
        return 100 * np.mean(model(images).data.argmax(axis=1) == labels)


@app.cell
def _(train_digits, train_labels):
    tc.manual_seed(0)
    linear = tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(16 * 16, 10))
    train(linear, on_ground(train_digits), train_labels, rate=0.01, epochs=10)
    templates = linear[1].weight.data.reshape(10, 16, 16)
    tc.plot.pictures(
        {f"{digit}": template[4:12, 4:12] for digit, template in enumerate(templates)},
        alt=lesson.word("templates_alt"),
        signed=True,
        columns=5,
        size=1.4,
    )
    return linear, templates


@app.cell(hide_code=True)
def _(linear, test_digits, test_labels):
    lesson.numbers(linear_right=percent_right(linear, on_ground(test_digits), test_labels), linear_weights=10 * 256)
    return


@app.cell
def _(chosen, linear, templates, test_digits, test_labels):
    _image = on_ground(test_digits[chosen.value : chosen.value + 1])
    scores = (templates * _image[0]).sum(axis=(1, 2)) + linear[1].bias.data
    _best = scores.argmax()
    tc.plot.pictures(
        {
            lesson.word("test", label=test_labels[chosen.value]): _image[0, :, 4:12, 4:12],
            lesson.word("template", digit=_best): templates[_best, 4:12, 4:12],
            lesson.word("product"): (_image[0, 0] * templates[_best])[4:12, 4:12],
        },
        alt=lesson.word("product_alt"),
        signed=True,
        size=1.8,
    )
    return (scores,)


@app.cell
def _(scores):
    tc.plot.bars(
        {f"{digit}": score for digit, score in enumerate(scores)}, x=lesson.word("score"), alt=lesson.word("scores_alt")
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    example("linear", {"input": (1, 4), "kernels": 3}, seed=3, backward=False)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("counts")
    return


@app.function
def weights_of_layers(*sizes):
    """Σ sizes[i] · sizes[i + 1]: every unit of a layer has a weight for every unit of the one before."""
    return sum(before * after for before, after in pairwise(sizes))


@app.cell(hide_code=True)
def _():
    guess_perceptron = lesson.question("perceptron")
    guess_perceptron
    return (guess_perceptron,)


@app.cell(hide_code=True)
def _(guess_perceptron):
    lesson.answer("perceptron", guess_perceptron)
    return


@app.cell(hide_code=True)
def _():
    side = lesson.slider("side", 4, 224, 224, step=4)
    hidden = lesson.slider("hidden", 256, 2048, 1024, step=256)
    lesson.controls(side, hidden)
    return hidden, side


@app.cell(hide_code=True)
def _(hidden, side):
    lesson.numbers(
        small_weights=weights_of_layers(4 * 4, 4, 2),
        large_weights=weights_of_layers(side.value**2, hidden.value, 2048, 4096, 1000),
        first_layer=side.value**2 * hidden.value,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("moved")
    return


@app.cell(hide_code=True)
def _():
    guess_moved = lesson.question("moved")
    guess_moved
    return (guess_moved,)


@app.cell
def _(train_digits, train_labels):
    tc.manual_seed(0)
    network = tc.nn.Sequential(
        tc.nn.Conv2d(1, 8, 3),  # (N, 1, 16, 16) -> (N, 8, 14, 14)
        tc.nn.ReLU(),
        tc.nn.Conv2d(8, 32, 3),  # -> (N, 32, 12, 12)
        tc.nn.ReLU(),
        tc.nn.GlobalMaxPool2d(),  # -> (N, 32, 1, 1): the largest answer, wherever it was
        tc.nn.Flatten(),
        tc.nn.Linear(32, 10),
    )
    train(network, on_ground(train_digits), train_labels, rate=0.01, epochs=5)
    return (network,)


@app.cell(hide_code=True)
def _():
    right = lesson.slider("right", -3, 3, 1)
    down = lesson.slider("down", -3, 3, 0)
    cropped = lesson.switch("cropped")
    lesson.controls(right, down, cropped)
    return cropped, down, right


@app.cell
def _(cropped, down, right, test_digits, test_labels):
    moved = on_ground(test_digits, right.value, down.value, cropped.value)
    tc.plot.pictures(
        {lesson.word("numbered", place=place, label=test_labels[place]): moved[place] for place in range(6)},
        alt=lesson.word("moved_alt"),
        limits=(0, 1),
        size=1.4,
    )
    return (moved,)


@app.cell
def _(linear, moved, network, test_labels, train_digits, train_labels):
    by_nearest = vote(squared_distances(moved, on_ground(train_digits)), train_labels, k=1)
    lesson.numbers(
        moved_neighbours=100 * np.mean(by_nearest == test_labels),
        moved_linear=percent_right(linear, moved, test_labels),
        moved_network=percent_right(network, moved, test_labels),
        network_weights=sum(parameter.data.size for parameter in network.parameters()),
    )
    return


@app.cell
def _(linear, network, test_digits, test_labels, train_digits, train_labels):
    shifts = np.arange(-3, 4)
    lines = {lesson.word(name): (shifts, np.empty(7)) for name in ("nearest", "linear", "network")}
    for _place, _shift in enumerate(shifts):
        _images = on_ground(test_digits, right=_shift)
        _votes = vote(squared_distances(_images, on_ground(train_digits)), train_labels, k=1)
        lines[lesson.word("nearest")][1][_place] = 100 * np.mean(_votes == test_labels)
        lines[lesson.word("linear")][1][_place] = percent_right(linear, _images, test_labels)
        lines[lesson.word("network")][1][_place] = percent_right(network, _images, test_labels)
    tc.plot.curves(lines, x=lesson.word("shift_axis"), y=lesson.word("right_axis"), alt=lesson.word("lines_alt"))
    return (lines,)


@app.cell
def _(guess_moved, lines):
    at_one = {name: f"{heights[4]:.0f}" for name, (_, heights) in lines.items()}
    lesson.answer(
        "moved",
        guess_moved,
        neighbours=at_one[lesson.word("nearest")],
        linear=at_one[lesson.word("linear")],
        network=at_one[lesson.word("network")],
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("why")
    return


@app.cell(hide_code=True)
def _():
    teach = lesson.button("teach")
    teach
    return (teach,)


@app.cell
def _(teach, test_digits, test_labels, train_digits, train_labels):
    _places = [(columns, rows) for columns in range(-2, 3) for rows in range(-2, 3)]
    epochs = 10 if teach.value else 1
    tc.manual_seed(0)
    taught = train(
        tc.nn.Sequential(tc.nn.Flatten(), tc.nn.Linear(16 * 16, 10)),
        np.concatenate([on_ground(train_digits, *place) for place in _places]),
        np.tile(train_labels, 25),
        rate=0.003,
        epochs=epochs,
    )
    taught_right = np.mean([percent_right(taught, on_ground(test_digits, *place), test_labels) for place in _places])
    lesson.numbers(taught_images=25 * len(train_digits), taught_epochs=epochs, taught_right=taught_right)
    return (taught_right,)


@app.cell(hide_code=True)
def _():
    lesson.text("trap")
    return


@app.cell(hide_code=True)
def _():
    guess_trap = lesson.question("trap")
    guess_trap
    return (guess_trap,)


@app.cell(hide_code=True)
def _(guess_trap):
    lesson.answer("trap", guess_trap)
    return


@app.function
def weights_of_convolutions(channels, kernel):
    """Σ channels[i] · channels[i + 1] · kernel²."""
    return kernel**2 * weights_of_layers(*channels)


@app.cell(hide_code=True)
def _():
    kernel = lesson.slider("kernel", 1, 7, 3, step=2)
    colour = lesson.switch("colour")
    lesson.controls(kernel, colour)
    return colour, kernel


@app.cell
def _(colour, kernel):
    channels = (3 if colour.value else 1, 128, 256, 512)
    lesson.numbers(
        forgetful=kernel.value**2 * sum(channels[1:]) + 1024 * 1000,
        honest=weights_of_convolutions(channels, kernel.value) + 1024 * 1000,
        full=weights_of_layers(channels[0] * 224**2, 1024, 2048, 4096, 1000),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("17_lenet5")
    return


@app.cell(hide_code=True)
def _(lines, taught_right, to_another, to_itself):
    assert weights_of_layers(16, 4, 2) == 72
    assert weights_of_layers(224**2, 1024, 2048, 4096, 1000) == 65_961_984
    assert 9 * (128 + 256 + 512) + 1024 * 1000 == 1_032_064
    _layers = [tc.nn.Conv2d(C, K, 3, bias=False) for C, K in ((1, 128), (128, 256), (256, 512))]
    assert weights_of_convolutions((1, 128, 256, 512), 3) == sum(layer.weight.data.size for layer in _layers)
    _nearest, _linear, _network = (heights for _, heights in lines.values())
    assert min(_nearest[3], _linear[3], _network[3]) > 95
    assert max(_nearest[4], _linear[4]) < 75
    assert _network[1:6].min() > 95
    assert taught_right < 75
    assert np.mean(to_another < to_itself) > 0.2
    return


if __name__ == "__main__":
    app.run()
