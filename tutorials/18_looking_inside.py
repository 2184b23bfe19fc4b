import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="18. Looking inside")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("18_looking_inside")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.function
def squares(photograph, size=200):
    """Four overlapping squares of a photograph, reduced to 32 × 32: (3, H, W) -> (4, 3, 32, 32)."""
    places = [(0, 60), (0, 240), (200, 60), (200, 240)]
    parts = np.stack([photograph[:, top : top + size, left : left + size] for top, left in places])
    return np.rint(tc.data.Resize(32)(parts.astype(np.float32))).astype(np.uint8)


@app.cell
def _():
    model = tc.training.load_checkpoint(tc.models.pretrained_path("vgg-small")).build()
    cifar10 = tc.data.DATA_SETS["cifar10"]
    has_pictures = any((tc.data.data_directory() / "cifar10").glob("[!.]*"))
    if has_pictures:
        _levels, _labels = (part[::50] for part in tc.data.cifar10("test"))
    else:
        _levels = np.concatenate([squares(tc.data.photograph(name)) for name in ("china", "flower")])
    with tc.no_grad():
        _given = F.softmax(model(tc.Tensor(cifar10.transform((3, 32, 32))(_levels)))).data
    # of each class, the first picture that the network is right about; of the photographs, all
    _said = _given.argmax(axis=1)
    kept = (
        [np.flatnonzero((_labels == label) & (_said == label))[0] for label in range(8)] if has_pictures else range(8)
    )
    levels, probabilities = _levels[list(kept)], _given[list(kept)]
    pictures = cifar10.transform((3, 32, 32))(levels)  # (8, 3, 32, 32), normalised
    lesson.text("why" if has_pictures else "why_photographs")
    return cifar10, levels, model, pictures, probabilities


@app.cell
def _(cifar10, levels, probabilities):
    answers = probabilities.argmax(axis=1)
    tc.plot.pictures(
        {
            f"{place}: {cifar10.classes[answer]}, {100 * chance[answer]:.0f} %": picture
            for place, (picture, answer, chance) in enumerate(zip(levels, answers, probabilities, strict=True), 1)
        },
        alt=lesson.word("pictures_alt"),
        columns=4,
        size=1.6,
    )
    return (answers,)


@app.cell(hide_code=True)
def _():
    chosen = lesson.slider("chosen", 1, 8, 1)
    chosen
    return (chosen,)


@app.cell
def _(answers, chosen, levels, pictures, probabilities):
    image, level = pictures[chosen.value - 1], levels[chosen.value - 1]
    target = int(answers[chosen.value - 1])
    lesson.numbers(picture=chosen.value, probability=float(100 * probabilities[chosen.value - 1].max()))
    return image, level, target


@app.cell(hide_code=True)
def _():
    lesson.text("filters")
    return


@app.cell
def _(model):
    kernels = model.features[0].weight.data  # (24, 3, 3, 3)
    _scaled = 0.5 + kernels / (2 * np.abs(kernels).max(axis=(1, 2, 3), keepdims=True))  # 0 becomes grey
    tc.plot.pictures(
        {str(place): kernel for place, kernel in enumerate(_scaled, 1)},
        alt=lesson.word("filters_alt"),
        columns=12,
        size=0.55,
    )
    return


@app.cell(hide_code=True)
def _():
    layer = lesson.choice("layer", {"1": 2, "2": 5, "4": 12, "7": 22}, "1")
    layer
    return (layer,)


@app.cell
def _(image, layer, model):
    all_maps = tc.inspect.feature_maps(model, image)
    maps = all_maps[f"features.{layer.value}"]  # (K, P, Q), after this convolution's ReLU
    lesson.numbers(maps=len(maps), width=maps.shape[-1], zeros=100 * float(np.mean(maps == 0)))
    return all_maps, maps


@app.cell
def _(maps):
    _strongest = np.argsort(-maps.mean(axis=(1, 2)))[:12]
    tc.plot.pictures(
        {str(place): maps[place] for place in _strongest}, alt=lesson.word("maps_alt"), columns=6, size=0.9
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("occlusion")
    return


@app.function
def covered(model, image, target, window, stride):
    """By how much the probability of a class falls when a square of the image is covered with the mean colour."""

    def probability(picture):
        with tc.no_grad():
            return F.softmax(model(tc.Tensor(picture[None]))).data[0, target]

    places = range(0, image.shape[1] - window + 1, stride)
    drops = np.zeros((len(places), len(places)))
    for p, top in enumerate(places):
        for q, left in enumerate(places):
            picture = image.copy()
            picture[:, top : top + window, left : left + window] = 0
            drops[p, q] = probability(image) - probability(picture)
    return drops


@app.cell(hide_code=True)
def _():
    guess_covered = lesson.question("covered")
    guess_covered
    return (guess_covered,)


@app.cell(hide_code=True)
def _(guess_covered):
    lesson.answer("covered", guess_covered)
    return


@app.cell(hide_code=True)
def _():
    window = lesson.slider("window", 4, 16, 8, step=2)
    window
    return (window,)


@app.cell
def _(image, level, model, target, window):
    drops = tc.inspect.occlusion(model, image, target, window=window.value, stride=2)
    by_loops = covered(model, image, target, window.value, 8)  # every fourth place, as a check
    drops_difference = float(np.abs(drops[::4, ::4] - by_loops).max())
    tc.plot.pictures(
        {lesson.word("picture"): level, lesson.word("drops"): drops}, alt=lesson.word("drops_alt"), signed=True
    )
    return drops, drops_difference


@app.cell(hide_code=True)
def _(drops, drops_difference):
    lesson.numbers(
        covers=drops.size,
        largest_drop=float(100 * drops.max()),
        least_drop=float(100 * drops.min()),
        drops_difference=drops_difference,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("saliency")
    return


@app.function
def by_gradient(model, image, target):
    """M[h, w] = max over the colours of |∂S/∂x[c, h, w]|, S the score of the class before softmax."""
    x = tc.Tensor(image[None], requires_grad=True)
    scores = model(x)
    upstream = np.zeros(scores.shape, np.float32)
    upstream[0, target] = 1
    scores.backward(upstream)
    model.zero_grad()
    return np.abs(x.grad[0]).max(axis=0)  # (C, H, W) -> (H, W)


@app.cell
def _(image, model, target):
    saliency_difference = np.abs(by_gradient(model, image, target) - tc.inspect.saliency(model, image, target)).max()
    _gradient = tc.inspect.image_gradient(model, image, target)
    _pixel = np.unravel_index(np.abs(_gradient).argmax(), _gradient.shape)
    _step = np.zeros_like(image)
    _step[_pixel] = 0.002
    with tc.no_grad():
        _scores = model(tc.Tensor(np.stack([image - _step, image + _step]))).data[:, target]
    lesson.numbers(
        saliency_difference=float(saliency_difference),
        steepest=float(_gradient[_pixel]),
        steepest_measured=float((_scores[1] - _scores[0]) / 0.004),
    )
    return (saliency_difference,)


@app.cell(hide_code=True)
def _():
    guess_dead = lesson.question("dead")
    guess_dead
    return (guess_dead,)


@app.cell(hide_code=True)
def _(guess_dead):
    lesson.answer("dead", guess_dead)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("guided")
    return


@app.cell
def _():
    tc.trace(F.relu, np.array([[1.5, -0.5, 2.0, -1.0, 0.5, 1.0]]), backward=True)
    return


@app.function
def guided(model, image, target):
    """The largest of the three colours' guided gradients."""
    return np.abs(tc.inspect.guided_backprop(model, image, target)).max(axis=0)


@app.cell(hide_code=True)
def _():
    lesson.text("cam")
    return


@app.cell
def _(all_maps, image, model, target):
    _weights = model.classifier.weight.data[target]  # (96,): how much each map speaks for the class
    _last = all_maps["features.22"]  # (96, 8, 8)
    by_weights = np.maximum(np.tensordot(_weights, _last, axes=1), 0) / 64
    cam = tc.inspect.grad_cam(model, image, target)
    cam_difference = float(np.abs(by_weights - cam).max())
    lesson.numbers(cam_width=cam.shape[-1], cam_largest=float(cam.max()), cam_difference=cam_difference)
    return cam, cam_difference


@app.cell
def _(cam, image, level, model, target):
    tc.plot.pictures(
        {
            lesson.word("picture"): level,
            lesson.word("saliency"): tc.inspect.saliency(model, image, target),
            lesson.word("guided"): guided(model, image, target),
            lesson.word("cam"): tc.inspect.enlarged(cam, 32),
        },
        alt=lesson.word("four_alt"),
        columns=4,
        size=1.6,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("distrust")
    return


@app.cell(hide_code=True)
def _():
    guess_random = lesson.question("random")
    guess_random
    return (guess_random,)


@app.cell(hide_code=True)
def _(guess_random):
    lesson.answer("random", guess_random)
    return


@app.function
def edges(model, image, target):
    """How much each pixel differs from those below and to the right: it looks at no network at all."""
    grey = image.mean(axis=0)
    down, across = np.diff(grey, axis=0, append=grey[-1:]), np.diff(grey, axis=1, append=grey[:, -1:])
    return np.abs(down) + np.abs(across)


@app.cell(hide_code=True)
def _():
    forgotten = lesson.slider("forgotten", 0, 7, 7)
    forgotten
    return (forgotten,)


@app.cell
def _(forgotten, image, level, model, target):
    # every second step: the last full layer, then each convolution after its batch normalisation, from the last
    forgetful = [net for _, net in tc.inspect.cascading_randomisation(model)][2 * forgotten.value]
    methods = {"saliency": tc.inspect.saliency, "guided": guided, "cam": tc.inspect.grad_cam, "edges": edges}
    before, after = (
        {name: method(net, image, target) for name, method in methods.items()} for net in (model, forgetful)
    )
    tc.plot.pictures(
        {lesson.word("picture"): level}
        | {lesson.word(name): tc.inspect.enlarged(drawn, 32) for name, drawn in after.items()},
        alt=lesson.word("after_alt"),
        columns=5,
        size=1.4,
    )
    return after, before, methods


@app.cell
def _(after, before, forgotten, model):
    _sizes = [sum(part.size for part in model.classifier.parameters())]
    _sizes += [part.weight.size for part in reversed(list(model.features)) if isinstance(part, tc.nn.Conv2d)]
    _like = {name: tc.inspect.rank_similarity(before[name], after[name]) for name in ("saliency", "guided", "cam")}
    lesson.numbers(
        shuffled=sum(_sizes[: forgotten.value + 1]),
        **{f"now_{name}": float(np.nan_to_num(value)) for name, value in _like.items()},  # a flat map has no order
    )
    return


@app.cell(hide_code=True)
def _():
    many = lesson.button("many")
    many
    return (many,)


@app.cell
def _(answers, many, methods, model, pictures):
    similar = {name: [] for name in methods}
    edge_like = {"guided": [], "saliency": []}
    for _picture, _answer in list(zip(pictures, answers, strict=True))[: 8 if many.value else 4]:
        for _name, _method in methods.items():
            _found = tc.inspect.randomisation_test(model, _picture, _method, int(_answer))
            similar[_name].append(list(_found.values())[::2])  # the full layer, then one for each convolution
        for _name, _found in edge_like.items():
            _drawn = methods[_name](model, _picture, int(_answer))
            _found.append(tc.inspect.rank_similarity(_drawn, edges(model, _picture, int(_answer))))
    likeness = {name: np.nan_to_num(values).mean(axis=0) for name, values in similar.items()}  # (8,); a flat map: 0
    tc.plot.curves(
        {lesson.word(name): values for name, values in likeness.items()},
        x=lesson.word("forgotten"),
        y=lesson.word("likeness"),
        alt=lesson.word("likeness_alt"),
    )
    return edge_like, likeness, similar


@app.cell(hide_code=True)
def _(likeness, similar):
    lesson.numbers(
        pictures_tested=len(similar["cam"]),
        **{f"like_{name}": float(values[3]) for name, values in likeness.items()},
    )
    return


@app.cell
def _(edge_like, likeness):
    _after = {f"{name}_{count}": likeness[name][count] for name in ("saliency", "guided", "cam") for count in (0, 3, 6)}
    lesson.text("conclusions", **_after, **{f"edges_{name}": np.mean(found) for name, found in edge_like.items()})
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("10_activations", "15_autograd")
    return


@app.cell(hide_code=True)
def _(cam_difference, drops_difference, likeness, saliency_difference):
    assert max(drops_difference, saliency_difference, cam_difference) < 1e-5
    assert (likeness["edges"] == 1).all()
    assert (likeness["guided"][:6] > likeness["saliency"][:6]).all()
    assert (likeness["guided"][:6] > likeness["cam"][:6]).all()
    return


if __name__ == "__main__":
    app.run()
