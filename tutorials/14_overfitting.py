import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="14. Overfitting")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn import nn
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("14_overfitting")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("curve")
    return


@app.function
def fit(x, y, degree, decay):
    """The polynomial w of least Σ (w(xᵢ) − yᵢ)² + decay · Σ wₖ²: decay adds √decay · wₖ = 0 to the equations."""
    powers = np.vander(x, degree + 1, increasing=True)  # (N, degree + 1): 1, x, x², …
    equations = np.vstack([powers, np.sqrt(decay) * np.eye(degree + 1)])
    return np.linalg.lstsq(equations, np.append(y, np.zeros(degree + 1)))[0]


@app.cell(hide_code=True)
def _():
    degree = lesson.slider("degree", 1, 9, 9)
    decay = lesson.choice("decay", {"0": 0.0, "0.001": 0.001, "0.01": 0.01, "0.1": 0.1, "1": 1.0}, "0")
    lesson.controls(degree, decay)
    return decay, degree


@app.cell
def _(decay, degree):
    places = np.linspace(-1, 1, 10)
    measured = np.sin(3 * places) + 0.3 * np.random.default_rng(30).standard_normal(10)
    everywhere = np.linspace(-1, 1, 201)
    coefficients = fit(places, measured, degree.value, decay.value)
    fitted, truth = np.polyval(coefficients[::-1], everywhere), np.sin(3 * everywhere)
    tc.plot.curves(
        {
            lesson.word("truth"): (everywhere, truth),
            lesson.word("fitted"): (everywhere, fitted),
            lesson.word("points"): (places, measured),
        },
        x="x",
        y="y",
        alt=lesson.word("curve_alt"),
    )
    return coefficients, everywhere, fitted, measured, places, truth


@app.cell(hide_code=True)
def _(coefficients, fitted, measured, places, truth):
    lesson.numbers(
        error_at_points=float(np.sqrt(np.mean((np.polyval(coefficients[::-1], places) - measured) ** 2))),
        error_everywhere=float(np.sqrt(np.mean((fitted - truth) ** 2))),
        largest_coefficient=float(np.abs(coefficients).max()),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("digits")
    return


@app.function
def network(p=0.0):
    """16 kernels of 3 × 3 and two full layers, with dropout of probability p between them."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(144, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 10)),
    )


@app.function
def normalised(pixels):
    """From 0 to 1 -> mean 0, deviation 1 over all digits."""
    return ((pixels - 0.3053) / 0.3759).astype(np.float32)


@app.function
def outputs_of(model, images):
    """In eval mode: (N, 10)."""
    with tc.no_grad():
        return model.eval()(normalised(images))


@app.function
def error_of(model, images, labels):
    """Part of the images that is classified wrong, in per cent."""
    return 100 * float((outputs_of(model, images).data.argmax(axis=1) != labels).mean())


@app.function
def learn(images, labels, seed, p=0.0, decay=0.0, augment=None, steps=100, watch=None):
    """Train on few images, all of them in every step; ``watch(model, loss)`` is called after each fourth."""
    tc.manual_seed(seed)
    draws = np.random.default_rng(seed)
    model = network(p)
    optimizer = tc.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=decay)
    for step in range(1, steps + 1):
        batch = augment(images, draws.random((len(images), augment.draws))) if augment else images
        optimizer.zero_grad()
        loss = F.cross_entropy(model.train()(normalised(batch)), labels)
        loss.backward()
        optimizer.step()
        if watch and step % 4 == 0:
            watch(model, loss.item())
    return model


@app.cell(hide_code=True)
def _():
    guess_gap = lesson.question("gap")
    guess_gap
    return (guess_gap,)


@app.cell(hide_code=True)
def _(guess_gap):
    lesson.answer("gap", guess_gap)
    return


@app.cell(hide_code=True)
def _():
    count = lesson.slider("count", 20, 400, 60, 20)
    count
    return (count,)


@app.cell
def _():
    digits, labels = tc.data.digits("train")
    images = (digits[:, None] / 16).astype(np.float32)  # (1438, 1, 8, 8)
    test_digits, test_labels = tc.data.digits("test")
    test_images = (test_digits[:, None] / 16).astype(np.float32)
    held_images, held_labels = images[1000:], labels[1000:]  # held out: 438
    return held_images, held_labels, images, labels, test_images, test_labels


@app.cell
def _(count, held_images, held_labels, images, labels):
    history = []

    def watch(model, loss):
        held = F.cross_entropy(outputs_of(model, held_images), held_labels).item()
        history.append((loss, held, error_of(model, held_images, held_labels)))

    few_model = learn(images[: count.value], labels[: count.value], seed=0, watch=watch)
    losses, held_losses, held_errors = np.array(history).T
    watched = np.arange(4, 101, 4)  # steps
    tc.plot.curves(
        {lesson.word("training"): (watched, losses), lesson.word("held_out"): (watched, held_losses)},
        x=lesson.word("step"),
        y=lesson.word("loss"),
        alt=lesson.word("gap_alt"),
    )
    return few_model, held_errors, held_losses, losses


@app.cell
def _(count, few_model, images, labels, test_images, test_labels):
    few_error = error_of(few_model, images[: count.value], labels[: count.value])
    test_error = error_of(few_model, test_images, test_labels)
    weights = sum(parameter.size for parameter in few_model.parameters())
    lesson.numbers(
        weights=weights,
        weights_per_image=weights / count.value,
        training_error=few_error,
        test_error=test_error,
        gap=test_error - few_error,
    )
    return few_error, weights


@app.cell
def _(held_errors, held_losses):
    stop = int(held_losses.argmin())
    lesson.text(
        "stopping",
        step=4 * (stop + 1),
        lowest=f"{held_losses[stop]:.2f}",
        last=f"{held_losses[-1]:.2f}",
        error_then=f"{held_errors[stop]:.1f}",
        error_last=f"{held_errors[-1]:.1f}",
    )
    return (stop,)


@app.cell(hide_code=True)
def _():
    lesson.text("augmentation")
    return


@app.cell(hide_code=True)
def _():
    guess_flip = lesson.question("flip")
    guess_flip
    return (guess_flip,)


@app.cell(hide_code=True)
def _(guess_flip):
    lesson.answer("flip", guess_flip)
    return


@app.cell(hide_code=True)
def _():
    angle = lesson.slider("angle", 0, 180, 15, 5)
    angle
    return (angle,)


@app.cell
def _(angle, images, labels):
    turned = tc.data.RandomAffine(degrees=angle.value, translate=0.1, scale=(0.9, 1.1), shear=10)
    uniforms = np.random.default_rng(1).random((6, turned.draws))  # from 0 to 1; the first of five is the angle
    variants = turned(np.repeat(images[6:7], 6, axis=0), uniforms)
    angles = angle.value * (2 * uniforms[:, 0] - 1)
    tc.plot.pictures(
        {lesson.word("stored", label=labels[6]): 1 - images[6]}
        | {
            f"{number}: {degrees:.0f}°": 1 - one
            for number, (degrees, one) in enumerate(zip(angles, variants, strict=True), 1)
        },
        alt=lesson.word("variants_alt"),
        columns=7,
        limits=(0, 1),
        size=1.1,
    )
    return (angles,)


@app.cell(hide_code=True)
def _(angles):
    lesson.numbers(first_angle=float(angles[0]), widest_angle=float(np.abs(angles).max()))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("dropout")
    return


@app.function
def dropout(x, u, p, training):
    """Inverted dropout: y = x / (1 − p) where u ≥ p, else 0; u is uniform from 0 to 1. At test time y = x."""
    return np.where(u >= p, x / (1 - p), 0) if training else x


@app.cell(hide_code=True)
def _():
    p = lesson.slider("p", 0, 0.9, 0.5, 0.1)
    p
    return (p,)


@app.cell
def _(p):
    activations = np.linspace(0, 2, 1000)  # their mean is 1
    chances = np.random.default_rng(14).random(1000)
    dropped = dropout(activations, chances, p.value, training=True)
    lesson.numbers(
        kept=int((chances >= p.value).sum()),
        mean_kept_only=float(activations[chances >= p.value].sum() / 1000),
        mean_training=float(dropped.mean()),
        mean_test=float(dropout(activations, chances, p.value, training=False).mean()),
    )
    return activations, dropped


@app.cell
def _():
    example("dropout", {"input": (1, 6), "p": 0.5}, seed=14, backward=True)
    return


@app.cell(hide_code=True)
def _():
    guess_check = lesson.question("check")
    guess_check
    return (guess_check,)


@app.cell(hide_code=True)
def _(guess_check):
    lesson.answer("check", guess_check)
    return


@app.cell
def _():
    start, step = np.array([1.0, -2.0, 3.0]), 1e-5
    direction = np.array([1.0, 1.0, 1.0])

    def value(x, seed):
        tc.manual_seed(seed)  # which numbers dropout draws
        return F.dropout(tc.Tensor(x), 0.5).sum().item()

    def quotient(seeds):
        return (value(start + step * direction, seeds[0]) - value(start - step * direction, seeds[1])) / (2 * step)

    tc.manual_seed(8)
    x = tc.Tensor(start, requires_grad=True)
    F.dropout(x, 0.5).sum().backward()
    by_backward, same_mask, other_mask = float(x.grad @ direction), quotient((8, 8)), quotient((8, 5))
    report = tc.gradcheck(lambda x: F.dropout(x, 0.5), start)
    lesson.numbers(by_backward=by_backward, same_mask=round(same_mask, 6), other_mask=round(other_mask))
    return by_backward, other_mask, report, same_mask


@app.cell(hide_code=True)
def _():
    lesson.text("ensemble")
    return


@app.cell(hide_code=True)
def _():
    lesson.text("compare")
    return


@app.cell(hide_code=True)
def _():
    more_seeds = lesson.button("more_seeds")
    more_seeds
    return (more_seeds,)


@app.cell
def _(images, labels, more_seeds, test_images, test_labels):
    means = {
        "plain": {},
        "decay": {"decay": 0.01},
        "dropout": {"p": 0.5},
        "augmentation": {"augment": tc.data.RandomAffine(degrees=10, translate=0.1, scale=(0.9, 1.1), shear=10)},
    }
    seeds = range(10 if more_seeds.value else 3)
    errors = {name: [] for name in [*means, "ensemble"]}  # of the test, by seed

    for _seed in seeds:
        _few = np.random.default_rng(_seed).permutation(1000)[
            :100
        ]  # other images for each seed, the same for all means
        _learned = {name: learn(images[_few], labels[_few], _seed, **options) for name, options in means.items()}
        for _name, _model in _learned.items():
            errors[_name].append(error_of(_model, test_images, test_labels))
        _others = [learn(images[_few], labels[_few], 100 + 2 * _seed + member) for member in range(2)]
        _mean = np.mean(
            [F.softmax(outputs_of(_one, test_images)).data for _one in [_learned["plain"], *_others]], axis=0
        )
        errors["ensemble"].append(100 * float((_mean.argmax(axis=1) != test_labels).mean()))
    tc.plot.bars(
        {lesson.word(name): np.mean(found) for name, found in errors.items()},
        x=lesson.word("test_error", seeds=len(seeds)),
        alt=lesson.word("compare_alt"),
    )
    return errors, seeds


@app.cell(hide_code=True)
def _(errors, seeds):
    lesson.numbers(
        trained=len(seeds) * (len(errors) + 1),  # an ensemble takes two more
        **{f"error_{name}": f"{np.mean(found):.1f} ± {np.std(found, ddof=1):.1f}" for name, found in errors.items()},
        **{
            f"better_{name}": sum(np.array(found) < errors["plain"])
            for name, found in errors.items()
            if name != "plain"
        },
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("honest")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("12_dropout")
    return


@app.cell(hide_code=True)
def _(
    activations,
    by_backward,
    dropped,
    errors,
    everywhere,
    few_error,
    held_losses,
    losses,
    measured,
    other_mask,
    places,
    report,
    same_mask,
    stop,
    truth,
    weights,
):
    wild = np.polyval(fit(places, measured, 9, 0.0)[::-1], everywhere)
    tame = np.polyval(fit(places, measured, 9, 0.1)[::-1], everywhere)
    assert np.std(wild - truth) > 2 * np.std(tame - truth)
    assert weights == 16 * 10 + 64 * 145 + 10 * 65
    assert few_error < 2
    assert losses[-1] < 0.1 < held_losses[-1]
    assert held_losses[stop] <= held_losses[-1]
    assert abs(dropped.mean() - activations.mean()) < 0.2
    assert report
    assert abs(by_backward - same_mask) < 1e-6 < abs(by_backward - other_mask)
    assert np.mean(errors["augmentation"]) < np.mean(errors["plain"])
    return


if __name__ == "__main__":
    app.run()
