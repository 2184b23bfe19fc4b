import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="15. LRN, its conventions, and batch norm")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn import nn
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("15_normalisation")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("neighbours")
    return


@app.function
def window(c, C, size, convention="PyTorch"):
    """First and last channel of the window of channel c, as far as there are such channels."""
    before, after = size // 2, (size - 1) // 2
    if convention == "ONNX":
        before, after = after, before
    return max(0, c - before), min(C - 1, c + after)


@app.function
def lrn(x, size, alpha, beta=0.75, k=2.0, average=False, forgotten=0):
    """y = x / d^beta, d[c] = k + alpha · Σ x[i]² over c's window, which may end ``forgotten`` channels early."""
    C = x.shape[1]
    d = np.full(x.shape, k)
    for c in range(C):
        first, last = window(c, C, size)
        last = min(last, c + (size - 1) // 2 - forgotten)
        d[:, c] += (alpha / size if average else alpha) * (x[:, first : last + 1] ** 2).sum(axis=1)
    return x / d**beta


@app.cell(hide_code=True)
def _():
    guess_even = lesson.question("even")
    guess_even
    return (guess_even,)


@app.cell(hide_code=True)
def _(guess_even):
    lesson.answer("even", guess_even)
    return


@app.cell(hide_code=True)
def _():
    channel = lesson.slider("channel", 0, 7, 3)
    size = lesson.slider("size", 1, 9, 5)
    convention = lesson.choice("convention", ["PyTorch", "ONNX"], "PyTorch")
    lesson.controls(channel, size, convention)
    return channel, convention, size


@app.cell
def _(channel, convention, size):
    first, last = window(channel.value, 8, size.value, convention.value)
    lesson.numbers(first=first, last=last, in_window=last - first + 1)
    return


@app.cell
def _(convention, size):
    inside = np.zeros((8, 8))
    for _c in range(8):
        _first, _last = window(_c, 8, size.value, convention.value)
        inside[_c, _first : _last + 1] = 1
    tc.plot.pictures({lesson.word("windows"): 1 - inside}, alt=lesson.word("windows_alt"), limits=(0, 1), size=2.6)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    example("local_response_norm", {"input": (1, 4, 1, 2), "size": 3, "alpha": 1.0}, seed=15, backward=True)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("alpha")
    return


@app.cell(hide_code=True)
def _():
    guess_port = lesson.question("port")
    guess_port
    return (guess_port,)


@app.cell(hide_code=True)
def _(guess_port):
    lesson.answer("port", guess_port)
    return


@app.cell(hide_code=True)
def _():
    power = lesson.slider("power", -4, 0, -4)
    average = lesson.switch("average")
    lesson.controls(power, average)
    return average, power


@app.cell
def _(average, power):
    threes = np.full((1, 8, 1, 1), 3.0)
    alpha = 10.0**power.value
    by_own = lrn(threes, 5, alpha, average=average.value)
    by_engine = F.local_response_norm(tc.Tensor(threes), 5, alpha, k=2.0, average=average.value).data
    lesson.numbers(middle=by_own[0, 4].item(), edge=by_own[0, 0].item(), middle_engine=by_engine[0, 4].item())
    return alpha, by_engine, by_own


@app.cell(hide_code=True)
def _():
    lesson.text("hidden")
    return


@app.cell
def _(alpha):
    x = np.random.default_rng(15).standard_normal((2, 8, 4, 4))

    def largest_difference(alpha):
        right, wrong = lrn(x, 5, alpha, average=True), lrn(x, 5, alpha, average=True, forgotten=1)
        return np.abs(right - wrong).max() / np.abs(right).max()

    difference = float(largest_difference(alpha))
    alphas = 10.0 ** np.arange(-4, 1)
    tc.plot.curves(
        {lesson.word("forgotten"): (alphas, [largest_difference(each) for each in alphas])},
        x=lesson.word("alpha"),
        y=lesson.word("difference"),
        alt=lesson.word("hidden_alt"),
        log_x=True,
        log_y=True,
    )
    return difference, largest_difference, x


@app.cell(hide_code=True)
def _(difference):
    lesson.numbers(difference=difference, passes=lesson.word("yes" if difference < 1e-4 else "no"))
    return


@app.cell
def _(alpha, x):
    even_difference = float(
        np.abs(lrn(x, 4, alpha) - F.local_response_norm(tc.Tensor(x), 4, alpha, k=2.0, average=False).data).max()
    )
    lesson.text("verdict")
    return (even_difference,)


@app.cell(hide_code=True)
def _():
    lesson.text("batch")
    return


@app.function
def batch_norm(x, eps=1e-5):
    """x̂ = (x − mean) / std, with the mean and the deviation of each channel over the batch: (N, C) -> x̂, std."""
    std = np.sqrt(x.var(axis=0) + eps)
    return (x - x.mean(axis=0)) / std, std


@app.function
def batch_norm_backward(grad, normalised, std):
    """dx = (g − mean(g) − x̂ · mean(g · x̂)) / std: the two means are the paths through the mean and the deviation."""
    return (grad - grad.mean(axis=0) - normalised * (grad * normalised).mean(axis=0)) / std


@app.cell(hide_code=True)
def _():
    guess_ones = lesson.question("ones")
    guess_ones
    return (guess_ones,)


@app.cell(hide_code=True)
def _(guess_ones):
    lesson.answer("ones", guess_ones)
    return


@app.cell(hide_code=True)
def _():
    scale = lesson.slider("scale", 0.5, 20, 1, 0.5)
    shift = lesson.slider("shift", -50, 50, 0, 5)
    lesson.controls(scale, shift)
    return scale, shift


@app.cell
def _(scale, shift):
    batch = scale.value * np.linspace(-1, 1, 8)[:, None] + shift.value  # (8, 1): eight images, one channel
    normalised, std = batch_norm(batch)
    upstream = np.random.default_rng(15).standard_normal((8, 1))
    slope = batch_norm_backward(upstream, normalised, std)
    lesson.numbers(
        mean_before=round(float(batch.mean()), 12) + 0.0,  # no −0
        deviation_before=float(batch.std()),
        largest_after=float(normalised.max()),
        size_of_gradient=float(np.linalg.norm(slope)),
    )
    return batch, normalised, slope, upstream


@app.cell
def _(batch, normalised, slope, upstream):
    given = tc.Tensor(batch, requires_grad=True)
    by_layer = F.batch_norm(given, training=True)
    by_layer.backward(upstream)
    lesson.numbers(
        against_engine=float(max(np.abs(by_layer.data - normalised).max(), np.abs(given.grad - slope).max())),
        sum_of_gradient=round(float(slope.sum()), 12) + 0.0,
    )
    return by_layer, given


@app.cell(hide_code=True)
def _():
    lesson.text("running")
    return


@app.function
def deep_network(activation, deviation, normalise, depth=10):
    """Tutorial 12's ten layers of 64 units, here with batch normalisation before each activation, if wanted."""
    tc.manual_seed(0)
    layers = []
    for _ in range(depth):
        linear = nn.Linear(64, 64)
        nn.init.normal_(linear.weight, std=deviation)
        nn.init.zeros_(linear.bias)
        layers += [linear, *([nn.BatchNorm1d(64)] if normalise else []), activation()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


@app.function
def train(model, images, labels, steps):
    """SGD with momentum on one and the same batch; the loss before each step."""
    optimizer = tc.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@app.cell
def _():
    digits, labels_of_all = tc.data.digits("train")
    pixels = digits[:200].reshape(200, 64) / 16
    pixels = (pixels - pixels.mean()) / pixels.std()
    images, labels = pixels.astype(np.float32), labels_of_all[:200]
    return images, labels, pixels


@app.cell(hide_code=True)
def _():
    batches = lesson.slider("batches", 1, 60, 5)
    batches
    return (batches,)


@app.cell
def _(batches, images, labels):
    net = deep_network(nn.ReLU, (2 / 64) ** 0.5, normalise=True)
    train(net, images, labels, batches.value)
    with tc.no_grad():
        in_eval_mode = float((net.eval()(images).data.argmax(axis=1) == labels).mean())
        in_train_mode = float((net.train()(images).data.argmax(axis=1) == labels).mean())
    lesson.numbers(first_values_left=0.9**batches.value, right_train=100 * in_train_mode, right_eval=100 * in_eval_mode)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("lag")
    return


@app.cell(hide_code=True)
def _():
    guess_one = lesson.question("one")
    guess_one
    return (guess_one,)


@app.cell(hide_code=True)
def _(guess_one):
    lesson.answer("one", guess_one)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("depth")
    return


@app.function
def signals(x, weights, activation, upstream, normalise):
    """Sizes of outputs and of gradients before and after each layer: a ← f(BN(a Wᵀ)), and back."""
    f, derivative = {  # the derivative, told by the output a = f(z)
        "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
        "tanh": (np.tanh, lambda a: 1 - a**2),
        "ReLU": (lambda z: np.maximum(z, 0), lambda a: a > 0),
    }[activation]
    outputs, norms, gradients = [x], [], [upstream]
    for w in weights:
        z = outputs[-1] @ w.T
        norms.append(batch_norm(z))
        outputs.append(f(norms[-1][0] if normalise else z))
    for w, a, norm in zip(reversed(weights), reversed(outputs[1:]), reversed(norms), strict=True):
        grad = gradients[-1] * derivative(a)
        gradients.append((batch_norm_backward(grad, *norm) if normalise else grad) @ w)
    return [[np.sqrt(np.mean(values**2)) for values in kind] for kind in (outputs, reversed(gradients))]


@app.cell
def _():
    activation = lesson.choice("activation", ["sigmoid", "tanh", "ReLU"], "sigmoid")
    deviations = {"N(0, 0.01²)": 0.01, "Xavier": (1 / 64) ** 0.5, "He": (2 / 64) ** 0.5}
    initial = lesson.choice("initial", list(deviations), "N(0, 0.01²)")
    normalise = lesson.switch("normalise")
    lesson.controls(activation, initial, normalise)
    return activation, deviations, initial, normalise


@app.cell
def _(activation, deviations, initial, normalise, pixels):
    rng = np.random.default_rng(12)
    from_above = rng.standard_normal((200, 64))
    layers = [deviations[initial.value] * rng.standard_normal((64, 64)) for _ in range(10)]
    forward, backward = signals(pixels, layers, activation.value, from_above, normalise.value)
    tc.plot.curves(
        {lesson.word("outputs"): forward, lesson.word("gradients"): backward},
        x=lesson.word("layer"),
        y=lesson.word("size"),
        alt=lesson.word("signals_alt"),
        log_y=True,
    )
    return backward, forward, from_above, layers


@app.cell(hide_code=True)
def _(backward, forward):
    lesson.numbers(last_output=float(forward[-1]), first_gradient=float(backward[0]))
    return


@app.cell(hide_code=True)
def _():
    train_all = lesson.button("train_all")
    train_all
    return (train_all,)


@app.cell
def _(deviations, images, labels, train_all):
    starts = deviations if train_all.value else {"N(0, 0.01²)": 0.01}
    steps = 120 if train_all.value else 60
    last_losses = {
        (name, start, normalises): train(deep_network(make, deviation, normalises), images, labels, steps)[-1]
        for name, make in {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}.items()
        for start, deviation in starts.items()
        for normalises in (False, True)
    }
    tc.plot.bars(
        {
            f"{name}, {start}, " + lesson.word("with_norm" if normalises else "without_norm"): loss
            for (name, start, normalises), loss in last_losses.items()
        },
        x=lesson.word("after", steps=steps),
        alt=lesson.word("deep_alt"),
        size=(7, 0.7 + 0.32 * len(last_losses)),
    )
    return (last_losses,)


@app.cell(hide_code=True)
def _(last_losses):
    lesson.numbers(
        runs=len(last_losses),
        learned_without=sum(loss < 1 for (*_, normalises), loss in last_losses.items() if not normalises),
        learned_with=sum(loss < 1 for (*_, normalises), loss in last_losses.items() if normalises),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("since")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("13_local_response_norm")
    return


@app.cell(hide_code=True)
def _(
    by_engine,
    by_layer,
    by_own,
    even_difference,
    from_above,
    given,
    largest_difference,
    last_losses,
    layers,
    normalised,
    pixels,
    slope,
):
    np.testing.assert_allclose(by_own, by_engine, rtol=1e-12)
    assert even_difference < 1e-12
    assert [window(3, 8, 4, each) for each in ("PyTorch", "ONNX")] == [(1, 4), (2, 5)]
    assert largest_difference(1e-4) < 5e-5 < 0.2 < largest_difference(1.0)
    np.testing.assert_allclose(by_layer.data, normalised, rtol=0, atol=1e-9)
    np.testing.assert_allclose(given.grad, slope, rtol=0, atol=1e-9)
    y = pixel_tensor = tc.Tensor(pixels, requires_grad=True)
    for _weights in layers:
        y = F.sigmoid(F.batch_norm(F.linear(y, tc.Tensor(_weights)), training=True))
    y.backward(from_above)
    own_outputs, own_gradients = signals(pixels, layers, "sigmoid", from_above, True)
    np.testing.assert_allclose(np.sqrt(np.mean(pixel_tensor.grad**2)), own_gradients[0], rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.mean(y.data**2)), own_outputs[-1], rtol=1e-8)
    assert all(loss > 2.2 for key, loss in last_losses.items() if key[1:] == ("N(0, 0.01²)", False))
    assert min(last_losses.values()) < 0.1
    return


if __name__ == "__main__":
    app.run()
