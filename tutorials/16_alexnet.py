import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="16. AlexNet: two towers, memory, ten crops")

with app.setup(hide_code=True):
    from time import perf_counter

    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("16_alexnet")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("why")
    return


@app.function
def square(photograph, size):
    """The middle square of a photograph, made ``size`` pixels wide: levels (3, size, size) from 0 to 255."""
    side = min(photograph.shape[1:])
    top, left = (np.array(photograph.shape[1:]) - side) // 2
    middle = photograph[None, :, top : top + side, left : left + side].astype(np.float32)
    return tc.data.Resize(size)(middle)[0]


@app.cell
def _():
    photograph = square(tc.data.photograph("china"), 256)
    image = photograph[:, 14:241, 14:241]  # (3, 227, 227)
    tc.plot.pictures({lesson.word("china"): image / 255}, alt=lesson.word("china_alt"), size=3)
    return image, photograph


@app.cell(hide_code=True)
def _():
    lesson.text("layers")
    return


@app.function
def layer_table(layers, H, C=3):
    """P = floor((H + 2·padding − R) / stride) + 1; K·(C/groups)·R² weights, each in P² products."""
    rows = []
    for name, K, R, stride, padding, groups in layers:
        P = (H + 2 * padding - R) // stride + 1
        K, weights = (C, 0) if K is None else (K, K * (C // groups) * R * R)
        rows.append((name, K, P, weights + (K if weights else 0), weights * P * P))
        C, H = K, P
    return rows


@app.cell
def _():
    # name, kernels K (None: a max pool), window R, stride, padding, groups; fc6 sees all of the last map at once
    two_towers = (
        ("conv1", 96, 11, 4, 0, 1),
        ("pool1", None, 3, 2, 0, 1),
        ("conv2", 256, 5, 1, 2, 2),
        ("pool2", None, 3, 2, 0, 1),
        ("conv3", 384, 3, 1, 1, 1),
        ("conv4", 384, 3, 1, 1, 2),
        ("conv5", 256, 3, 1, 1, 2),
        ("pool5", None, 3, 2, 0, 1),
        ("fc6", 4096, 6, 1, 0, 1),
        ("fc7", 4096, 1, 1, 0, 1),
        ("fc8", 1000, 1, 1, 0, 1),
    )
    table = layer_table(two_towers, 227)
    lines = "\n".join(
        f"| {name} | {K:,} × {P} × {P} | {parameters:,} | {multiply_adds:,} |"
        for name, K, P, parameters, multiply_adds in table
    )
    lesson.text("table", lines=lines)
    return table, two_towers


@app.cell
def _():
    tc.manual_seed(0)
    alexnet = tc.models.alexnet()  # weights drawn at random, as before its training
    summary = tc.inspect.summary(alexnet, (3, 227, 227))
    return alexnet, summary


@app.cell(hide_code=True)
def _(summary, table):
    lesson.numbers(
        parameters_by_table=sum(row[3] for row in table),
        parameters_of_engine=summary.parameters,
        multiply_adds_by_table=sum(row[4] for row in table),
        multiply_adds_of_engine=summary.multiply_adds,
        neurons=sum(K * P * P for name, K, P, *_ in table if not name.startswith("pool")),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("size")
    return


@app.cell(hide_code=True)
def _():
    guess_size = lesson.question("size")
    guess_size
    return (guess_size,)


@app.cell(hide_code=True)
def _(guess_size):
    lesson.answer("size", guess_size)
    return


@app.cell(hide_code=True)
def _():
    size = lesson.slider("size", 99, 260, 224)
    padding = lesson.slider("padding", 0, 3, 0)
    lesson.controls(size, padding)
    return padding, size


@app.cell
def _(padding, size, two_towers):
    def last_map(H, padding):
        """Width of the maps that the full layers get, with this padding in conv1."""
        features = ((*two_towers[0][:4], padding, 1), *two_towers[1:8])
        return layer_table(features, H)[-1][2]

    _last = last_map(size.value, padding.value)
    _exact = (size.value + 2 * padding.value - 11) / 4 + 1
    lesson.numbers(conv1_exact=_exact, conv1=int(_exact), last_map=_last, features=256 * _last**2)
    return (last_map,)


@app.cell
def _(last_map, padding):
    _sizes = np.arange(99, 261)
    maps_without = np.array([last_map(size, 0) for size in _sizes])
    smallest = int(_sizes[maps_without == 6][0])
    _lines = {lesson.word("padding", padding=0): (_sizes, maps_without)}
    if padding.value:
        _maps = [last_map(size, padding.value) for size in _sizes]
        _lines[lesson.word("padding", padding=padding.value)] = (_sizes, _maps)
    tc.plot.curves(_lines, x=lesson.word("sizes"), y=lesson.word("last_maps"), alt=lesson.word("sizes_alt"))
    return (smallest,)


@app.cell(hide_code=True)
def _(smallest):
    lesson.text("smallest", smallest=smallest)
    return


@app.cell(hide_code=True)
def _():
    guess_where = lesson.question("where")
    guess_where
    return (guess_where,)


@app.cell
def _(guess_where, table):
    _full = sum(row[3] for row in table[-3:]) / sum(row[3] for row in table)
    _convolutions = sum(row[4] for row in table[:-3]) / sum(row[4] for row in table)
    lesson.answer("where", guess_where, full=100 * _full, convolutions=100 * _convolutions)
    return


@app.cell(hide_code=True)
def _():
    variant = lesson.choice("variant", ["2012", "single", "one_weird_trick"], "2012")
    variant
    return (variant,)


@app.cell
def _(two_towers, variant):
    one_tower = tuple((*layer[:5], 1) for layer in two_towers)
    one_weird_trick = (
        ("conv1", 64, 11, 4, 2, 1),
        two_towers[1],
        ("conv2", 192, 5, 1, 2, 1),
        two_towers[3],
        ("conv3", 384, 3, 1, 1, 1),
        ("conv4", 256, 3, 1, 1, 1),
        ("conv5", 256, 3, 1, 1, 1),
        *two_towers[7:],
    )
    tables = {
        "2012": layer_table(two_towers, 227),
        "single": layer_table(one_tower, 227),
        "one_weird_trick": layer_table(one_weird_trick, 224),
    }
    rows = [row for row in tables[variant.value] if row[3]]  # those with weights
    _parameters, _multiply_adds = (sum(row[place] for row in rows) for place in (3, 4))
    lesson.numbers(
        parameters=_parameters,
        full_share=100 * sum(row[3] for row in rows if row[0].startswith("fc")) / _parameters,
        multiply_adds=_multiply_adds,
        convolution_share=100 * sum(row[4] for row in rows if row[0].startswith("conv")) / _multiply_adds,
    )
    return rows, tables


@app.cell
def _(rows):
    tc.plot.bars({row[0]: row[3] / 1e6 for row in rows}, x=lesson.word("parameters"), alt=lesson.word("parameters_alt"))
    return


@app.cell
def _(rows):
    tc.plot.bars(
        {row[0]: row[4] / 1e6 for row in rows},
        x=lesson.word("multiply_adds"),
        alt=lesson.word("multiply_adds_alt"),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("memory")
    return


@app.cell(hide_code=True)
def _():
    batch = lesson.slider("batch", 1, 256, 128)
    batch
    return (batch,)


@app.cell
def _(batch, summary):
    memory = summary.memory(batch_size=batch.value)  # SGD with momentum: one more number for each weight
    lesson.numbers(
        weights_mb=(memory.parameters + memory.gradients + memory.optimizer) / 1e6,
        activations_mb=memory.activations / 1e6,
        images_mb=4e-6 * batch.value * 3 * 227 * 227,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("towers")
    return


@app.function
def by_towers(x, weights, groups):
    """Each group of kernels sees its own group of channels; then the maps are put one behind the other."""
    towers = zip(np.split(x, groups, axis=1), np.split(weights, groups, axis=0), strict=True)
    maps = [F.conv2d(tc.Tensor(part), tc.Tensor(kernels), padding="same").data for part, kernels in towers]
    return np.concatenate(maps, axis=1)


@app.cell(hide_code=True)
def _():
    guess_groups = lesson.question("groups")
    guess_groups
    return (guess_groups,)


@app.cell(hide_code=True)
def _(guess_groups):
    lesson.answer("groups", guess_groups)
    return


@app.cell(hide_code=True)
def _():
    groups = lesson.choice("groups", {str(count): count for count in (1, 2, 4, 8)}, "2")
    groups
    return (groups,)


@app.cell
def _(groups):
    _rng = np.random.default_rng(2)
    weights = _rng.standard_normal((256, 96 // groups.value, 5, 5))  # conv2's, (K, C/groups, R, S)
    _x = _rng.standard_normal((1, 96, 9, 9))
    towers_difference = np.abs(
        by_towers(_x, weights, groups.value)
        - F.conv2d(tc.Tensor(_x), tc.Tensor(weights), padding=2, groups=groups.value).data
    ).max()
    lesson.numbers(
        seen=weights.shape[1],
        conv2_weights=weights.size,
        conv2_multiply_adds=weights.size * 27 * 27,
        towers_difference=towers_difference,
    )
    return (towers_difference,)


@app.cell
def _(groups):
    _share = 24 // groups.value
    _alone = np.kron(np.eye(groups.value), np.ones((_share, _share)))  # 1 where a channel is seen
    _meeting = np.ones((24, 24))  # conv3 sees all channels of conv2
    tc.plot.pictures(
        {
            lesson.word("alone", groups=groups.value): 2 * _alone - 1,
            lesson.word("meeting"): 2 * np.minimum(_meeting @ _alone, 1) - 1,
        },
        alt=lesson.word("towers_alt"),
        signed=True,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step_groups")
    return


@app.cell
def _():
    example("conv2d", {"groups": 2, "input": (4, 3, 3), "kernels": 2, "kernel": (2, 2)}, seed=16)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("start")
    return


@app.cell
def _(alexnet, image):
    mean_colour = image.mean(axis=(1, 2), keepdims=True)
    maps = tc.inspect.feature_maps(alexnet, image - mean_colour)
    convolutions = ("features.1", "features.5", "features.9", "features.11", "features.13")
    positive = [100 * np.mean(maps[name] > 0) for name in convolutions]
    tc.plot.bars(
        {f"conv{place}": share for place, share in enumerate(positive, 1)},
        x=lesson.word("positive"),
        alt=lesson.word("positive_alt"),
    )
    return maps, mean_colour, positive


@app.cell(hide_code=True)
def _():
    lesson.text("overlap")
    return


@app.cell(hide_code=True)
def _():
    window = lesson.slider("window", 2, 5, 3)
    window
    return (window,)


@app.cell
def _(window):
    _width = (55 - window.value) // 2 + 1
    lesson.numbers(pool_width=_width, windows_of_a_pixel=(_width * window.value / 55) ** 2)
    return


@app.cell
def _():
    example("max_pool2d", {"input": (5, 5), "kernel": 3, "stride": 2}, seed=1, backward=True)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("order")
    return


@app.function
def response_norm(a, alpha):
    """b[c] = a[c] / (2 + alpha · Σ a[j]² over the five channels around c) ** 0.75."""
    squares = np.pad(a * a, ((0, 0), (2, 2), (0, 0), (0, 0)))
    C = a.shape[1]
    return a / (2 + alpha * sum(squares[:, j : j + C] for j in range(5))) ** 0.75


@app.function
def max_pool(a, R=3, stride=2):
    """The largest value of each window."""
    return np.lib.stride_tricks.sliding_window_view(a, (R, R), axis=(2, 3))[:, :, ::stride, ::stride].max(axis=(4, 5))


@app.cell(hide_code=True)
def _():
    guess_order = lesson.question("order")
    guess_order
    return (guess_order,)


@app.cell(hide_code=True)
def _(guess_order):
    lesson.answer("order", guess_order)
    return


@app.cell(hide_code=True)
def _():
    alpha = lesson.choice("alpha", {"0.0001": 1e-4, "0.01": 1e-2, "1": 1.0}, "0.0001")
    alpha
    return (alpha,)


@app.cell
def _(alpha, maps):
    a = maps["features.1"][None].astype(np.float64)  # (1, 96, 55, 55), after conv1 and ReLU
    norm_first = max_pool(response_norm(a, alpha.value))
    pool_first = response_norm(max_pool(a), alpha.value)
    _two = np.array([[[[4.0, 0.0], [0.0, 0.0]], [[0.0, 4.0], [0.0, 0.0]]]])  # two channels, one window of 2 × 2
    lesson.numbers(
        example_norm_first=max_pool(response_norm(_two, alpha.value), 2)[0, 0, 0, 0],
        example_pool_first=response_norm(max_pool(_two, 2), alpha.value)[0, 0, 0, 0],
        order_difference=100 * np.abs(norm_first - pool_first).mean() / norm_first.mean(),
        normalised_first=a.size,
        normalised_last=pool_first.size,
    )
    return a, norm_first, pool_first


@app.cell
def _(a):
    def _norm(x):
        return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=2.0, average=False)

    def _milliseconds(run):
        _seconds = []
        for _ in range(5):
            _begun = perf_counter()
            run(tc.Tensor(a))
            _seconds.append(perf_counter() - _begun)
        return 1000 * min(_seconds)

    _times = {
        lesson.word("norm_pool"): _milliseconds(lambda x: F.max_pool2d(_norm(x), 3, 2)),
        lesson.word("pool_norm"): _milliseconds(lambda x: _norm(F.max_pool2d(x, 3, 2))),
    }
    tc.plot.bars(_times, x=lesson.word("milliseconds"), alt=lesson.word("milliseconds_alt"))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("crops")
    return


@app.function
def ten_crops(image, size):
    """The four corners and the middle, and the mirror image of each: (C, H, W) -> (10, C, size, size)."""
    down, across = image.shape[1] - size, image.shape[2] - size
    corners = ((0, 0), (0, across), (down, 0), (down, across), (down // 2, across // 2))
    crops = np.stack([image[:, top : top + size, left : left + size] for top, left in corners])
    return np.concatenate([crops, crops[..., ::-1]])


@app.cell
def _(photograph):
    _crops = ten_crops(photograph, 227)
    tc.plot.pictures(
        {lesson.word("crop", number=number): crop / 255 for number, crop in enumerate(_crops, 1)},
        alt=lesson.word("crops_alt"),
        columns=5,
        size=1.3,
    )
    return


@app.cell
def _():
    vgg = tc.training.load_checkpoint(tc.models.pretrained_path("vgg-small")).build()
    has_pictures = any((tc.data.data_directory() / "cifar10").glob("[!.]*"))
    if has_pictures:
        levels, labels = (part[::50] for part in tc.data.cifar10("test"))
    else:
        levels = np.stack([square(tc.data.photograph(name), 32) for name in ("china", "flower")])
    pictures = tc.data.DATA_SETS["cifar10"].transform((3, 32, 32))(levels)
    with tc.no_grad():
        whole = F.softmax(vgg(tc.Tensor(pictures))).data
    labels = labels if has_pictures else whole.argmax(axis=1)
    lesson.text("pictures" if has_pictures else "stand_ins", count=len(labels))
    return labels, pictures, vgg, whole


@app.cell(hide_code=True)
def _():
    guess_average = lesson.question("average")
    guess_average
    return (guess_average,)


@app.cell(hide_code=True)
def _(guess_average):
    lesson.answer("average", guess_average)
    return


@app.cell(hide_code=True)
def _():
    crop_size = lesson.slider("crop_size", 20, 32, 28)
    crop_size
    return (crop_size,)


@app.cell
def _(crop_size, labels, pictures, vgg, whole):
    _crops = np.stack([ten_crops(picture, crop_size.value) for picture in pictures])  # (N, 10, 3, size, size)
    with tc.no_grad():
        _logits = vgg(tc.Tensor(_crops.reshape(-1, *_crops.shape[2:])))
    views = F.softmax(_logits).data.reshape(len(labels), 10, -1)  # (N, 10, classes)
    of_label = np.take_along_axis(views, labels.astype(int)[:, None, None], axis=2)  # (N, 10, 1)
    mean_of_losses = -np.log(of_label).mean()
    loss_of_mean = -np.log(of_label.mean(axis=1)).mean()
    lesson.numbers(
        seen_share=100 * (crop_size.value / 32) ** 2,
        whole_right=100 * np.mean(whole.argmax(axis=1) == labels),
        middle_right=100 * np.mean(views[:, 4].argmax(axis=1) == labels),
        ten_right=100 * np.mean(views.mean(axis=1).argmax(axis=1) == labels),
        mean_of_losses=mean_of_losses,
        loss_of_mean=loss_of_mean,
    )
    return loss_of_mean, mean_of_losses


@app.cell(hide_code=True)
def _():
    lesson.text("whole")
    return


@app.cell(hide_code=True)
def _():
    run = lesson.button("run")
    run
    return (run,)


@app.cell
def _(alexnet, mean_colour, photograph, run):
    _crops = ten_crops(photograph, 227)[: 10 if run.value else 1] - mean_colour
    _begun = perf_counter()
    with tc.no_grad():
        answer = F.softmax(alexnet.eval()(tc.Tensor(_crops))).data.mean(axis=0)  # (1000,)
    lesson.numbers(
        crops_run=len(_crops), seconds_a_crop=(perf_counter() - _begun) / len(_crops), largest=answer.max() * 100
    )
    return (answer,)


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("02_output_size", "08_max_pooling", "13_local_response_norm")
    return


@app.cell(hide_code=True)
def _(a, answer, loss_of_mean, mean_of_losses, norm_first, pool_first, positive, smallest, summary, table, tables):
    assert {name: sum(row[3] for row in rows) for name, rows in tables.items()} == {
        "2012": 60_965_224,
        "single": 62_378_344,
        "one_weird_trick": 61_100_840,
    }
    assert sum(row[3] for row in table) == summary.parameters
    assert sum(row[4] for row in table) == summary.multiply_adds
    assert smallest == 227
    assert min(positive[3:]) > 90 > positive[1] > max(positive[0], positive[2])
    assert (norm_first - pool_first).min() > -1e-12
    assert not np.allclose(norm_first, pool_first)
    assert a.shape == (1, 96, 55, 55)
    assert loss_of_mean < mean_of_losses + 1e-6
    np.testing.assert_allclose(answer.sum(), 1, rtol=1e-5)
    return


if __name__ == "__main__":
    app.run()
