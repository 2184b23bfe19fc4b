import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="8. Gradient checking as a craft")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("08_gradient_checking")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("why")
    return


@app.class_definition
class Operation(tc.function.Function):
    """An operation from two formulas: y = f(x), and the gradients of all x from grad, y and x."""

    def __init__(self, formula, gradients):
        self.formula, self.gradients = formula, gradients

    def forward(self, *given):
        self.y, self.given = self.formula(*given), given
        return self.y

    def backward(self, grad):
        return self.gradients(grad, self.y, *self.given)


@app.cell
def _():
    def trained(relu, steps):
        """Losses, and the share of the test digits that a network of two layers gets right after as many steps."""
        (images, labels), (unseen, answers) = (tc.data.digits(split) for split in ("train", "test"))
        rng = np.random.default_rng(0)
        first = tc.Tensor(rng.normal(0, 0.15, (64, 32)), requires_grad=True)
        second = tc.Tensor(rng.normal(0, 0.2, (32, 10)), requires_grad=True)
        losses = []
        for _ in range(steps):
            loss = F.cross_entropy(relu(images.reshape(-1, 64) / 16 @ first) @ second, labels)
            loss.backward()
            losses.append(loss.item())
            for weight in (first, second):
                weight.data -= 0.5 * weight.grad
                weight.zero_grad()
        scores = F.relu(unseen.reshape(-1, 64) / 16 @ first.detach()) @ second.detach()
        return losses, 100 * (scores.argmax(dim=1) == answers).mean()

    def relu_a(x):
        return Operation(lambda x: np.maximum(x, 0), lambda grad, y, x: grad)(x)

    def relu_b(x):
        return Operation(lambda x: np.maximum(x, 0), lambda grad, y, x: grad * (x > 0))(x)

    losses_a, accuracy_a = trained(relu_a, 100)
    losses_b, accuracy_b = trained(relu_b, 100)
    tc.plot.curves(
        {"A": losses_a, "B": losses_b}, x=lesson.word("step"), y=lesson.word("loss"), alt=lesson.word("losses_alt")
    )
    return accuracy_a, accuracy_b, losses_a, losses_b, relu_a, relu_b


@app.cell(hide_code=True)
def _():
    guess_wrong = lesson.question("wrong")
    guess_wrong
    return (guess_wrong,)


@app.cell(hide_code=True)
def _(guess_wrong):
    lesson.answer("wrong", guess_wrong)
    return


@app.cell(hide_code=True)
def _(accuracy_a, accuracy_b, losses_a, losses_b):
    lesson.numbers(loss_a=losses_a[-1], loss_b=losses_b[-1], accuracy_a=accuracy_a, accuracy_b=accuracy_b)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("quotient")
    return


@app.function
def numerical_gradient(f, x, grad, h=1e-5):
    """dx[i] = Σ grad · (f(x + h·e_i) − f(x − h·e_i)) / 2h, e_i being 1 at i and 0 elsewhere."""
    dx = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        dx[i] = np.sum(grad * (f(up) - f(down))) / (2 * h)
    return dx


@app.cell
def _(relu_a, relu_b):
    _x, _upstream = np.random.default_rng(8).normal(size=(2, 6))
    _leaves = {name: tc.Tensor(_x, requires_grad=True) for name in "ab"}
    relu_a(_leaves["a"]).backward(_upstream)
    relu_b(_leaves["b"]).backward(_upstream)
    by_quotient = numerical_gradient(lambda x: np.maximum(x, 0), _x, _upstream)
    lesson.numbers(
        **{f"quotient_{name}": np.abs(leaf.grad - by_quotient).max() for name, leaf in _leaves.items()},
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step_size")
    return


@app.cell(hide_code=True)
def _():
    guess_step = lesson.question("step")
    guess_step
    return (guess_step,)


@app.cell(hide_code=True)
def _(guess_step):
    lesson.answer("step", guess_step)
    return


@app.cell(hide_code=True)
def _():
    function = lesson.choice("function", ["exp(x) at 1", "tanh(x) at 0.5", "x⁴ at 2"], "exp(x) at 1")
    exponent = lesson.slider("exponent", 1, 14, 5)
    lesson.controls(function, exponent)
    return exponent, function


@app.cell
def _(exponent, function):
    f, at, slope = {
        "exp(x) at 1": (np.exp, 1.0, np.exp(1.0)),
        "tanh(x) at 0.5": (np.tanh, 0.5, 1 - np.tanh(0.5) ** 2),
        "x⁴ at 2": (lambda x: x * x * x * x, 2.0, 32.0),
    }[function.value]

    def error(h, dtype, is_central):
        """Relative error of a difference quotient whose numbers are all of one type."""
        x, h = dtype(at), dtype(h)
        before, width = (x - h, 2 * h) if is_central else (x, h)
        return abs(float((f(x + h) - f(before)) / width) / slope - 1)

    ways = {"central": (np.float64, True), "forward": (np.float64, False), "single": (np.float32, True)}
    step = 10.0**-exponent.value
    lesson.numbers(h=step, **{f"error_{name}": error(step, *way) for name, way in ways.items()})
    return error, ways


@app.cell
def _(error, ways):
    _steps = 10.0 ** -np.arange(1.0, 14.5, 0.5)
    tc.plot.curves(
        {lesson.word(name): (_steps, [max(error(step, *way), 1e-16) for step in _steps]) for name, way in ways.items()},
        x="h",
        y=lesson.word("error"),
        log_x=True,
        log_y=True,
        alt=lesson.word("sweep_alt"),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("relative")
    return


@app.function
def relative_error(one, other):
    """|a − b| / max(|a|, |b|), entry by entry; 0 where both are 0."""
    largest = np.maximum(np.abs(one), np.abs(other))
    return np.abs(one - other) / np.where(largest > 0, largest, 1)


@app.cell(hide_code=True)
def _():
    scale = lesson.slider("scale", 0, 9, 0, step=3)
    scale
    return (scale,)


@app.cell
def _(scale):
    _small, _right = 10.0**-scale.value, np.array([0.9, -0.4, 1.3])
    absolute, relative = (
        np.abs(_small * _right - 2 * _small * _right),
        relative_error(_small * _right, 2 * _small * _right),
    )
    lesson.numbers(absolute=absolute.max(), relative=relative.max())
    return


@app.cell(hide_code=True)
def _():
    lesson.text("kink")
    return


@app.cell(hide_code=True)
def _():
    guess_kink = lesson.question("kink")
    guess_kink
    return (guess_kink,)


@app.cell(hide_code=True)
def _(guess_kink):
    lesson.answer("kink", guess_kink)
    return


@app.cell(hide_code=True)
def _():
    millionths = lesson.slider("millionths", -15, 15, -3)
    millionths
    return (millionths,)


@app.cell
def _(millionths):
    near_zero = np.array([1e-6 * millionths.value, 1.0, -1.5])
    kink_quotient = numerical_gradient(lambda x: np.maximum(x, 0), near_zero, np.ones(3))[0]
    kink_gradient = float(near_zero[0] > 0)
    kink_report = tc.gradcheck(F.relu, near_zero)
    lesson.numbers(
        kink_gradient=kink_gradient,
        kink_quotient=kink_quotient,
        kink_error=relative_error(kink_gradient, kink_quotient),
        kink_verdict=kink_report.verdict,
    )
    return (kink_report,)


@app.cell(hide_code=True)
def _():
    lesson.text("upstream")
    return


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
    random_upstream = lesson.switch("random_upstream")
    random_upstream
    return (random_upstream,)


@app.cell
def _(random_upstream):
    _x = np.random.default_rng(3).normal(size=(2, 4))
    _grad = np.random.default_rng(4).normal(size=(2, 4)) if random_upstream.value else np.ones((2, 4))
    _quotient = numerical_gradient(lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True), _x, _grad)
    softmax_quotient = np.round(_quotient, 6) + 0.0  # without the noise of rounding, and no −0
    tc.plot.pictures(
        {lesson.word("upstream"): _grad, lesson.word("softmax_quotient"): softmax_quotient},
        alt=lesson.word("softmax_alt"),
        signed=True,
        limits=(-1, 1),
        numbers=".2f",
        size=3,
    )
    return (softmax_quotient,)


@app.cell(hide_code=True)
def _(softmax_quotient):
    lesson.numbers(largest_quotient=np.abs(softmax_quotient).max())
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step_page")
    return


@app.cell
def _():
    example("tanh", {"input": (2, 2)}, seed=8, backward=True)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("suspects")
    return


@app.cell
def _():
    # Ten operations, each with a right formula and a wrong gradient; then easy inputs and hard ones.
    rng = np.random.default_rng(8)
    x, y, row = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=9)

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)

    def two_apart(x, w):
        """A convolution of one row at stride 2."""
        return np.lib.stride_tricks.sliding_window_view(x, len(w))[::2] @ w

    def two_apart_gradients(grad, y, x, w):
        dx, windows = np.zeros(x.shape), np.lib.stride_tricks.sliding_window_view(x, len(w))[::2]
        for p in range(len(grad)):
            dx[2 * p : 2 * p + len(w)] = grad[p] * w
        return dx, grad @ windows

    suspects = {
        "tanh": (np.tanh, lambda grad, y, x: 1 - y * y, [x], [x]),
        "two_apart": (two_apart, two_apart_gradients, [row, np.array([2.0, 3.0])], [row, np.array([2.0, 3.0, -1.0])]),
        "softmax": (softmax, lambda grad, y, x: 0 * x, [x], [x]),
        "leaky": (
            lambda x: np.where(x > 0, x, 0.1 * x),
            lambda grad, y, x: grad * np.where(x > 0, 1, 0.01),
            [np.abs(x)],
            [np.concatenate([np.abs(x[:1]), x[1:]])],
        ),
        "linear": (lambda x, w: x @ w.T, lambda grad, y, x, w: (grad @ w.T, grad.T @ x), [x, np.eye(4)], [x, y.T @ x]),
        "bias": (lambda x, b: x + b, lambda grad, y, x, b: (grad, grad.mean(axis=0)), [x[:1], y[0]], [x, y[0]]),
        "squared": (
            lambda x: (x * x).sum() / len(x),
            lambda grad, y, x: 2 * x * grad,
            [x[:1]],
            [x],
        ),
        "convolution": (
            lambda x, w: np.correlate(x, w, "valid"),
            lambda grad, y, x, w: (np.correlate(grad, w, "full"), np.correlate(x, grad, "valid")),
            [row, np.array([1.0, 1.0, 1.0])],
            [row, np.array([1.0, 2.0, 3.0])],
        ),
        "tanh_of_input": (np.tanh, lambda grad, y, x: grad * (1 - x * x), [0.001 * x], [x]),
        "product": (lambda x, y: x * y, lambda grad, z, x, y: (grad * x, grad * y), [x, x], [x, y]),
    }
    return (suspects,)


@app.function
def checked(formula, gradients, inputs):
    """Which of five checks a backward pass passes; the last is the engine's."""
    rng = np.random.default_rng(1)
    shape = np.shape(formula(*inputs))
    ones, drawn = np.ones(shape), rng.normal(size=shape)

    def both(grad):
        mine = gradients(grad, formula(*inputs), *inputs)
        for i, (array, gradient) in enumerate(zip(inputs, mine if isinstance(mine, tuple) else (mine,), strict=True)):

            def moved(value, i=i):
                return formula(*(value if j == i else other for j, other in enumerate(inputs)))

            yield gradient, numerical_gradient(moved, array, grad)

    def agree(a, b):
        return bool(np.all(np.abs(a - b) <= 1e-5 * np.maximum(np.abs(a), np.abs(b)) + 1e-8))

    return {
        "shape": all(a.shape == b.shape for a, b in both(drawn)),
        "mean": all(agree(a.mean(), b.mean()) for a, b in both(drawn)),
        "first": all(agree(a.flat[0], b.flat[0]) for a, b in both(drawn)),
        "ones": all(agree(a, b) for a, b in both(ones)),
        "engine": bool(tc.gradcheck(lambda *given: Operation(formula, gradients)(*given), inputs)),
    }


@app.cell(hide_code=True)
def _():
    suspect = lesson.slider("suspect", 1, 10, 1)
    reveal = lesson.switch("reveal")
    lesson.controls(suspect, reveal)
    return reveal, suspect


@app.cell
def _(reveal, suspect, suspects):
    _name = list(suspects)[suspect.value - 1]
    _formula, _gradients, _, _hard = suspects[_name]
    found = tc.gradcheck(lambda *given: Operation(_formula, _gradients)(*given), _hard)
    lesson.numbers(
        suspect=suspect.value,
        mistake=lesson.word(_name if reveal.value else "hidden"),
        wrong_entries=sum(item.counts["wrong"] for item in found.inputs),
        entries=sum(len(item.verdicts) for item in found.inputs),
    )
    return (found,)


@app.cell
def _(found, suspect):
    _lines = [line for item in found.inputs for line in item.lines()]
    lesson.text("report", number=suspect.value, lines="\n".join(f"- {line.replace('*', '·')}" for line in _lines))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("which")
    return


@app.cell(hide_code=True)
def _():
    guess_hides = lesson.question("hides")
    guess_hides
    return (guess_hides,)


@app.cell(hide_code=True)
def _(guess_hides):
    lesson.answer("hides", guess_hides)
    return


@app.cell(hide_code=True)
def _():
    hard = lesson.switch("hard")
    hard
    return (hard,)


@app.cell
def _(hard, suspects):
    passed = [checked(f, g, difficult if hard.value else easy) for f, g, easy, difficult in suspects.values()]
    caught = {check: sum(not each[check] for each in passed) for check in passed[0]}
    tc.plot.bars(
        {lesson.word(f"check_{check}"): count for check, count in caught.items()},
        x=lesson.word("caught"),
        alt=lesson.word("caught_alt"),
    )
    return caught, passed


@app.cell(hide_code=True)
def _(caught):
    lesson.numbers(**{f"caught_{check}": count for check, count in caught.items()})
    return


@app.cell
def _(passed):
    _signs = {True: "·", False: "**✕**"}
    lesson.text(
        "table",
        rows="\n".join(
            f"| {number} | " + " | ".join(_signs[is_passed] for is_passed in each.values()) + " |"
            for number, each in enumerate(passed, 1)
        ),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("rules")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("14_numerical_gradient", "20_find_the_bug_backward")
    return


@app.cell(hide_code=True)
def _(accuracy_a, accuracy_b, kink_report, suspects):
    assert accuracy_a > 90
    assert accuracy_b > 90
    assert kink_report
    assert all(not checked(f, g, difficult)["engine"] for f, g, _, difficult in suspects.values())
    assert checked(np.tanh, lambda grad, y, x: grad * (1 - y * y), [np.array([0.3, -1.2])])["engine"]
    return


if __name__ == "__main__":
    app.run()
