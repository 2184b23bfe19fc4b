import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="21. Capstone: an operation of your own")

with app.setup(hide_code=True):
    from statistics import median
    from time import perf_counter

    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("21_capstone")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("chosen")
    return


@app.function
def hard_swish_forward(x):
    """y = x · min(max(x + 3, 0), 6) / 6."""
    return x * np.clip(x + 3, 0, 6) / 6


@app.cell
def _():
    _x = np.linspace(-5, 5, 201)
    tc.plot.curves(
        {
            "hard-swish": (_x, hard_swish_forward(_x)),
            "swish": (_x, _x / (1 + np.exp(-_x))),
            "ReLU": (_x, np.maximum(_x, 0)),
        },
        x="x",
        y="y",
        alt=lesson.word("curves_alt"),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("derive")
    return


@app.cell(hide_code=True)
def _():
    guess_slope = lesson.question("slope")
    guess_slope
    return (guess_slope,)


@app.cell(hide_code=True)
def _(guess_slope):
    lesson.answer("slope", guess_slope)
    return


@app.function
def hard_swish_backward(grad, x):
    """dx = grad · (2x + 3) / 6 where |x| < 3, grad above, 0 below."""
    return grad * np.where(np.abs(x) < 3, (2 * x + 3) / 6, x >= 3)


@app.cell(hide_code=True)
def _():
    at = lesson.slider("at", -4, 4, -2, 0.5)
    at
    return (at,)


@app.cell
def _(at):
    _x, _h = np.array([float(at.value)]), 1e-5
    lesson.numbers(
        value=hard_swish_forward(_x)[0],
        slope=hard_swish_backward(np.ones(1), _x)[0],
        slope_before=(hard_swish_forward(_x) - hard_swish_forward(_x - _h))[0] / _h,
        slope_after=(hard_swish_forward(_x + _h) - hard_swish_forward(_x))[0] / _h,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("function")
    return


@app.class_definition
class HardSwishFunction(tc.function.Function):
    """x · min(max(x + 3, 0), 6) / 6: nothing below −3, x itself above 3."""

    def forward(self, x):
        self.x = x
        return hard_swish_forward(x)

    def branches(self):
        """Which of the three pieces each entry is in."""
        return np.digitize(self.x, (-3, 3))

    def backward(self, grad):
        return hard_swish_backward(grad, self.x)


@app.function
def hard_swish(x):
    """Hard-swish, entry by entry, any shape; integers are refused."""
    x = x if isinstance(x, tc.Tensor) else tc.Tensor(x)
    if x.dtype.kind != "f":
        raise TypeError(f"hard_swish expected a floating-point input, got {x.dtype}: convert with x.astype(np.float32)")
    return HardSwishFunction()(x)


@app.cell
def _():
    _leaf = tc.Tensor([-4.0, -2.0, 0.0, 2.0, 4.0], requires_grad=True)
    _y = hard_swish(_leaf)
    _y.sum().backward()
    try:
        hard_swish(tc.Tensor(np.array([1, 2, 3])))
    except TypeError as _error:
        refused = str(_error)
    lesson.text("first_run", y=np.round(_y.data, 4) + 0.0, dx=np.round(_leaf.grad, 4), refused=refused)
    return (refused,)


@app.cell(hide_code=True)
def _():
    lesson.text("check")
    return


@app.cell
def _():
    # Backward passes with a mistake each, beside the right one.
    backwards = {
        "none": hard_swish_backward,
        "no_grad": lambda grad, x: hard_swish_backward(np.ones_like(x), x),
        "no_upper": lambda grad, x: grad * np.where(x <= -3, 0, (2 * x + 3) / 6),
        "no_product": lambda grad, x: grad * np.clip(x + 3, 0, 6) / 6,
        "from_output": lambda grad, x: grad * np.where(np.abs(x) < 3, (2 * hard_swish_forward(x) + 3) / 6, x > 0),
    }

    class WithMistake(HardSwishFunction):
        """The same operation with another backward pass."""

        def __init__(self, name):
            self.name = name

        def backward(self, grad):
            return backwards[self.name](grad, self.x)

    def checked(name, width):
        """The engine's check at 24 numbers from −width to width."""
        x = np.random.default_rng(21).uniform(-width, width, (4, 6))
        return tc.gradcheck(lambda x: WithMistake(name)(x), x)

    return backwards, checked


@app.cell(hide_code=True)
def _():
    guess_hidden = lesson.question("hidden")
    guess_hidden
    return (guess_hidden,)


@app.cell(hide_code=True)
def _(guess_hidden):
    lesson.answer("hidden", guess_hidden)
    return


@app.cell(hide_code=True)
def _(backwards):
    mistake = lesson.choice("mistake", {lesson.word(name): name for name in backwards}, lesson.word("no_upper"))
    width = lesson.slider("width", 1, 5, 1)
    lesson.controls(mistake, width)
    return mistake, width


@app.cell
def _(checked, mistake, width):
    found = checked(mistake.value, width.value)
    lesson.numbers(verdict=found.verdict, wrong_entries=found.inputs[0].counts["wrong"])
    return (found,)


@app.cell(hide_code=True)
def _(found):
    lesson.text("report", report=found)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("witnesses")
    return


@app.function
def by_composition(x):
    """The same from operations that the engine has: min(max(x + 3, 0), 6) = ReLU(x + 3) − ReLU(x − 3)."""
    return x * (F.relu(x + 3) - F.relu(x - 3)) / 6


@app.cell
def _():
    _rng = np.random.default_rng(22)
    given = _rng.uniform(-5, 5, (3, 4, 5)).astype(np.float32)
    _before, _grad = given.copy(), _rng.normal(size=given.shape).astype(np.float32)
    _leaves = {fn: tc.Tensor(given, requires_grad=True) for fn in (hard_swish, by_composition)}
    _outputs = {fn: fn(leaf) for fn, leaf in _leaves.items()}
    for _output in _outputs.values():
        _output.backward(_grad)
    _loops = np.array([v * min(max(v + 3.0, 0.0), 6.0) / 6 for v in given.ravel().tolist()]).reshape(given.shape)
    differences = {
        "from_loops": np.abs(_outputs[hard_swish].data - _loops).max(),
        "from_composition": np.abs(_outputs[hard_swish].data - _outputs[by_composition].data).max(),
        "of_gradients": np.abs(_leaves[hard_swish].grad - _leaves[by_composition].grad).max(),
    }
    lesson.numbers(
        **differences,
        dtype=str(_outputs[hard_swish].dtype),
        unchanged=lesson.word("yes" if np.array_equal(given, _before) else "no"),
    )
    return (differences,)


@app.cell(hide_code=True)
def _():
    lesson.text("trace")
    return


@app.cell
def _():
    tc.trace(
        lambda x, weight: hard_swish(F.linear(x, weight)), np.array([[1.0, -2.0]]), np.array([[2.0, 0.5], [-1.0, 1.0]])
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("layer")
    return


@app.class_definition
class HardSwish(tc.nn.Module):
    """The operation as a layer."""

    def forward(self, x):
        return hard_swish(x)


@app.cell(hide_code=True)
def _():
    activation = lesson.choice("activation", ["hard-swish", "ReLU"], "hard-swish")
    steps = lesson.slider("steps", 10, 60, 40, 10)
    lesson.controls(activation, steps)
    return activation, steps


@app.cell
def _(activation, steps):
    def trained(activation, steps):
        """Losses of a small network on 300 digits, and the share of the test digits that it gets right."""
        (images, labels), (unseen, answers) = (tc.data.digits(split) for split in ("train", "test"))
        model = tc.nn.Sequential(tc.nn.Conv2d(1, 6, 3), activation, tc.nn.Flatten(), tc.nn.Linear(216, 10))
        rng = np.random.default_rng(21)
        first, last = rng.normal(0, 0.4, (6, 1, 3, 3)), rng.normal(0, 0.05, (10, 216))
        model.astype(np.float64).load_state_dict(
            {"0.weight": first, "0.bias": np.zeros(6), "3.weight": last, "3.bias": np.zeros(10)}
        )
        optimizer = tc.optim.SGD(model.parameters(), lr=0.1)
        losses = []
        for _ in range(steps):
            loss = F.cross_entropy(model(tc.Tensor(images[:300, None] / 16)), labels[:300])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with tc.no_grad():
            chosen = model(tc.Tensor(unseen[:, None] / 16)).argmax(dim=1)
        return losses, 100 * (chosen == answers).mean()

    losses, accuracy = trained(HardSwish() if activation.value == "hard-swish" else tc.nn.ReLU(), steps.value)
    tc.plot.curves(
        {activation.value: losses}, x=lesson.word("training_step"), y=lesson.word("loss"), alt=lesson.word("losses_alt")
    )
    return accuracy, losses


@app.cell(hide_code=True)
def _(accuracy, losses):
    lesson.numbers(last_loss=losses[-1], accuracy=accuracy)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("bench")
    return


@app.cell(hide_code=True)
def _():
    guess_kept = lesson.question("kept")
    guess_kept
    return (guess_kept,)


@app.cell(hide_code=True)
def _(guess_kept):
    lesson.answer("kept", guess_kept)
    return


@app.function
def graph_of(output):
    """All Functions that an output came from, each once."""
    found, pending = [], [output.creator]
    while pending:
        function = pending.pop()
        if function is not None and function not in found:
            found.append(function)
            pending += [tensor.creator for tensor in function.inputs]
    return found


@app.function
def kept_bytes(output):
    """Of the different arrays that these Functions keep for their backward passes."""
    arrays = {}
    for function in graph_of(output):
        arrays.update({id(value): value.nbytes for value in vars(function).values() if isinstance(value, np.ndarray)})
    return sum(arrays.values())


@app.cell(hide_code=True)
def _():
    thousands = lesson.slider("thousands", 50, 1000, 200, 50)
    longer = lesson.button("longer")
    lesson.controls(thousands, longer)
    return longer, thousands


@app.cell
def _(longer, thousands):
    _x = np.random.default_rng(23).normal(0, 3, 1000 * thousands.value).astype(np.float32)
    _grad = np.ones_like(_x)
    leaf = tc.Tensor(_x, requires_grad=True)
    own, composed = hard_swish(leaf), by_composition(leaf)

    def _there_and_back(fn):
        begun = perf_counter()
        fn(tc.Tensor(_x, requires_grad=True)).backward(_grad)
        return 1000 * (perf_counter() - begun)

    rounds = 51 if longer.value else 5
    _ways = {"own": hard_swish, "composition": by_composition}
    _times = {name: [] for name in _ways}
    with tc.use_backend("numpy"):  # both: else some of the composition would be compiled, and nothing of yours
        for _ in range(rounds + 1):  # the first round does not count
            for _name, _fn in _ways.items():  # in turns
                _times[_name].append(_there_and_back(_fn))
    milliseconds = {lesson.word(name): median(taken[1:]) for name, taken in _times.items()}
    tc.plot.bars(
        milliseconds,
        x=lesson.word("milliseconds"),
        alt=lesson.word("bars_alt", told=", ".join(f"{name} {taken:.3g} ms" for name, taken in milliseconds.items())),
    )
    return composed, own, rounds


@app.cell(hide_code=True)
def _(composed, own, rounds):
    lesson.numbers(
        rounds=rounds,
        own_functions=len(graph_of(own)),
        composed_functions=len(graph_of(composed)),
        own_bytes=kept_bytes(own),
        composed_bytes=kept_bytes(composed),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("second")
    return


@app.function
def blur_forward(x):
    """y[p, q] = Σ k[r, s] · x[2p + r, 2q + s], k = [1 2 1]ᵀ [1 2 1] / 16: a blur, at every second place."""
    k = np.outer([1, 2, 1], [1, 2, 1]) / 16
    P, Q = ((size - 3) // 2 + 1 for size in x.shape)
    return np.array([[(k * x[2 * p : 2 * p + 3, 2 * q : 2 * q + 3]).sum() for q in range(Q)] for p in range(P)])


@app.function
def blur_backward(grad, shape, overwrite=False):
    """dx[2p + r, 2q + s] += k[r, s] · grad[p, q]."""
    k = np.outer([1, 2, 1], [1, 2, 1]) / 16
    dx = np.zeros(shape)
    for p, q in np.ndindex(grad.shape):
        window = dx[2 * p : 2 * p + 3, 2 * q : 2 * q + 3]
        window[:] = k * grad[p, q] + (0 if overwrite else window)
    return dx


@app.cell(hide_code=True)
def _():
    guess_overlap = lesson.question("overlap")
    guess_overlap
    return (guess_overlap,)


@app.cell(hide_code=True)
def _(guess_overlap):
    lesson.answer("overlap", guess_overlap)
    return


@app.cell(hide_code=True)
def _():
    digit = lesson.slider("digit", 0, 9, 3)
    overwrite = lesson.switch("overwrite")
    lesson.controls(digit, overwrite)
    return digit, overwrite


@app.cell
def _(digit, overwrite):
    picture = np.kron(tc.data.digits("test")[0][digit.value], np.ones((2, 2)))[:15, :15] / 16
    blurred = blur_forward(picture)
    upstream = np.random.default_rng(24).normal(size=blurred.shape)
    back = blur_backward(upstream, picture.shape, overwrite.value)
    tc.plot.pictures(
        {lesson.word("picture"): picture, lesson.word("blurred"): blurred},
        alt=lesson.word("blurred_alt"),
        limits=(0, 1),
    )
    return back, blurred, picture, upstream


@app.cell(hide_code=True)
def _(back, blurred, picture, upstream):
    lesson.numbers(
        forward_product=np.sum(blurred * upstream), backward_product=np.sum(picture * back), rows=len(blurred)
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("checklist")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("10_activations", "15_autograd", "21_numba_kernel")
    return


@app.cell(hide_code=True)
def _(backwards, checked, differences, picture, refused, upstream):
    assert checked("none", 5)
    assert all(checked(name, 5).inputs[0].counts["wrong"] for name in backwards if name != "none")
    assert checked("no_upper", 1)
    assert max(differences.values()) < 1e-5
    assert "floating-point" in refused
    _right = np.sum(blur_forward(picture) * upstream)
    np.testing.assert_allclose(np.sum(picture * blur_backward(upstream, picture.shape)), _right)
    assert abs(np.sum(picture * blur_backward(upstream, picture.shape, overwrite=True)) - _right) > 0.01
    return


if __name__ == "__main__":
    app.run()
