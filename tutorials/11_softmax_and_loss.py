import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="11. Softmax, cross-entropy, KL")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("11_softmax_and_loss")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("why")
    return


@app.function
def as_input(images):
    """Digits of 8x8 as LeNet-5 takes them: three times as large, on 32x32, normalised as in training."""
    enlarged = np.pad(np.kron(images / 16, np.ones((1, 3, 3))), ((0, 0), (4, 4), (4, 4)))
    return ((enlarged[:, None] - 0.1307) / 0.3081).astype(np.float32)


@app.cell
def _():
    images, labels = tc.data.digits("test")
    model = tc.training.load_checkpoint(tc.models.pretrained_path("lenet5")).build().eval()
    with tc.no_grad():
        scores = model(as_input(images[3:4])).data[0].astype(float)
    tc.plot.bars(
        {f"{digit}": score for digit, score in enumerate(scores)},
        x=lesson.word("score", label=labels[3]),
        alt=lesson.word("scores_alt", label=labels[3], highest=scores.argmax()),
    )
    return images, labels, scores


@app.cell(hide_code=True)
def _():
    lesson.text("softmax")
    return


@app.function
def naive_softmax(z):
    """p[c] = exp(z[c]) / Σ exp(z)."""
    return np.exp(z) / np.exp(z).sum()


@app.cell(hide_code=True)
def _():
    guess_shift = lesson.question("shift")
    guess_shift
    return (guess_shift,)


@app.cell(hide_code=True)
def _(guess_shift):
    lesson.answer("shift", guess_shift)
    return


@app.cell(hide_code=True)
def _():
    sharpness = lesson.slider("sharpness", 0, 2, 0.5, step=0.25)
    sharpness
    return (sharpness,)


@app.cell
def _(scores, sharpness):
    probabilities = naive_softmax(sharpness.value * scores)
    tc.plot.bars(
        {f"{digit}": probability for digit, probability in enumerate(probabilities)},
        x=lesson.word("probability"),
        alt=lesson.word("probabilities_alt", largest=f"{probabilities.max():.3g}"),
    )
    return (probabilities,)


@app.cell(hide_code=True)
def _(probabilities):
    lesson.numbers(largest_p=probabilities.max(), sum_p=round(float(probabilities.sum()), 9))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("overflow")
    return


@app.function
def softmax(z):
    """The same, after subtracting the largest score of each row: the largest exp is exp(0) = 1."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@app.cell(hide_code=True)
def _():
    shift = lesson.slider("shift", 0, 1000, 0, step=20)
    shift
    return (shift,)


@app.cell
def _(scores, shift):
    _moved = (scores + shift.value).astype(np.float32)
    with np.errstate(all="ignore"):  # what overflows is the point
        _largest, _naive = np.exp(_moved.max()), naive_softmax(_moved).max()
    lesson.numbers(
        largest_exp=f"{_largest:.3g}",
        naive_p=f"{_naive:.4g}",
        stable_p=f"{softmax(_moved).max():.4g}",
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("loss")
    return


@app.cell(hide_code=True)
def _():
    guess_first = lesson.question("first")
    guess_first
    return (guess_first,)


@app.cell(hide_code=True)
def _(guess_first):
    lesson.answer("first", guess_first)
    return


@app.function
def log_softmax(z):
    """z[c] − max − log Σ exp(z − max): the logarithm is taken of the sum alone."""
    shifted = z - z.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@app.function
def cross_entropy(logits, targets):
    """−log p of the right class, the mean over the batch."""
    return -log_softmax(logits)[np.arange(len(targets)), targets].mean()


@app.function
def cross_entropy_backward(logits, targets):
    """(p − y) / N, y being 1 at the right class, else 0."""
    dlogits = softmax(logits)
    dlogits[np.arange(len(targets)), targets] -= 1
    return dlogits / len(targets)


@app.cell(hide_code=True)
def _():
    classes = lesson.slider("classes", 2, 1000, 10)
    classes
    return (classes,)


@app.cell
def _(classes, images, labels):
    tc.manual_seed(0)
    with tc.no_grad():
        fresh = tc.models.lenet5()(as_input(images)).data.astype(float)
    first_loss = cross_entropy(fresh, labels)
    lesson.numbers(
        first_loss=first_loss, equal_loss=cross_entropy(np.zeros((1, classes.value)), [0]), classes=classes.value
    )
    return first_loss, fresh


@app.cell(hide_code=True)
def _():
    lesson.text("hopeless")
    return


@app.cell(hide_code=True)
def _():
    gap = lesson.slider("gap", 0, 200, 120, step=20)
    gap
    return (gap,)


@app.cell
def _(gap):
    _z = np.array([0, gap.value], np.float32)  # the right class is the first
    with np.errstate(divide="ignore"):
        _two_steps = -np.log(softmax(_z)[0])
    lesson.numbers(
        two_steps=f"{_two_steps:.4g}",
        with_epsilon=f"{-np.log(softmax(_z)[0] + np.float32(1e-12)):.4g}",
        one_step=f"{-log_softmax(_z)[0]:.4g}",
        its_gradient=f"{cross_entropy_backward(_z[None], [0])[0, 0]:.4g}",
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("gradient")
    return


@app.cell(hide_code=True)
def _():
    guess_gradient = lesson.question("gradient")
    guess_gradient
    return (guess_gradient,)


@app.cell(hide_code=True)
def _(guess_gradient):
    lesson.answer("gradient", guess_gradient)
    return


@app.cell
def _(fresh, labels):
    _leaf = tc.Tensor(fresh, requires_grad=True)
    _loss = F.cross_entropy(_leaf, labels)
    _loss.backward()
    by_hand = cross_entropy_backward(fresh, labels)
    lesson.numbers(
        loss_difference=abs(_loss.item() - cross_entropy(fresh, labels)),
        gradient_difference=np.abs(_leaf.grad - by_hand).max(),
        row_sum=np.abs(by_hand.sum(axis=1)).max(),
    )
    return (by_hand,)


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    example("cross_entropy", {"input": (2, 3)}, seed=11, backward=True)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("batch")
    return


@app.cell(hide_code=True)
def _():
    guess_forgotten = lesson.question("forgotten")
    guess_forgotten
    return (guess_forgotten,)


@app.cell(hide_code=True)
def _(guess_forgotten):
    lesson.answer("forgotten", guess_forgotten)
    return


@app.cell(hide_code=True)
def _():
    batch = lesson.slider("batch", 1, 256, 64)
    forget = lesson.switch("forget")
    lesson.controls(batch, forget)
    return batch, forget


@app.cell
def _(batch, fresh, forget, labels):
    _gradient = cross_entropy_backward(fresh[: batch.value], labels[: batch.value])
    _used = _gradient * batch.value if forget.value else _gradient
    lesson.numbers(ratio=np.abs(_used).sum() / np.abs(_gradient).sum(), total=np.abs(_used).sum())
    return


@app.cell(hide_code=True)
def _():
    lesson.text("kl")
    return


@app.cell(hide_code=True)
def _():
    believed = lesson.slider("believed", 0.05, 0.95, 0.5, step=0.05)
    believed
    return (believed,)


@app.function
def divergence(q, p):
    """(cross-entropy −Σ q·log p, entropy −Σ q·log q, KL Σ q·log(q / p)) of two distributions without zeros."""
    return -(q * np.log(p)).sum(), -(q * np.log(q)).sum(), (q * np.log(q / p)).sum()


@app.cell
def _(believed):
    weather = np.array([0.7, 0.3])
    guess = np.array([believed.value, 1 - believed.value])
    from_p, own, apart = divergence(weather, guess)
    kl_of_engine = F.kl_div(tc.Tensor(np.log(guess)[None]), weather[None], reduction="batchmean").item()
    lesson.numbers(from_p=from_p, own=own, apart=apart, kl_of_engine=kl_of_engine)
    return apart, from_p, kl_of_engine, own, weather


@app.cell
def _(weather):
    _p = np.linspace(0.03, 0.97, 48)
    _rows = np.array([divergence(weather, np.array([p, 1 - p])) for p in _p]).T
    tc.plot.curves(
        {lesson.word(name): (_p, row) for name, row in zip(("cross", "entropy", "kl"), _rows, strict=True)},
        x=lesson.word("believed"),
        y=lesson.word("nats"),
        alt=lesson.word("kl_alt"),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("smoothing")
    return


@app.cell(hide_code=True)
def _():
    smoothing = lesson.slider("smoothing", 0.05, 0.5, 0.1, step=0.05)
    smoothing
    return (smoothing,)


@app.cell
def _(smoothing):
    _gaps = np.linspace(0, 15, 61)
    _logits = np.zeros((61, 10))
    _logits[:, 0] = _gaps
    soft = np.full(10, smoothing.value / 10)
    soft[0] += 1 - smoothing.value
    smoothed = -(soft * log_softmax(_logits)).sum(axis=1)
    of_engine = F.cross_entropy(
        tc.Tensor(_logits), np.zeros(61, int), reduction="none", label_smoothing=smoothing.value
    ).data
    tc.plot.curves(
        {
            lesson.word("plain"): (_gaps, -log_softmax(_logits)[:, 0]),
            lesson.word("smoothed", amount=f"{smoothing.value:g}"): (_gaps, smoothed),
        },
        x=lesson.word("lead"),
        y=lesson.word("loss"),
        alt=lesson.word("smoothing_alt"),
    )
    return of_engine, smoothed, soft


@app.cell(hide_code=True)
def _(soft):
    lesson.numbers(
        target_right=soft[0],
        target_other=soft[1],
        least_loss=divergence(soft, soft)[1],
        best_lead=np.log(soft[0] / soft[1]),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("labels")
    return


@app.cell(hide_code=True)
def _():
    second = lesson.slider("second", -5, 5, 3)
    second
    return (second,)


@app.cell
def _(second):
    _scores = np.array([[3.0, second.value, -3.0]])
    _shares, _each = softmax(_scores)[0], 1 / (1 + np.exp(-_scores[0]))
    lesson.numbers(
        share_person=_shares[0],
        share_dog=_shares[1],
        alone_person=_each[0],
        alone_dog=_each[1],
        several_loss=F.multilabel_soft_margin_loss(tc.Tensor(_scores), np.array([[1.0, 1.0, 0.0]])).item(),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("squared")
    return


@app.cell(hide_code=True)
def _():
    guess_squared = lesson.question("squared")
    guess_squared
    return (guess_squared,)


@app.cell(hide_code=True)
def _(guess_squared):
    lesson.answer("squared", guess_squared)
    return


@app.cell(hide_code=True)
def _():
    score = lesson.slider("score", -8, 8, -6)
    score
    return (score,)


@app.cell
def _(score):
    # Two classes, of which the first is right and leads by z: p = σ(z).
    _leaf = tc.Tensor(np.array([float(score.value)]), requires_grad=True)
    F.binary_cross_entropy_with_logits(_leaf, np.ones(1)).backward()
    _squared = tc.Tensor(_leaf.data, requires_grad=True)
    F.mse_loss(F.sigmoid(_squared), np.ones(1)).backward()
    lesson.numbers(p_right=F.sigmoid(_leaf.detach()).item(), by_cross=_leaf.grad[0], by_squared=_squared.grad[0])
    return


@app.cell
def _():
    _z = np.linspace(-8, 8, 65)
    _p = 1 / (1 + np.exp(-_z))
    tc.plot.curves(
        {lesson.word("cross"): (_z, _p - 1), lesson.word("mse"): (_z, 2 * (_p - 1) * _p * (1 - _p))},
        x=lesson.word("lead"),
        y=lesson.word("slope"),
        alt=lesson.word("squared_alt"),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("end")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("11_softmax_cross_entropy")
    return


@app.cell(hide_code=True)
def _(apart, by_hand, first_loss, fresh, from_p, kl_of_engine, labels, of_engine, own, smoothed):
    assert abs(first_loss - np.log(10)) < 0.1
    _leaf = tc.Tensor(fresh, requires_grad=True)
    F.cross_entropy(_leaf, labels).backward()
    np.testing.assert_allclose(by_hand, _leaf.grad, rtol=0, atol=1e-15)
    np.testing.assert_allclose([own + apart, apart], [from_p, kl_of_engine], rtol=1e-12)
    np.testing.assert_allclose(smoothed, of_engine, rtol=1e-12)
    return


if __name__ == "__main__":
    app.run()
