import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="12. Making it learn")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn import nn
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("12_making_it_learn")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("twenty")
    return


@app.cell(hide_code=True)
def _():
    guess_start = lesson.question("start")
    guess_start
    return (guess_start,)


@app.cell(hide_code=True)
def _(guess_start):
    lesson.answer("start", guess_start)
    return


@app.function
def small_network():
    """8 × 8 pixels: 8 kernels of 3 × 3, ReLU, pooling to 3 × 3, and one full layer."""
    tc.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10))


@app.function
def train(model, optimizer, images, labels, steps, mistake=None):
    """Go down the gradient on one and the same batch; the loss before each step."""
    losses = []
    for _ in range(steps):
        if mistake != "gradients kept":
            optimizer.zero_grad()
        outputs = model(images)
        if mistake == "softmax twice":
            outputs = F.softmax(outputs, dim=1)
        loss = F.cross_entropy(outputs, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@app.cell(hide_code=True)
def _():
    mistake = lesson.choice(
        "mistake",
        {lesson.word("softmax_twice"): "softmax twice", lesson.word("gradients_kept"): "gradients kept"},
        lesson.word("softmax_twice"),
    )
    mistake
    return (mistake,)


@app.cell
def _():
    digits, labels = tc.data.digits("train")
    images = (digits[:, None] / 16).astype(np.float32)  # (1438, 1, 8, 8), from 0 to 1
    return digits, images, labels


@app.cell
def _(images, labels, mistake):
    right_net, wrong_net = small_network(), small_network()
    without = train(right_net, tc.optim.SGD(right_net.parameters(), lr=0.1), images[:20], labels[:20], 150)
    with_it = train(
        wrong_net, tc.optim.SGD(wrong_net.parameters(), lr=0.1), images[:20], labels[:20], 150, mistake.value
    )
    tc.plot.curves(
        {lesson.word("right"): without, lesson.word("wrong"): with_it},
        x=lesson.word("step"),
        y=lesson.word("loss"),
        alt=lesson.word("twenty_alt"),
    )
    return with_it, without


@app.cell
def _(mistake, with_it, without):
    least = np.log(1 + 9 / np.e) if mistake.value == "softmax twice" else 0
    lesson.numbers(
        start_right=without[0], end_right=without[-1], start_wrong=with_it[0], end_wrong=with_it[-1], least_wrong=least
    )
    return


@app.cell(hide_code=True)
def _():
    guess_twice = lesson.question("twice")
    guess_twice
    return (guess_twice,)


@app.cell(hide_code=True)
def _(guess_twice):
    lesson.answer("twice", guess_twice)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("rate")
    return


@app.function
def descend(rate, momentum, steps, curvature=(1.0, 25.0)):
    """Gradient descent on L(w) = ½ Σ cᵢ wᵢ² from (1, 1): v ← momentum · v + c · w, w ← w − rate · v."""
    c, w, v = np.array(curvature), np.ones(len(curvature)), np.zeros(len(curvature))
    path = [w]
    for _ in range(steps):
        v = momentum * v + c * w
        w = w - rate * v
        path.append(w)
    return np.array(path)  # (steps + 1, 2)


@app.cell(hide_code=True)
def _():
    guess_edge = lesson.question("edge")
    guess_edge
    return (guess_edge,)


@app.cell(hide_code=True)
def _(guess_edge):
    lesson.answer("edge", guess_edge)
    return


@app.cell(hide_code=True)
def _():
    rate = lesson.slider("rate", 0.005, 0.1, 0.07, 0.005)
    momentum = lesson.slider("momentum", 0, 0.95, 0, 0.05)
    lesson.controls(rate, momentum)
    return momentum, rate


@app.cell
def _(momentum, rate):
    path = descend(rate.value, momentum.value, 40)
    tc.plot.curves(
        {lesson.word("flat"): path[:, 0], lesson.word("steep"): path[:, 1]},
        x=lesson.word("step"),
        y=lesson.word("weight"),
        alt=lesson.word("bowl_alt"),
    )
    return (path,)


@app.cell(hide_code=True)
def _(path, rate):
    lesson.numbers(factor_flat=1 - rate.value, factor_steep=1 - 25 * rate.value, left=float(np.linalg.norm(path[-1])))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("momentum")
    return


@app.cell
def _():
    example("sgd", {"input": (1, 3), "lr": 0.5, "momentum": 0.5}, seed=12)
    return


@app.cell
def _(images, labels):
    losses_of_rate, dead_maps = {}, {}
    for _rate in (0.003, 0.3, 6.0):
        _net = small_network()
        losses_of_rate[_rate] = train(_net, tc.optim.SGD(_net.parameters(), lr=_rate), images[:200], labels[:200], 80)
        with tc.no_grad():
            _maps = _net[1](_net[0](images[:200])).data  # (200, 8, 6, 6), after ReLU
        dead_maps[_rate] = int((_maps.max(axis=(0, 2, 3)) == 0).sum())
    tc.plot.curves(
        {lesson.word("with_rate", rate=f"{_rate:g}"): losses for _rate, losses in losses_of_rate.items()},
        x=lesson.word("step"),
        y=lesson.word("loss"),
        alt=lesson.word("rates_alt"),
    )
    return dead_maps, losses_of_rate


@app.cell
def _(dead_maps, labels, losses_of_rate):
    shares = np.bincount(labels[:200]) / 200
    guessing = -(shares * np.log(shares)).sum()  # the least loss of one answer for all images
    lesson.text(
        "dead",
        low=f"{losses_of_rate[0.003][-1]:.2f}",
        good=f"{losses_of_rate[0.3][-1]:.3f}",
        high=f"{losses_of_rate[6.0][-1]:.3f}",
        dead=dead_maps[6.0],
        guessing=f"{guessing:.3f}",
    )
    return (guessing,)


@app.cell(hide_code=True)
def _():
    guess_adam = lesson.question("adam")
    guess_adam
    return (guess_adam,)


@app.cell(hide_code=True)
def _(guess_adam):
    lesson.answer("adam", guess_adam)
    return


@app.function
def adam(w, gradients, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
    """Kingma and Ba (2015), algorithm 1: w ← w − lr · m̂ / (√ŝ + eps), once for each gradient given."""
    m = s = np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * g**2
        w = w - lr * (m / (1 - beta1**t)) / (np.sqrt(s / (1 - beta2**t)) + eps)
    return w


@app.cell(hide_code=True)
def _():
    power = lesson.slider("power", -4, 4, 2)
    power
    return (power,)


@app.cell
def _(power):
    gradient = np.array([10.0**power.value])
    weight = tc.Tensor(np.zeros(1), requires_grad=True)
    weight.grad = gradient.copy()
    tc.optim.Adam([weight], lr=0.01).step()
    by_adam = adam(np.zeros(1), [gradient])
    lesson.numbers(step_sgd=0.01 * gradient.item(), step_adam=-by_adam.item(), step_engine=-weight.item())
    return by_adam, gradient, weight


@app.cell
def _(images, labels):
    losses_by = {}
    for _name, _make in {
        "SGD, 0.1": lambda p: tc.optim.SGD(p, lr=0.1),
        lesson.word("sgd_momentum"): lambda p: tc.optim.SGD(p, lr=0.1, momentum=0.9),
        "Adam, 0.01": lambda p: tc.optim.Adam(p, lr=0.01),
    }.items():
        _net = small_network()
        losses_by[_name] = train(_net, _make(_net.parameters()), images[:200], labels[:200], 80)
    tc.plot.curves(losses_by, x=lesson.word("step"), y=lesson.word("loss"), alt=lesson.word("optimizers_alt"))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("signals")
    return


@app.cell(hide_code=True)
def _():
    guess_sigmoid = lesson.question("sigmoid")
    guess_sigmoid
    return (guess_sigmoid,)


@app.cell(hide_code=True)
def _(guess_sigmoid):
    lesson.answer("sigmoid", guess_sigmoid)
    return


@app.cell
def _():
    example("sigmoid", {"input": (1, 4)}, seed=12, backward=True)
    return


@app.function
def signals(x, weights, activation, upstream):
    """Through layers a ← f(a Wᵀ) and back, g ← (g · f′) W: the size of a and of g before and after each layer."""
    f, derivative = {  # the derivative, told by the output a = f(z)
        "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda a: a * (1 - a)),
        "tanh": (np.tanh, lambda a: 1 - a**2),
        "ReLU": (lambda z: np.maximum(z, 0), lambda a: a > 0),
    }[activation]
    outputs, gradients = [x], [upstream]
    for w in weights:
        outputs.append(f(outputs[-1] @ w.T))
    for w, a in zip(reversed(weights), reversed(outputs[1:]), strict=True):
        gradients.append((gradients[-1] * derivative(a)) @ w)
    return [[np.sqrt(np.mean(values**2)) for values in kind] for kind in (outputs, reversed(gradients))]


@app.cell
def _():
    activation = lesson.choice("activation", ["sigmoid", "tanh", "ReLU"], "sigmoid")
    deviations = {"N(0, 0.01²)": 0.01, "Xavier": (1 / 64) ** 0.5, "He": (2 / 64) ** 0.5}
    initial = lesson.choice("initial", list(deviations), "Xavier")
    depth = lesson.slider("depth", 1, 20, 10)
    lesson.controls(activation, initial, depth)
    return activation, depth, deviations, initial


@app.cell
def _(activation, depth, deviations, digits, initial):
    pixels = digits[:200].reshape(200, 64) / 16
    pixels = (pixels - pixels.mean()) / pixels.std()
    rng = np.random.default_rng(12)
    upstream = rng.standard_normal((200, 64))
    layers = [deviations[initial.value] * rng.standard_normal((64, 64)) for _ in range(depth.value)]
    forward, backward = signals(pixels, layers, activation.value, upstream)
    tc.plot.curves(
        {lesson.word("outputs"): forward, lesson.word("gradients"): backward},
        x=lesson.word("layer"),
        y=lesson.word("size"),
        alt=lesson.word("signals_alt"),
        log_y=True,
    )
    return backward, forward, layers, pixels, upstream


@app.cell
def _(activation, backward, forward, layers, pixels, upstream):
    x = y = tc.Tensor(pixels, requires_grad=True)
    for _weights in layers:
        y = {"sigmoid": F.sigmoid, "tanh": F.tanh, "ReLU": F.relu}[activation.value](F.linear(y, tc.Tensor(_weights)))
    y.backward(upstream)
    by_engine = float(np.sqrt(np.mean(x.grad**2)))
    lesson.numbers(last_output=float(forward[-1]), first_gradient=float(backward[0]), engine_gradient=by_engine)
    return (by_engine,)


@app.cell(hide_code=True)
def _():
    lesson.text("initial")
    return


@app.cell(hide_code=True)
def _():
    train_all = lesson.button("train_all")
    train_all
    return (train_all,)


@app.function
def train_deep(activation, deviation, images, labels, steps, depth=10):
    """Ten layers of 64 units and one of ten, trained by SGD with momentum; the loss before each step."""
    tc.manual_seed(0)
    layers = []
    for _ in range(depth):
        linear = nn.Linear(64, 64)
        nn.init.normal_(linear.weight, std=deviation)
        nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    return train(model, tc.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), images, labels, steps)


@app.cell
def _(deviations, labels, pixels, train_all):
    every = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU}
    chosen = every if train_all.value else {"ReLU": nn.ReLU}
    deep_losses = {
        f"{_activation}, {_initial}": train_deep(
            _make, _deviation, pixels.astype(np.float32), labels[:200], 150 if train_all.value else 60
        )
        for _activation, _make in chosen.items()
        for _initial, _deviation in deviations.items()
    }
    tc.plot.bars(
        {name: losses[-1] for name, losses in deep_losses.items()},
        x=lesson.word("after", steps=len(next(iter(deep_losses.values())))),
        alt=lesson.word("deep_alt"),
    )
    return (deep_losses,)


@app.cell(hide_code=True)
def _(deep_losses):
    lesson.numbers(
        runs=len(deep_losses), learned=sum(losses[-1] < 1 for losses in deep_losses.values()), chance=np.log(10)
    )
    return


@app.cell(hide_code=True)
def _(deep_losses):
    lesson.text("deep", he=f"{deep_losses['ReLU, He'][-1]:.3f}", xavier=f"{deep_losses['ReLU, Xavier'][-1]:.2f}")
    return


@app.cell(hide_code=True)
def _():
    lesson.text("order")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("16_sgd_momentum")
    return


@app.cell(hide_code=True)
def _(backward, by_adam, by_engine, dead_maps, deep_losses, gradient, guessing, losses_of_rate, path, rate, weight):
    np.testing.assert_allclose(weight.data, by_adam, rtol=1e-12)
    assert abs(by_adam.item()) <= 0.01 < 0.01 * max(gradient.item(), 1.01)
    np.testing.assert_allclose(by_engine, backward[0], rtol=1e-10)
    w = tc.Tensor(np.ones(2), requires_grad=True)
    sgd = tc.optim.SGD([w], lr=rate.value, momentum=0.0)
    for _ in range(40):
        sgd.zero_grad()
        (w * w * np.array([0.5, 12.5])).sum().backward()
        sgd.step()
    np.testing.assert_allclose(w.data, descend(rate.value, 0.0, 40)[-1], rtol=1e-9)
    assert path.shape == (41, 2)
    assert dead_maps[6.0] == 8
    assert abs(losses_of_rate[6.0][-1] - guessing) < 0.01
    assert losses_of_rate[0.3][-1] < 0.2 < 2 < losses_of_rate[0.003][-1]
    assert deep_losses["ReLU, He"][-1] < 0.05
    assert deep_losses["ReLU, N(0, 0.01²)"][-1] > 2.29
    return


if __name__ == "__main__":
    app.run()
