import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="10. Pooling, ReLU and dead units")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("10_pooling_and_relu")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("why")
    return


@app.cell
def _():
    x = np.array([[29.0, 15, 28, 184], [0, 100, 70, 38], [12, 12, 7, 2], [12, 12, 45, 6]])
    tc.plot.pictures(
        {lesson.word("example"): x}, alt=lesson.word("example_alt"), limits=(0, 255), numbers=".0f", size=2.6
    )
    return (x,)


@app.cell(hide_code=True)
def _():
    guess_max = lesson.question("max")
    guess_max
    return (guess_max,)


@app.cell(hide_code=True)
def _(guess_max):
    lesson.answer("max", guess_max)
    return


@app.cell(hide_code=True)
def _():
    guess_average = lesson.question("average")
    guess_average
    return (guess_average,)


@app.cell(hide_code=True)
def _(guess_average):
    lesson.answer("average", guess_average)
    return


@app.function
def pool(x, k, stride, reduce):
    """y[…, p, q] = reduce of x[…, p·stride : p·stride + k, q·stride : q·stride + k], for any reduce over two axes."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(-2, -1))[..., ::stride, ::stride, :, :]
    return reduce(windows, axis=(-2, -1))


@app.function
def root_of_squares(windows, axis):
    """L2 pooling: the square root of the sum of squares."""
    return np.sqrt((windows**2).sum(axis=axis))


@app.cell(hide_code=True)
def _():
    lesson.text("kinds")
    return


@app.cell
def _():
    kinds = {
        "max": (np.max, lambda x, k, stride: F.max_pool2d(x, k, stride)),
        "average": (np.mean, lambda x, k, stride: F.avg_pool2d(x, k, stride)),
        "min": (np.min, lambda x, k, stride: F.min_pool2d(x, k, stride)),
        "L2": (root_of_squares, lambda x, k, stride: F.lp_pool2d(x, 2, k, stride)),
    }
    kind = lesson.choice("kind", list(kinds), "max")
    kind
    return kind, kinds


@app.cell
def _(kind, kinds, x):
    _reduce, _engine = kinds[kind.value]
    pooled = pool(x, 2, 2, _reduce)
    pool_difference = np.abs(pooled - _engine(tc.Tensor(x[None, None]), 2, 2).data).max()
    lesson.numbers(
        upper_left=pooled[0, 0],
        upper_right=pooled[0, 1],
        lower_left=pooled[1, 0],
        lower_right=pooled[1, 1],
        pool_difference=pool_difference,
    )
    return (pool_difference,)


@app.cell(hide_code=True)
def _():
    lesson.text("digit")
    return


@app.cell(hide_code=True)
def _():
    size = lesson.slider("size", 1, 4, 2)
    stride = lesson.slider("stride", 1, 4, 2)
    lesson.controls(size, stride)
    return size, stride


@app.cell
def _(kinds, size, stride):
    digit = np.kron(tc.data.digits("test")[0][3] / 16, np.ones((3, 3)))  # 8x8, each pixel three times as large
    maps = {name: pool(digit, size.value, stride.value, reduce) for name, (reduce, _) in kinds.items()}
    tc.plot.pictures(
        {lesson.word("digit"): digit, **maps}, alt=lesson.word("maps_alt", size=size.value), columns=5, size=1.7
    )
    return digit, maps


@app.cell(hide_code=True)
def _(digit, maps):
    lesson.numbers(
        rows=len(maps["max"]),
        kept=100 * maps["max"].size / digit.size,
        mean_of_max=maps["max"].mean(),
        mean_of_average=maps["average"].mean(),
        mean_of_min=maps["min"].mean(),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("backward")
    return


@app.cell(hide_code=True)
def _():
    guess_tie = lesson.question("tie")
    guess_tie
    return (guess_tie,)


@app.cell(hide_code=True)
def _(guess_tie):
    lesson.answer("tie", guess_tie)
    return


@app.function
def max_pool_backward(dy, x, k, stride):
    """dx at the first maximum of each window += dy of the window."""
    dx = np.zeros(x.shape)
    for p, q in np.ndindex(dy.shape):
        window = x[p * stride : p * stride + k, q * stride : q * stride + k]
        r, s = np.unravel_index(np.argmax(window), window.shape)  # argmax finds the first of equal ones
        dx[p * stride + r, q * stride + s] += dy[p, q]
    return dx


@app.function
def average_pool_backward(dy, shape, k, stride):
    """Each entry of a window += dy / k², its equal share."""
    dx = np.zeros(shape)
    for p, q in np.ndindex(dy.shape):
        dx[p * stride : p * stride + k, q * stride : q * stride + k] += dy[p, q] / k**2
    return dx


@app.cell
def _(x):
    dy = np.array([[10.0, 20.0], [30.0, 40.0]])
    dx_max, dx_average = max_pool_backward(dy, x, 2, 2), average_pool_backward(dy, x.shape, 2, 2)
    tc.plot.pictures(
        {"x": x, "dy": dy, lesson.word("dx_max"): dx_max, lesson.word("dx_average"): dx_average},
        alt=lesson.word("backward_alt"),
        limits=(0, 40),
        numbers="g",
        size=2.2,
        columns=4,
    )
    return dx_max, dy


@app.cell(hide_code=True)
def _():
    lesson.text("overlap")
    return


@app.cell(hide_code=True)
def _():
    windows = lesson.choice("windows", ["2 × 2, stride 2", "3 × 3, stride 2", "3 × 3, stride 1"], "3 × 3, stride 2")
    overwrite = lesson.switch("overwrite")
    lesson.controls(windows, overwrite)
    return overwrite, windows


@app.cell
def _(overwrite, windows):
    _k, _stride = {"2 × 2, stride 2": (2, 2), "3 × 3, stride 2": (3, 2), "3 × 3, stride 1": (3, 1)}[windows.value]
    _image = np.random.default_rng(10).permutation(np.arange(81.0)).reshape(9, 9)  # all entries differ
    _dy = np.ones(pool(_image, _k, _stride, np.max).shape)
    won = max_pool_backward(_dy, _image, _k, _stride)
    shown = np.minimum(won, 1) if overwrite.value else won  # with =, the last 1 stays
    tc.plot.pictures(
        {"x": _image, lesson.word("won"): shown}, alt=lesson.word("won_alt"), signed=True, numbers=".0f", size=3
    )
    return shown, won


@app.cell(hide_code=True)
def _(shown, won):
    lesson.numbers(
        windows=int(won.sum()), arrived=int(shown.sum()), winners=int((won > 0).sum()), most_won=int(won.max())
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    example("max_pool2d", {}, seed=19, backward=True)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("padding")
    return


@app.cell(hide_code=True)
def _():
    guess_padding = lesson.question("padding")
    guess_padding
    return (guess_padding,)


@app.cell(hide_code=True)
def _(guess_padding):
    lesson.answer("padding", guess_padding)
    return


@app.cell(hide_code=True)
def _():
    brightness = lesson.slider("brightness", -6, 6, -5)
    brightness
    return (brightness,)


@app.cell
def _(brightness):
    grey = np.full((4, 4), float(brightness.value))
    with_zeros = pool(np.pad(grey, 1), 3, 2, np.max)
    with_infinity = pool(np.pad(grey, 1, constant_values=-np.inf), 3, 2, np.max)
    by_engine = F.max_pool2d(tc.Tensor(grey[None, None]), 3, 2, padding=1).data[0, 0]
    lesson.numbers(corner_zeros=with_zeros[0, 0], corner_infinity=with_infinity[0, 0], corner_engine=by_engine[0, 0])
    return by_engine, with_infinity


@app.cell(hide_code=True)
def _():
    lesson.text("global")
    return


@app.cell(hide_code=True)
def _():
    network = lesson.choice("network", ["LeNet-5", "AlexNet", "VGG"], "AlexNet")
    network
    return (network,)


@app.cell
def _(network):
    _maps, _side, _hidden = {"LeNet-5": (16, 5, 120), "AlexNet": (256, 6, 4096), "VGG": (512, 7, 4096)}[network.value]
    lesson.numbers(flat_weights=_maps * _side**2 * _hidden, averaged_weights=_maps * _hidden)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("relu")
    return


@app.cell
def _():
    example("relu", {"input": (2, 3)}, seed=10, backward=True)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("dead")
    return


@app.cell(hide_code=True)
def _():
    guess_revive = lesson.question("revive")
    guess_revive
    return (guess_revive,)


@app.cell(hide_code=True)
def _(guess_revive):
    lesson.answer("revive", guess_revive)
    return


@app.function
def trained(activation, rate):
    """Train 64 pixels → 32 hidden units → 10 classes: two steps at this rate, then 48 at 0.3.

    The units at or below 0 for all images, before, after the two steps and at the end; the test digits right, in %.
    """
    (images, labels), (unseen, answers) = (tc.data.digits(split) for split in ("train", "test"))
    images, labels, unseen = images[:500].reshape(-1, 64) / 16, labels[:500], unseen.reshape(-1, 64) / 16
    rng = np.random.default_rng(0)
    arrays = rng.normal(0, 0.2, (64, 32)), np.zeros(32), rng.normal(0, 0.2, (32, 10)), np.zeros(10)
    w, b, v, c = weights = [tc.Tensor(array, requires_grad=True) for array in arrays]
    below = []
    for step in range(50):
        below.append(int((images @ w.data + b.data <= 0).all(axis=0).sum()))
        F.cross_entropy(activation(tc.Tensor(images) @ w + b) @ v + c, labels).backward()
        for weight in weights:
            weight.data -= (rate if step < 2 else 0.3) * weight.grad
            weight.zero_grad()
    with tc.no_grad():
        scores = activation(tc.Tensor(unseen) @ w + b) @ v + c
    return below[0], below[2], below[-1], 100 * float((scores.argmax(dim=1) == answers).mean())


@app.cell(hide_code=True)
def _():
    rate = lesson.choice("rate", ["0.3", "3", "5", "10", "20"], "10")
    leaky = lesson.switch("leaky")
    lesson.controls(rate, leaky)
    return leaky, rate


@app.cell
def _(leaky, rate):
    _activation = (lambda x: F.leaky_relu(x, 0.1)) if leaky.value else F.relu
    _before, _after, _at_end, _accuracy = trained(_activation, float(rate.value))
    lesson.numbers(before=_before, after=_after, at_end=_at_end, accuracy=_accuracy)
    return


@app.cell
def _():
    _rates = np.array([0.3, 1, 3, 5, 10, 20])
    by_rate = np.array([trained(F.relu, rate) for rate in _rates])
    tc.plot.curves(
        {lesson.word("after"): (_rates, by_rate[:, 1]), lesson.word("at_end"): (_rates, by_rate[:, 2])},
        x=lesson.word("rate"),
        y=lesson.word("units"),
        log_x=True,
        alt=lesson.word("dead_alt"),
    )
    return (by_rate,)


@app.cell(hide_code=True)
def _():
    lesson.text("leaky")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("08_max_pooling", "09_average_pooling", "10_activations")
    return


@app.cell(hide_code=True)
def _(by_engine, by_rate, dx_max, dy, pool_difference, with_infinity, x):
    np.testing.assert_array_equal(pool(x, 2, 2, np.max), [[100, 184], [12, 45]])
    np.testing.assert_array_equal(pool(x, 2, 2, np.mean), [[36, 80], [12, 15]])
    assert pool_difference < 1e-12
    _leaf = tc.Tensor(x[None, None], requires_grad=True)
    F.max_pool2d(_leaf, 2).backward(dy[None, None])
    np.testing.assert_array_equal(dx_max, _leaf.grad[0, 0])
    np.testing.assert_array_equal(by_engine, with_infinity)
    assert by_rate[-1, 1] > by_rate[0, 1]
    assert (by_rate[:, 2] >= by_rate[:, 1]).all()
    return


if __name__ == "__main__":
    app.run()
