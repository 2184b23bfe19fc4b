import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="13. LeNet-5 as published and as taught")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.models.lenet1998 import C3_TABLE, digit_codes
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("13_lenet5")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("two")
    return


@app.cell(hide_code=True)
def _():
    guess_most = lesson.question("most")
    guess_most
    return (guess_most,)


@app.cell(hide_code=True)
def _(guess_most):
    lesson.answer("most", guess_most)
    return


@app.function
def layer_numbers(layer, variant):
    """Trained parameters of a layer, and its connections: the weights and biases that its outputs use."""
    published = variant == "1998"
    if layer in ("S2", "S4"):  # a sum of four; as published times a coefficient, plus a bias, of each map
        maps, side = {"S2": (6, 14), "S4": (16, 5)}[layer]
        return (2 * maps, 5 * maps * side**2) if published else (0, 4 * maps * side**2)
    if layer == "output":
        return (0, 84 * 10) if published else (84 * 10 + 10, 84 * 10 + 10)
    inputs, maps, side = {"C1": (25, 6, 28), "C3": (6 * 25, 16, 10), "C5": (16 * 25, 120, 1), "F6": (120, 84, 1)}[layer]
    parameters = 60 * 25 + 16 if layer == "C3" and published else (inputs + 1) * maps
    return parameters, parameters * side**2


@app.cell(hide_code=True)
def _():
    layer = lesson.choice("layer", ["C1", "S2", "C3", "S4", "C5", "F6", "output"], "C1")
    version = lesson.choice(
        "version", {lesson.word("taught"): "modern", lesson.word("published"): "1998"}, lesson.word("taught")
    )
    lesson.controls(layer, version)
    return layer, version


@app.cell
def _(layer, version):
    by_layer = {name: layer_numbers(name, version.value) for name in ("C1", "S2", "C3", "S4", "C5", "F6", "output")}
    counted = sum(parameters for parameters, _ in by_layer.values())
    engine_counted = sum(parameter.size for parameter in tc.models.lenet5(version.value).parameters())
    lesson.numbers(
        parameters=by_layer[layer.value][0],
        connections=by_layer[layer.value][1],
        total=counted,
        total_engine=engine_counted,
    )
    return counted, engine_counted


@app.cell(hide_code=True)
def _():
    lesson.text("table")
    return


@app.cell
def _():
    table = np.zeros((16, 6))
    for _map, _seen in enumerate(C3_TABLE.split()):  # 012 123 234 345 045 015 0123 …
        table[_map, [int(digit) for digit in _seen]] = 1
    tc.plot.pictures({lesson.word("table"): 1 - table.T}, alt=lesson.word("table_alt"), limits=(0, 1), size=5.5)
    return (table,)


@app.cell(hide_code=True)
def _():
    which_map = lesson.slider("which_map", 0, 15, 0)
    is_full = lesson.switch("is_full")
    lesson.controls(which_map, is_full)
    return is_full, which_map


@app.cell
def _(is_full, table, which_map):
    links = np.ones_like(table) if is_full.value else table
    lesson.numbers(
        inputs_of_map=int(links[which_map.value].sum()),
        parameters_of_map=int(25 * links[which_map.value].sum() + 1),
        links=int(links.sum()),
        parameters_of_c3=int(25 * links.sum() + 16),
    )
    return


@app.cell
def _(table):
    maps_of_s2 = np.random.default_rng(13).standard_normal((2, 6, 14, 14)).astype(np.float32)
    published_net = tc.models.lenet5("1998")
    kernels = np.zeros((16, 6, 5, 5), np.float32)
    kernels[table == 1] = published_net.c3.weight.data  # the 60 kernels that there are, map by map
    masked = F.conv2d(maps_of_s2, kernels, published_net.c3.bias)
    table_difference = np.abs(masked.data - published_net.c3(maps_of_s2).data).max()
    lesson.numbers(kernels_kept=len(published_net.c3.weight.data), table_difference=table_difference)
    return (table_difference,)


@app.cell(hide_code=True)
def _():
    lesson.text("tanh")
    return


@app.function
def scaled_tanh(z):
    """f(z) = A · tanh(S · z), A = 1.7159, S = 2/3: appendix A of the paper."""
    return 1.7159 * np.tanh(2 / 3 * z)


@app.cell
def _():
    places = np.linspace(-4, 4, 81)
    tc.plot.curves(
        {"tanh(z)": (places, np.tanh(places)), "1.7159 · tanh(2z/3)": (places, scaled_tanh(places))},
        x="z",
        y="f(z)",
        alt=lesson.word("tanh_alt"),
    )
    return


@app.cell(hide_code=True)
def _():
    z = lesson.slider("z", -4, 4, 1, 0.5)
    z
    return (z,)


@app.cell(hide_code=True)
def _(z):
    lesson.numbers(
        scaled=float(scaled_tanh(z.value)),
        scaled_slope=float(1.7159 * 2 / 3 * (1 - np.tanh(2 / 3 * z.value) ** 2)),
        plain=float(np.tanh(z.value)),
        plain_slope=float(1 - np.tanh(z.value) ** 2),
    )
    return


@app.cell
def _():
    tc.trace(lambda x: F.tanh(x * (2 / 3)) * 1.7159, np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("codes")
    return


@app.cell
def _():
    codes = digit_codes()  # (10, 84), +1 for ink, −1 for paper
    tc.plot.pictures(
        {str(digit): -code.reshape(12, 7) for digit, code in enumerate(codes)},
        alt=lesson.word("codes_alt"),
        columns=10,
        size=0.8,
    )
    return (codes,)


@app.function
def distances(f6, codes):
    """Equation 7: y[n, i] = Σⱼ (f6[n, j] − codes[i, j])²."""
    return ((f6[:, None] - codes) ** 2).sum(axis=2)  # (N, 1, 84) − (10, 84) -> (N, 10, 84) -> (N, 10)


@app.function
def equation_9(y, target, j):
    """One image: E = y_target + log(e^−j + Σᵢ e^−yᵢ), and dE/dyᵢ = [i is the target] − e^−yᵢ / (e^−j + Σ e^−y)."""
    terms = np.exp(-np.append(y, j))
    loss = y[target] + np.log(terms.sum())
    return loss, np.eye(len(y))[target] - terms[:-1] / terms.sum()


@app.cell(hide_code=True)
def _():
    lesson.text("loss")
    return


@app.cell(hide_code=True)
def _():
    guess_j = lesson.question("j")
    guess_j
    return (guess_j,)


@app.cell(hide_code=True)
def _(guess_j):
    lesson.answer("j", guess_j)
    return


@app.cell(hide_code=True)
def _():
    meant = lesson.slider("meant", 0, 10, 3, 0.5)
    other = lesson.slider("other", 0, 10, 4, 0.5)
    j = lesson.slider("j", 0, 10, 5, 0.5)
    lesson.controls(meant, other, j)
    return j, meant, other


@app.cell
def _(j, meant, other):
    loss_9, slopes_9 = equation_9(np.array([meant.value, other.value]), 0, j.value)
    lesson.numbers(loss=float(loss_9), slope_meant=float(slopes_9[0]), slope_other=float(slopes_9[1]))
    return (loss_9,)


@app.cell
def _(j, meant, other):
    def equation_9_as_cross_entropy(y):
        return F.cross_entropy(F.cat([-y, np.array([[-j.value]], float)], dim=1), np.array([0]))

    tc.trace(equation_9_as_cross_entropy, np.array([[meant.value, other.value]], float))
    return (equation_9_as_cross_entropy,)


@app.cell(hide_code=True)
def _():
    lesson.text("train")
    return


@app.cell(hide_code=True)
def _():
    longer = lesson.button("longer")
    longer
    return (longer,)


@app.function
def trained(variant, images, labels, epochs):
    """LeNet-5, trained by SGD with momentum; the rates are those that each variant has in `tinycnn train`."""
    tc.manual_seed(13)
    model = tc.models.lenet5(variant)
    loader = tc.data.DataLoader(images, labels, batch_size=32, shuffle=True, seed=13)
    optimizer = tc.optim.SGD(model.parameters(), lr=0.05 if variant == "modern" else 0.005, momentum=0.9)
    tc.training.Trainer(model, optimizer).fit(loader, epochs=epochs)
    return model


@app.cell
def _(longer):
    to_lenet = tc.data.DATA_SETS["digits"].transform((1, 32, 32))  # 8 × 8 becomes 32 × 32
    digits, labels = tc.data.digits("train")
    test_digits, test_labels = tc.data.digits("test")
    test_loader = tc.data.DataLoader(to_lenet(test_digits), test_labels)
    epochs = 15 if longer.value else 2
    models = {variant: trained(variant, to_lenet(digits), labels, epochs) for variant in ("modern", "1998")}
    results = {variant: tc.training.evaluate(model, test_loader) for variant, model in models.items()}
    return digits, epochs, models, results, test_loader


@app.cell(hide_code=True)
def _(digits, epochs, results):
    lesson.numbers(
        seen=epochs * len(digits),
        error_taught=100 * (1 - results["modern"].accuracy),
        error_published=100 * (1 - results["1998"].accuracy),
    )
    return


@app.cell
def _(codes, models, test_loader):
    nets_images, net_labels = test_loader.images[:8], test_loader.labels[:8]
    with tc.no_grad():
        f6 = models["1998"][:-1](nets_images).data  # all but the output layer: (8, 84)
    tc.plot.pictures(
        {
            f"{digit} ({place})": -code.reshape(12, 7)
            for place, (digit, code) in enumerate(zip(net_labels, f6, strict=True), 1)
        },
        alt=lesson.word("f6_alt"),
        columns=8,
        limits=(-1.7159, 1.7159),
        size=0.9,
    )
    return f6, nets_images


@app.cell
def _(codes, f6, models, nets_images):
    own_distances = distances(f6, codes)  # (8, 10)
    with tc.no_grad():
        engine_distances = models["1998"](nets_images).data
    lesson.numbers(
        nearest="".join(map(str, own_distances.argmin(axis=1))),
        difference_of_distances=float(np.abs(own_distances - engine_distances).max()),
    )
    return engine_distances, own_distances


@app.cell(hide_code=True)
def _(results):
    lesson.text(
        "both",
        taught=f"{100 * (1 - results['modern'].accuracy):.1f}",
        published=f"{100 * (1 - results['1998'].accuracy):.1f}",
        one=f"{100 / 359:.2f}",
    )
    return


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
    mnist = lesson.button("mnist")
    mnist
    return (mnist,)


@app.function
def test_images(ask_for_mnist):
    """What they are, images (N, 1, 32, 32) and labels: of MNIST where it is asked for and there, else bundled."""
    if ask_for_mnist and (tc.data.data_directory() / "mnist" / "t10k-images-idx3-ubyte.gz").is_file():
        images, labels = tc.data.mnist("test")
        return "mnist", tc.data.DATA_SETS["mnist"].transform((1, 32, 32))(images), labels
    images, labels = tc.data.digits("test")
    like_mnist = tc.data.Compose(
        [tc.data.ToFloat(16), tc.data.Resize(20), tc.data.Pad(6), tc.data.Normalize(0.1307, 0.3081)]
    )
    return "missing" if ask_for_mnist else "bundled", like_mnist(images), labels


@app.cell
def _(mnist):
    checkpoint = tc.training.load_checkpoint(tc.models.pretrained_path("lenet5"))
    net = checkpoint.build()
    source, tested, their_labels = test_images(mnist.value)
    result = tc.training.evaluate(net, tc.data.DataLoader(tested, their_labels))
    errors = len(result.worst)
    lesson.numbers(tested=len(tested), errors=errors, error=100 * errors / len(tested))
    return errors, net, result, source, tested


@app.cell
def _(result, tested):
    tc.plot.pictures(
        {
            lesson.word(
                "read_as",
                number=place,
                label=result.labels[place],
                read=result.predictions[place],
                sure=f"{100 * result.probabilities[place].max():.0f}",
            ): -tested[place]
            for place in result.worst[:12]
        },
        alt=lesson.word("errors_alt"),
        size=1.2,
    )
    return


@app.cell(hide_code=True)
def _(errors, result, source, tested):
    lesson.text(
        source,
        errors=errors,
        tested=len(tested),
        percent=f"{100 * errors / len(tested):.2f}",
        nines=result.confusion[9, 3],
        spread=f"{100 * np.sqrt(0.0095 * 0.9905 / 10_000):.2f}",
    )
    return


@app.cell
def _(net, tested):
    maps = tc.inspect.feature_maps(net, tested[0])
    tc.plot.pictures(
        {lesson.word("image"): -tested[0]} | {f"C1, {number}": one for number, one in enumerate(maps["tanh1"])},
        alt=lesson.word("maps_alt"),
        columns=7,
        size=1.2,
    )
    return (maps,)


@app.cell(hide_code=True)
def _():
    lesson.text("inside")
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
def _(
    codes,
    counted,
    engine_counted,
    engine_distances,
    equation_9_as_cross_entropy,
    loss_9,
    maps,
    meant,
    other,
    own_distances,
    result,
    results,
    table,
    table_difference,
):
    assert counted == engine_counted
    assert {
        variant: sum(layer_numbers(name, variant)[0] for name in ("C1", "S2", "C3", "S4", "C5", "F6", "output"))
        for variant in ("modern", "1998")
    } == {"modern": 61_706, "1998": 60_000}
    assert (table.sum(), table[:, 0].sum(), table.min(axis=1).max()) == (60, 10, 1)
    assert table_difference < 1e-5
    np.testing.assert_allclose(own_distances, engine_distances, rtol=1e-4)
    y = np.array([[meant.value, other.value]], float)
    np.testing.assert_allclose(equation_9_as_cross_entropy(tc.Tensor(y)).item(), loss_9, atol=1e-12)
    assert abs(scaled_tanh(1.0) - 1) < 1e-4
    assert ((codes[:, None] != codes).sum(axis=2) + 84 * np.eye(10)).min() > 5
    assert min(found.accuracy for found in results.values()) > 0.8
    assert result.accuracy > 0.9
    assert maps["tanh1"].shape == (6, 28, 28)
    return


if __name__ == "__main__":
    app.run()
