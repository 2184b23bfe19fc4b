import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="20. Residual connections, inception, squeeze-and-excitation")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("20_later_networks")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("deeper")
    return


@app.function
def forward(x, weights, has_shortcuts):
    """Blocks one after another, x ← F(x) or x ← F(x) + x, with F(x) = tanh(x · W); the input of each, and the end."""
    inputs = []
    for weight in weights:
        inputs.append(x)
        branch = F.tanh(x @ weight)
        x = branch + x if has_shortcuts else branch
    return inputs, x


@app.function
def gradient_sizes(depth, scale, has_shortcuts):
    """Of the gradient at the input of each block, the root mean square: 64 digits, weights N(0, scale²/64)."""
    rng = np.random.default_rng(20)
    images, labels = tc.data.digits("train")
    first = tc.Tensor(images[:64].reshape(64, 64) / 16 - 0.3, requires_grad=True)
    inputs, last = forward(first, rng.normal(0, scale / 8, (depth, 64, 64)), has_shortcuts)
    for x in inputs:
        x.retain_grad()
    F.cross_entropy(last @ rng.normal(0, 1 / 8, (64, 10)), labels[:64]).backward()
    return [float(np.sqrt((x.grad**2).mean())) for x in inputs]


@app.cell(hide_code=True)
def _():
    depth = lesson.slider("depth", 2, 50, 30)
    scale = lesson.slider("scale", 0.1, 1.5, 0.5, 0.1)
    lesson.controls(depth, scale)
    return depth, scale


@app.cell
def _(depth, scale):
    sizes = {is_on: gradient_sizes(depth.value, scale.value, is_on) for is_on in (False, True)}
    tc.plot.curves(
        {lesson.word("shortcuts" if is_on else "plain"): found for is_on, found in sizes.items()},
        x=lesson.word("block"),
        y=lesson.word("size"),
        log_y=True,
        alt=lesson.word("sizes_alt"),
    )
    return (sizes,)


@app.cell(hide_code=True)
def _(sizes):
    lesson.numbers(first_plain=sizes[False][0], first_shortcuts=sizes[True][0])
    return


@app.cell(hide_code=True)
def _():
    lesson.text("plus_one")
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


@app.cell(hide_code=True)
def _():
    slope = lesson.slider("slope", -0.5, 0.9, 0.1, 0.1)
    blocks = lesson.slider("blocks", 1, 100, 30)
    lesson.controls(slope, blocks)
    return blocks, slope


@app.cell(hide_code=True)
def _(blocks, slope):
    lesson.numbers(product_plain=slope.value**blocks.value, product_shortcuts=(1 + slope.value) ** blocks.value)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    def after_relu(a, w):
        x = F.relu(a)
        return F.tanh(x * w) + x

    tc.trace(after_relu, np.array([0.5, 1.0]), np.array([0.2, -0.1]))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("trains")
    return


@app.cell(hide_code=True)
def _():
    longer = lesson.button("longer")
    longer
    return (longer,)


@app.cell
def _(longer):
    def trained(scale, has_shortcuts, steps):
        """Losses of a network of 16 blocks, and the share of the test digits that it gets right."""
        (images, labels), (unseen, answers) = (tc.data.digits(split) for split in ("train", "test"))
        seen, unseen = ((x.reshape(-1, 64) / 16 - 0.3).astype(np.float32) for x in (images[:400], unseen))
        drawn = np.random.default_rng(20).normal(0, scale / 8, (16, 64, 64)).astype(np.float32)
        weights = [tc.Tensor(weight, requires_grad=True) for weight in drawn]
        head = tc.Tensor(np.zeros((64, 10), np.float32), requires_grad=True)
        optimizer = tc.optim.SGD([*weights, head], lr=0.01, momentum=0.9)
        losses = []
        for _ in range(steps):
            loss = F.cross_entropy(forward(tc.Tensor(seen), weights, has_shortcuts)[1] @ head, labels[:400])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with tc.no_grad():
            scores = forward(tc.Tensor(unseen), weights, has_shortcuts)[1] @ head
        return losses, 100 * (scores.argmax(dim=1) == answers).mean()

    steps = 300 if longer.value else 40
    ways = {"plain_small": (0.5, False), "plain_large": (1.0, False), "shortcuts": (0.5, True)}
    runs = {name: trained(*way, steps) for name, way in ways.items()}
    tc.plot.curves(
        {lesson.word(name): losses for name, (losses, _) in runs.items()},
        x=lesson.word("training_step"),
        y=lesson.word("loss"),
        alt=lesson.word("losses_alt"),
    )
    return runs, steps


@app.cell(hide_code=True)
def _(runs, steps):
    lesson.numbers(steps=steps, **{f"right_{name}": right for name, (_, right) in runs.items()})
    return


@app.cell(hide_code=True)
def _():
    lesson.text("block")
    return


@app.class_definition
class Residual(tc.nn.Module):
    """ReLU(F(x) + shortcut(x)), F being two 3×3 convolutions with batch normalisation; C channels in, K out."""

    def __init__(self, C, K, stride=1):
        self.first = tc.nn.Conv2d(C, K, 3, stride, padding=1, bias=False)
        self.first_norm = tc.nn.BatchNorm2d(K)
        self.second = tc.nn.Conv2d(K, K, 3, padding=1, bias=False)
        self.second_norm = tc.nn.BatchNorm2d(K)
        self.shortcut = tc.nn.Identity()
        if C != K or stride != 1:  # the shapes differ: a 1×1 convolution makes them agree
            self.shortcut = tc.nn.Sequential(tc.nn.Conv2d(C, K, 1, stride, bias=False), tc.nn.BatchNorm2d(K))

    def forward(self, x):
        branch = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(branch)) + self.shortcut(x))


@app.cell(hide_code=True)
def _():
    guess_shortcut = lesson.question("shortcut")
    guess_shortcut
    return (guess_shortcut,)


@app.cell(hide_code=True)
def _(guess_shortcut):
    lesson.answer("shortcut", guess_shortcut)
    return


@app.cell(hide_code=True)
def _():
    channels_out = lesson.slider("channels_out", 4, 16, 4, 4)
    stride = lesson.slider("stride", 1, 2, 1)
    lesson.controls(channels_out, stride)
    return channels_out, stride


@app.function
def parameters_of(module):
    """How many numbers it trains."""
    return sum(parameter.size for parameter in module.parameters())


@app.cell
def _(channels_out, stride):
    tc.manual_seed(20)
    residual = Residual(4, channels_out.value, stride.value)
    _x = np.random.default_rng(20).normal(size=(2, 4, 8, 8))
    residual_out = residual(tc.Tensor(_x.astype(np.float32)))
    residual_report = tc.gradcheck(residual.astype(np.float64), _x, fast=True)
    lesson.numbers(
        residual_channels=residual_out.shape[1],
        residual_height=residual_out.shape[2],
        residual_parameters=parameters_of(residual),
        shortcut_parameters=parameters_of(residual.shortcut),
        residual_verdict=residual_report.verdict,
    )
    return (residual_report,)


@app.cell(hide_code=True)
def _():
    lesson.text("bottleneck")
    return


@app.cell(hide_code=True)
def _():
    width = lesson.slider("width", 64, 512, 256, 64)
    width
    return (width,)


@app.cell
def _(width):
    _narrow = width.value // 4
    basic_weights = 2 * 9 * width.value**2
    bottleneck_weights = width.value * _narrow + 9 * _narrow**2 + _narrow * width.value
    lesson.numbers(
        basic_weights=basic_weights,
        bottleneck_weights=bottleneck_weights,
        times_fewer=basic_weights / bottleneck_weights,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("inception")
    return


@app.class_definition
class Inception(tc.nn.Module):
    """Four branches over the same input, joined along the channels; three and five are (after the 1×1, at the end)."""

    def __init__(self, C, one, three, five, pooled):
        self.one = tc.nn.Conv2d(C, one, 1)
        self.three_reduced, self.three = tc.nn.Conv2d(C, three[0], 1), tc.nn.Conv2d(*three, 3, padding=1)
        self.five_reduced, self.five = tc.nn.Conv2d(C, five[0], 1), tc.nn.Conv2d(*five, 5, padding=2)
        self.pooled = tc.nn.Conv2d(C, pooled, 1)

    def forward(self, x):
        branches = [
            self.one(x),
            self.three(F.relu(self.three_reduced(x))),
            self.five(F.relu(self.five_reduced(x))),
            self.pooled(F.max_pool2d(x, 3, stride=1, padding=1)),
        ]
        return F.relu(tc.cat(branches, dim=1))


@app.cell(hide_code=True)
def _():
    three = lesson.slider("three", 32, 192, 128, 32)
    three
    return (three,)


@app.cell
def _(three):
    tc.manual_seed(20)
    _module = Inception(192, 64, (96, three.value), (16, 32), 32)
    with tc.no_grad():
        inception_shape = _module(tc.Tensor(np.zeros((1, 192, 28, 28), np.float32))).shape
    _small = Inception(3, 2, (2, 3), (1, 2), 2).astype(np.float64)
    inception_report = tc.gradcheck(_small, np.random.default_rng(20).normal(size=(2, 3, 6, 5)), fast=True)
    lesson.numbers(
        inception_channels=inception_shape[1],
        inception_height=inception_shape[2],
        inception_parameters=parameters_of(_module),
        inception_verdict=inception_report.verdict,
    )
    return inception_report, inception_shape


@app.cell(hide_code=True)
def _():
    lesson.text("reduction")
    return


@app.cell(hide_code=True)
def _():
    guess_reduction = lesson.question("reduction")
    guess_reduction
    return (guess_reduction,)


@app.cell(hide_code=True)
def _(guess_reduction):
    lesson.answer("reduction", guess_reduction)
    return


@app.cell(hide_code=True)
def _():
    reduced = lesson.slider("reduced", 4, 64, 16, 4)
    reduced
    return (reduced,)


@app.cell
def _(reduced):
    straight = 28 * 28 * 192 * 32 * 5 * 5
    with_reduction = 28 * 28 * (192 * reduced.value + reduced.value * 32 * 5 * 5)
    tc.plot.bars(
        {lesson.word("straight"): straight / 1e6, lesson.word("with_reduction"): with_reduction / 1e6},
        x=lesson.word("millions"),
        alt=lesson.word("millions_alt", straight=straight / 1e6, reduced=with_reduction / 1e6),
    )
    return straight, with_reduction


@app.cell(hide_code=True)
def _(straight, with_reduction):
    lesson.numbers(straight=straight, with_reduction=with_reduction, part=with_reduction / straight)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("squeeze")
    return


@app.class_definition
class SqueezeExcite(tc.nn.Module):
    """x · s, s = sigmoid(W₂ · ReLU(W₁ · mean of each channel)): one number for each channel of each image."""

    def __init__(self, C, r, is_detached=False):
        self.down, self.up = tc.nn.Linear(C, C // r, bias=False), tc.nn.Linear(C // r, C, bias=False)
        self.is_detached = is_detached

    def forward(self, x):
        squeezed = F.flatten(F.global_avg_pool2d(x), start_dim=1)  # (N, C, H, W) -> (N, C)
        if self.is_detached:  # the planted mistake
            squeezed = squeezed.detach()
        scales = F.sigmoid(self.up(F.relu(self.down(squeezed))))
        return x * scales.reshape(*scales.shape, 1, 1)  # (N, C) -> (N, C, 1, 1)


@app.cell(hide_code=True)
def _():
    red = lesson.slider("red", -4, 4, 2)
    blue = lesson.slider("blue", -4, 4, -2)
    lesson.controls(red, blue)
    return blue, red


@app.cell
def _(blue, red):
    photo = tc.data.photograph("flower")[:, ::2, ::2].astype(np.float64) / 255
    squeezed = photo.mean(axis=(1, 2))
    channel_scales = 1 / (1 + np.exp(-np.array([red.value, 0.0, blue.value])))
    excited = photo * channel_scales[:, None, None]
    tc.plot.pictures(
        {lesson.word("before"): photo, lesson.word("after"): excited}, alt=lesson.word("photo_alt"), size=2.8
    )
    return channel_scales, excited, squeezed


@app.cell(hide_code=True)
def _(channel_scales, excited, squeezed):
    lesson.numbers(
        mean_red=squeezed[0],
        scale_red=channel_scales[0],
        mean_red_after=excited[0].mean(),
        scale_blue=channel_scales[2],
        mean_blue_after=excited[2].mean(),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("two_ways")
    return


@app.cell
def _():
    tc.trace(lambda x: x * F.sigmoid(F.global_avg_pool2d(x)), np.array([[[[1.0, 3.0]], [[-2.0, 0.0]]]]))
    return


@app.cell(hide_code=True)
def _():
    guess_detached = lesson.question("detached")
    guess_detached
    return (guess_detached,)


@app.cell(hide_code=True)
def _(guess_detached):
    lesson.answer("detached", guess_detached)
    return


@app.cell(hide_code=True)
def _():
    detached = lesson.switch("detached")
    se_channels = lesson.choice("se_channels", {"64": 64, "256": 256, "512": 512}, "256")
    lesson.controls(detached, se_channels)
    return detached, se_channels


@app.function
def squeeze_report(is_detached):
    """The engine's check of a small squeeze-and-excitation, with the gradient of the squeeze or without it."""
    tc.manual_seed(20)
    module = SqueezeExcite(4, 2, is_detached).astype(np.float64)
    module.down.weight.data = np.array([[0.5, 0.4, 0.3, 0.2], [0.1, 0.2, 0.3, 0.4]])
    return tc.gradcheck(module, np.random.default_rng(20).random((2, 4, 3, 3)) + 0.1)


@app.cell
def _(detached, se_channels):
    _found = squeeze_report(detached.value)
    lesson.numbers(
        se_verdict=_found.verdict,
        wrong_entries=_found.inputs[0].counts["wrong"],
        se_weights=parameters_of(SqueezeExcite(se_channels.value, 16)),
        convolution_weights=9 * se_channels.value**2,
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("distillation")
    return


@app.cell(hide_code=True)
def _():
    temperature = lesson.slider("temperature", 1, 10, 1)
    temperature
    return (temperature,)


@app.cell
def _(temperature):
    teacher_scores = {"7": 9.0, "1": 4.0, "9": 3.0, "0": -2.0}
    _weights = np.exp(np.array(list(teacher_scores.values())) / temperature.value)
    soft = dict(zip(teacher_scores, _weights / _weights.sum(), strict=True))
    tc.plot.bars(soft, x=lesson.word("probability"), alt=lesson.word("soft_alt"))
    return (soft,)


@app.cell(hide_code=True)
def _(soft):
    lesson.numbers(soft_7=soft["7"], soft_1=soft["1"], ratio=soft["1"] / soft["0"])
    return


@app.cell(hide_code=True)
def _():
    lesson.text("together")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("15_autograd", "20_find_the_bug_backward")
    return


@app.cell(hide_code=True)
def _(inception_report, inception_shape, residual_report, runs):
    _plain, _shortcuts = (gradient_sizes(30, 0.5, is_on) for is_on in (False, True))
    assert _plain[0] < 1e-6 * _plain[-1]
    assert _shortcuts[0] > _shortcuts[-1]
    assert runs["shortcuts"][1] > 80
    assert runs["plain_small"][0][-1] > 2.2
    assert residual_report
    assert inception_report
    assert inception_shape[2:] == (28, 28)
    assert squeeze_report(is_detached=False)
    assert squeeze_report(is_detached=True).inputs[0].counts["wrong"]
    return


if __name__ == "__main__":
    app.run()
