import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="4. Padding, stride, dilation, output size, receptive field")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("04_sizes_and_fields")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("count")
    return


@app.function
def output_size(size, kernel, stride=1, padding=0, dilation=1):
    """floor((size + 2·padding − dilation·(kernel − 1) − 1) / stride) + 1."""
    span = dilation * (kernel - 1) + 1  # from the first entry that a window reads to the last
    return (size + 2 * padding - span) // stride + 1


@app.cell(hide_code=True)
def _():
    guess_floor = lesson.question("floor")
    guess_floor
    return (guess_floor,)


@app.cell(hide_code=True)
def _(guess_floor):
    lesson.answer("floor", guess_floor)
    return


@app.cell(hide_code=True)
def _():
    size = lesson.slider("size", 7, 14, 7)
    kernel = lesson.slider("kernel", 1, 4, 3)
    stride = lesson.slider("stride", 1, 4, 3)
    padding = lesson.slider("padding", 0, 3, 0)
    dilation = lesson.slider("dilation", 1, 2, 1)
    lesson.controls(size, kernel, stride, padding, dilation)
    return dilation, kernel, padding, size, stride


@app.function
def windows(size, kernel, stride, padding, dilation):
    """A row for each window, a column for each entry of the padded axis: 1 where it reads, less in the padding."""
    rows = np.zeros((output_size(size, kernel, stride, padding, dilation), size + 2 * padding))
    rows[:, :padding] = rows[:, padding + size :] = -0.4
    for place, row in enumerate(rows):
        row[place * stride + dilation * np.arange(kernel)] += 1
    rows[:, 1::2] *= 0.8  # every other column paler, so that they can be counted
    return rows


@app.cell
def _(dilation, kernel, padding, size, stride):
    tc.plot.pictures(
        {lesson.word("windows"): windows(size.value, kernel.value, stride.value, padding.value, dilation.value)},
        alt=lesson.word("windows_alt"),
        signed=True,
        limits=(-1, 1),
        size=4,
    )
    return


@app.cell
def _(dilation, kernel, padding, size, stride):
    axis = tc.Tensor(np.ones((1, 1, size.value, size.value)))
    weight = tc.Tensor(np.ones((1, 1, kernel.value, kernel.value)))
    by_engine = F.conv2d(axis, weight, stride=stride.value, padding=padding.value, dilation=dilation.value).shape[-1]
    span = dilation.value * (kernel.value - 1) + 1
    room = size.value + 2 * padding.value - span
    by_rule = output_size(size.value, kernel.value, stride.value, padding.value, dilation.value)
    lesson.numbers(
        span=span,
        before_floor=room / stride.value + 1,
        by_rule=by_rule,
        by_engine=by_engine,
        never_read=room - (by_rule - 1) * stride.value,
    )
    return by_engine, by_rule


@app.cell(hide_code=True)
def _():
    lesson.text("rule")
    return


@app.cell
def _():
    image = tc.Tensor(np.random.default_rng(4).standard_normal((1, 1, 7, 7)))
    three_by_three = tc.Tensor(np.ones((1, 1, 3, 3)))
    sizes_by_stride = [F.conv2d(image, three_by_three, stride=step).shape[-1] for step in (1, 2, 3)]
    lesson.numbers(
        stride_1=sizes_by_stride[0],
        stride_2=sizes_by_stride[1],
        stride_3=sizes_by_stride[2],
        pool=F.max_pool2d(image, 2, stride=2).shape[-1],
        pool_ceil=F.max_pool2d(image, 2, stride=2, ceil_mode=True).shape[-1],
        alexnet_224=(224 - 11) / 4 + 1,
        alexnet_227=output_size(227, 11, stride=4),
    )
    return (sizes_by_stride,)


@app.cell(hide_code=True)
def _():
    lesson.text("padding")
    return


@app.cell(hide_code=True)
def _():
    guess_full = lesson.question("full")
    guess_full
    return (guess_full,)


@app.cell(hide_code=True)
def _(guess_full):
    lesson.answer("full", guess_full)
    return


@app.cell(hide_code=True)
def _():
    mode = lesson.choice("mode", ["valid", "same", "full"], "same")
    mode_kernel = lesson.slider("mode_kernel", 1, 7, 3)
    lesson.controls(mode, mode_kernel)
    return mode, mode_kernel


@app.cell
def _(mode, mode_kernel):
    digit = tc.Tensor(tc.data.digits("test")[0][2][None, None] / 16)  # (1, 1, 8, 8)
    box = tc.Tensor(np.full((1, 1, mode_kernel.value, mode_kernel.value), mode_kernel.value**-2.0))
    padded = F.conv2d(digit, box, padding=mode.value).data[0, 0]
    tc.plot.pictures(
        {lesson.word("digit"): digit.data[0, 0], mode.value: padded},
        alt=lesson.word("digit_alt"),
        limits=(0, 1),
        size=2.2,
    )
    return (padded,)


@app.cell(hide_code=True)
def _(mode, mode_kernel, padded):
    lesson.numbers(
        mode_size=padded.shape[0],
        added={"valid": 0, "same": mode_kernel.value - 1, "full": 2 * (mode_kernel.value - 1)}[mode.value],
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("border")
    return


@app.cell
def _():
    bright = tc.Tensor(np.ones((1, 1, 6, 6)))
    blurred = F.conv2d(bright, tc.Tensor(np.full((1, 1, 3, 3), 1 / 9)), padding="same").data[0, 0]
    tc.plot.pictures(
        {lesson.word("blurred"): blurred}, alt=lesson.word("blurred_alt"), numbers=".2f", limits=(0, 1), size=3
    )
    return (blurred,)


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    example("conv2d", {"input": (1, 4, 4), "stride": 2, "padding": 1, "dilation": 1}, seed=4, backward=False)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("field")
    return


@app.function
def receptive_field(layers):
    """Entries of the input that one output depends on, and those between what two neighbouring outputs see.

    field ← field + dilation·(kernel − 1)·jump, then jump ← jump·stride, from the first layer to the last.
    """
    field, jump = 1, 1
    for _, kernel, stride, dilation in layers:
        field += dilation * (kernel - 1) * jump
        jump *= stride
    return field, jump


@app.cell(hide_code=True)
def _():
    guess_field = lesson.question("field")
    guess_field
    return (guess_field,)


@app.cell(hide_code=True)
def _(guess_field):
    lesson.answer("field", guess_field)
    return


@app.cell
def _():
    chains = {  # (kind, kernel, stride, dilation)
        lesson.word("one_and_pool"): [("conv", 3, 1, 1), ("pool", 2, 2, 1)],
        lesson.word("two_small"): [("conv", 3, 1, 1), ("conv", 3, 1, 1)],
        lesson.word("three_small"): [("conv", 3, 1, 1), ("conv", 3, 1, 1), ("conv", 3, 1, 1)],
        lesson.word("dilated"): [("conv", 3, 1, 1), ("conv", 3, 1, 2), ("conv", 3, 1, 4)],
        lesson.word("lenet"): [("conv", 5, 1, 1), ("pool", 2, 2, 1), ("conv", 5, 1, 1), ("pool", 2, 2, 1)],
        lesson.word("alexnet"): [("conv", 11, 4, 1), ("pool", 3, 2, 1)],
    }
    chain = lesson.choice("chain", list(chains), lesson.word("one_and_pool"))
    chain
    return chain, chains


@app.cell
def _(chain, chains):
    tc.manual_seed(4)
    modules = []
    for kind, *sizes in chains[chain.value]:
        channels = 1 if not modules else 4
        if kind == "pool":
            modules.append(tc.nn.AvgPool2d(sizes[0], sizes[1]))
        else:
            modules.append(tc.nn.Conv2d(channels, 4, sizes[0], stride=sizes[1], dilation=sizes[2]))
    model = tc.nn.Sequential(*modules).astype(np.float64)
    return (model,)


@app.cell
def _(model):
    pixels = tc.Tensor(np.random.default_rng(4).standard_normal((1, 1, 41, 41)), requires_grad=True)
    outputs = model(pixels)
    place = outputs.shape[-1] // 2
    only_the_middle = np.zeros(outputs.shape)
    only_the_middle[0, 0, place, place] = 1
    outputs.backward(only_the_middle)
    seen = pixels.grad[0, 0]  # (41, 41): how much each pixel counts for this one output
    tc.plot.pictures({lesson.word("gradient"): seen}, alt=lesson.word("gradient_alt"), signed=True, size=3.5)
    return pixels, place, seen


@app.cell
def _(chain, chains, model, pixels, place, seen):
    _row = int(np.abs(seen).sum(axis=1).argmax())
    changed = np.repeat(pixels.data, 41, axis=0)  # 41 copies; in each, another pixel of one row is changed
    changed[np.arange(41), 0, _row, np.arange(41)] += 1
    with tc.no_grad():
        differences = np.abs(model(changed).data - model(pixels).data)[:, 0, place, place]
    field_by_rule, jump = receptive_field(chains[chain.value])
    field_by_pixels = np.count_nonzero(differences > 1e-9)
    field_by_gradient = np.count_nonzero(np.abs(seen).sum(axis=0) > 1e-9)
    field_by_summary = tc.inspect.summary(model, (1, 41, 41)).receptive_field[1]
    lesson.numbers(
        field_by_rule=field_by_rule,
        field_by_pixels=field_by_pixels,
        field_by_gradient=field_by_gradient,
        field_by_summary=field_by_summary,
        jump=jump,
    )
    return field_by_gradient, field_by_pixels, field_by_rule, field_by_summary


@app.cell(hide_code=True)
def _():
    lesson.text("summary")
    return


@app.cell
def _():
    tc.inspect.summary(tc.models.lenet5(), (1, 32, 32))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("small")
    return


@app.cell(hide_code=True)
def _():
    channels_of_layer = lesson.slider("channels_of_layer", 16, 512, 64, step=16)
    channels_of_layer
    return (channels_of_layer,)


@app.cell
def _(channels_of_layer):
    C = channels_of_layer.value
    lesson.numbers(two_of_3=2 * 9 * C**2, one_of_5=25 * C**2, three_of_3=3 * 9 * C**2, one_of_7=49 * C**2)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("effective")
    return


@app.cell(hide_code=True)
def _():
    depth = lesson.slider("depth", 1, 20, 10)
    depth
    return (depth,)


@app.cell
def _(depth):
    mean_of_three = tc.Tensor(np.full((1, 1, 3, 3), 1 / 9))
    start = tc.Tensor(np.ones((1, 1, 41, 41)), requires_grad=True)
    deep = start
    for _ in range(depth.value):
        deep = F.conv2d(deep, mean_of_three)
    middle = np.zeros(deep.shape)
    middle[0, 0, 20 - depth.value, 20 - depth.value] = 1
    deep.backward(middle)
    profile = start.grad[0, 0].sum(axis=0)  # (41,), adds up to 1
    tc.plot.curves(
        {lesson.word("profile"): (np.arange(-20, 21), profile)},
        x=lesson.word("offset"),
        y=lesson.word("share"),
        alt=lesson.word("profile_alt"),
    )
    return (profile,)


@app.cell
def _(depth, profile):
    within = [profile[20 - half : 21 + half].sum() for half in range(21)]
    half_of_most = next(half for half, share in enumerate(within) if share >= 0.95)
    lesson.numbers(
        whole_field=2 * depth.value + 1, most_field=2 * half_of_most + 1, outermost=profile[20 - depth.value]
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("02_output_size", "03_padding", "18_receptive_field")
    return


@app.cell(hide_code=True)
def _(
    blurred,
    by_engine,
    by_rule,
    field_by_gradient,
    field_by_pixels,
    field_by_rule,
    field_by_summary,
    profile,
    sizes_by_stride,
):
    assert sizes_by_stride == [5, 3, 2]
    assert by_rule == by_engine
    assert field_by_rule == field_by_pixels == field_by_gradient == field_by_summary > 1
    np.testing.assert_allclose([blurred[0, 0], blurred[0, 1], blurred[1, 1]], [4 / 9, 6 / 9, 1], rtol=1e-12)
    np.testing.assert_allclose(profile.sum(), 1, rtol=1e-9)
    return


if __name__ == "__main__":
    app.run()
