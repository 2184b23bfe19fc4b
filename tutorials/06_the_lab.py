import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="6. The lab: four algorithms for one convolution")

with app.setup(hide_code=True):
    from statistics import median
    from time import perf_counter

    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.backend import able_algorithms, auto_algorithm, current_backend, load_kernels
    from tinycnn.geometry import conv_geometry
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("06_the_lab")

    ALGORITHMS = ("im2col", "direct", "winograd", "fft")
    LAYERS = {  # C, H, K, R, stride, padding
        "LeNet-5 C1": (1, 32, 6, 5, 1, 0),
        "LeNet-5 C3": (6, 14, 16, 5, 1, 0),
        "AlexNet conv1": (3, 227, 96, 11, 4, 0),
        "AlexNet conv3": (256, 13, 384, 3, 1, 1),
        "VGG conv1_2": (64, 224, 64, 3, 1, 1),
        "VGG conv3_2": (256, 56, 256, 3, 1, 1),
        "VGG conv5_1": (512, 14, 512, 3, 1, 1),
    }


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("one_result")
    return


@app.cell
def _():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((1, 8, 20, 20))
    w = rng.standard_normal((4, 8, 3, 3))
    results = {name: F.conv2d(tc.Tensor(x), tc.Tensor(w), padding=1, algorithm=name).data for name in ALGORITHMS}
    disagreement = max(np.abs(result - results["im2col"]).max() for result in results.values())
    lesson.numbers(algorithms=len(results), disagreement=disagreement)
    return disagreement, results, w, x


@app.cell(hide_code=True)
def _():
    lesson.text("counts")
    return


@app.cell(hide_code=True)
def _():
    guess_tile = lesson.question("tile")
    guess_tile
    return (guess_tile,)


@app.cell(hide_code=True)
def _(guess_tile):
    lesson.answer("tile", guess_tile)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("winograd")
    return


@app.function
def two_outputs(d, g):
    """F(2, 3): two outputs of a filter of three taps with four products instead of six."""
    half_sum, half_difference = (g[0] + g[2]) / 2, g[1] / 2  # made once for each filter, not for each place
    m = (
        (d[0] - d[2]) * g[0],
        (d[1] + d[2]) * (half_sum + half_difference),
        (d[2] - d[1]) * (half_sum - half_difference),
        (d[1] - d[3]) * g[2],
    )
    return np.array([m[0] + m[1] + m[2], m[1] - m[2] - m[3]])


@app.cell
def _():
    row, taps = np.array([1.0, 2.0, -1.0, 3.0]), np.array([2.0, 0.0, 1.0])
    by_definition = np.array([row[i : i + 3] @ taps for i in range(2)])
    by_winograd = two_outputs(row, taps)
    lesson.numbers(
        first=by_definition[0], first_winograd=by_winograd[0], second=by_definition[1], second_winograd=by_winograd[1]
    )
    return by_definition, by_winograd


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    example("winograd", {}, seed=6, backward=False)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("fft")
    return


@app.function
def convolution_by_spectra(x, w):
    """One channel, one kernel: y = F⁻¹(F(x) · conj F(w)), cut to where the kernel lies inside the image."""
    H, W = x.shape
    R, S = w.shape
    spectrum = np.fft.rfft2(x) * np.conj(np.fft.rfft2(w, s=(H, W)))
    return np.fft.irfft2(spectrum, s=(H, W))[: H - R + 1, : W - S + 1]


@app.cell
def _(w, x):
    by_spectra = convolution_by_spectra(x[0, 0], w[0, 0])
    alone = F.conv2d(tc.Tensor(x[:, :1]), tc.Tensor(w[:1, :1])).data[0, 0]
    lesson.numbers(spectra_error=np.abs(by_spectra - alone).max())
    return alone, by_spectra


@app.cell(hide_code=True)
def _():
    lesson.text("bill")
    return


@app.cell(hide_code=True)
def _():
    layer = lesson.choice("layer", list(LAYERS), "VGG conv3_2")
    images = lesson.slider("images", 1, 64, 1)
    lesson.controls(layer, images)
    return images, layer


@app.function
def products_of(algorithm, g):
    """Multiplications of real numbers in the products proper, without transforms and additions."""
    if algorithm == "winograd":
        m = 4 if g.R == 3 else 2
        tiles = -(-g.P // m) * -(-g.Q // m)
        return g.N * tiles * (m + g.R - 1) ** 2 * g.C * g.K
    if algorithm == "fft":
        top, bottom, left, right = g.padding
        rows, columns = g.H + top + bottom, g.W + left + right
        return g.N * rows * (columns // 2 + 1) * 4 * g.C * g.K  # a complex product is four real ones
    return g.multiply_adds


@app.cell
def _(images, layer):
    _C, _H, _K, _R, _stride, _padding = LAYERS[layer.value]
    geometry = conv_geometry("layer", (images.value, _C, _H, _H), (_K, _C, _R, _R), _stride, _padding)
    able = able_algorithms(load_kernels(current_backend()), geometry)
    lesson.numbers(
        multiply_adds=geometry.multiply_adds,
        winograd_products=products_of("winograd", geometry) if "winograd" in able else lesson.word("unable"),
        fft_products=products_of("fft", geometry),
        column_megabytes=geometry.column_bytes() / 1e6,
        least_megabytes=geometry.least_bytes() / 1e6,
        intensity=geometry.flops / geometry.least_bytes(),
    )
    return able, geometry


@app.cell
def _(able, geometry):
    tc.plot.bars(
        {name: products_of(name, geometry) / geometry.multiply_adds for name in ALGORITHMS if name in able},
        x=lesson.word("products_axis"),
        alt=lesson.word("products_alt", layer=str(geometry)),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("roofline")
    return


@app.cell(hide_code=True)
def _():
    guess_bound = lesson.question("bound")
    guess_bound
    return (guess_bound,)


@app.cell(hide_code=True)
def _(guess_bound):
    lesson.answer("bound", guess_bound)
    return


@app.cell(hide_code=True)
def _():
    guess_winner = lesson.question("winner")
    guess_winner
    return (guess_winner,)


@app.cell(hide_code=True)
def _(guess_winner):
    lesson.answer("winner", guess_winner)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("measure")
    return


@app.cell(hide_code=True)
def _():
    channels = lesson.slider("channels", 8, 128, 64, 8)
    height = lesson.slider("height", 8, 64, 28, 4)
    longer = lesson.button("longer")
    lesson.controls(channels, height, longer)
    return channels, height, longer


@app.function
def medians(runs, rounds):
    """The median time of each, measured in turns, so that whatever slows the machine slows all of them."""
    seconds = {name: [] for name in runs}
    for run in runs.values():
        run()  # the first run compiles, and touches new memory
    for _ in range(rounds):
        for name, run in runs.items():
            begun = perf_counter()
            run()
            seconds[name].append(perf_counter() - begun)
    return {name: median(found) for name, found in seconds.items()}


@app.cell
def _(channels, height, longer):
    _rng = np.random.default_rng(0)
    _image = tc.Tensor(
        _rng.standard_normal((4 if longer.value else 1, channels.value, height.value, height.value), np.float32)
    )
    _weight = tc.Tensor(_rng.standard_normal((channels.value, channels.value, 3, 3), np.float32))
    measured_geometry = conv_geometry("measured", _image.shape, _weight.shape, 1, 1)

    def _run(name):
        def run():
            with tc.no_grad():
                return F.conv2d(_image, _weight, padding=1, algorithm=name)

        return run

    rounds = 25 if longer.value else 3
    seconds = medians({name: _run(name) for name in ALGORITHMS}, rounds)
    return measured_geometry, rounds, seconds


@app.cell(hide_code=True)
def _(measured_geometry, rounds, seconds):
    lesson.numbers(
        rounds=rounds,
        measured_multiply_adds=measured_geometry.multiply_adds,
        fastest=min(seconds, key=seconds.get),
        auto=auto_algorithm(load_kernels(current_backend()), "forward", measured_geometry),
        speed=measured_geometry.flops / min(seconds.values()) / 1e9,
        fft_slower=seconds["fft"] / min(seconds.values()),
    )
    return


@app.cell
def _(seconds):
    _shown = {name: 1000 * taken for name, taken in seconds.items() if name != "fft"}
    tc.plot.bars(
        _shown,
        x=lesson.word("time_axis", backend=current_backend()),
        alt=lesson.word("time_alt", told=", ".join(f"{name} {taken:.3g} ms" for name, taken in _shown.items())),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("accuracy")
    return


@app.cell(hide_code=True)
def _():
    summed = lesson.slider("summed", 1, 128, 64)
    summed
    return (summed,)


@app.cell
def _(summed):
    _rng = np.random.default_rng(1)
    _x, _w = _rng.standard_normal((1, summed.value, 16, 16)), _rng.standard_normal((8, summed.value, 3, 3))
    _exact = F.conv2d(
        tc.Tensor(_x.astype(np.float32).astype(float)), tc.Tensor(_w.astype(np.float32).astype(float))
    ).data
    _rms = np.sqrt((_exact**2).mean())
    errors = {}
    for _name in ALGORITHMS:
        _found = F.conv2d(tc.Tensor(_x.astype(np.float32)), tc.Tensor(_w.astype(np.float32)), algorithm=_name).data
        errors[_name] = np.abs(_found - _exact).max() / _rms
    lesson.numbers(rms=_rms, im2col_error=errors["im2col"], winograd_error=errors["winograd"])
    return (errors,)


@app.cell
def _(errors):
    tc.plot.bars(errors, x=lesson.word("error_axis"), alt=lesson.word("error_alt"))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("auto")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("05_convolution_gemm")
    return


@app.cell(hide_code=True)
def _(alone, by_definition, by_spectra, by_winograd, disagreement, errors, results):
    assert len(results) == 4
    assert disagreement < 1e-12
    np.testing.assert_allclose(by_winograd, by_definition)
    np.testing.assert_allclose(by_spectra, alone, atol=1e-12)
    assert errors["im2col"] < errors["winograd"] < 1e-4
    _vgg = conv_geometry("VGG conv3_2", (1, 256, 56, 56), (256, 256, 3, 3), 1, 1)
    assert _vgg.multiply_adds == 4 * products_of("winograd", _vgg)
    return


if __name__ == "__main__":
    app.run()
