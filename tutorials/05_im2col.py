import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="5. Loops, im2col, GEMM")

with app.setup(hide_code=True):
    from time import perf_counter

    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("05_im2col")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("loops")
    return


@app.function
def convolution_by_loops(x, w, stride=1):
    """Seven loops: y[n, k, p, q] = Σ x[n, c, p·stride + r, q·stride + s] · w[k, c, r, s]."""
    N, C, H, W = x.shape
    K, _, R, S = w.shape
    P, Q = (H - R) // stride + 1, (W - S) // stride + 1
    y = np.zeros((N, K, P, Q))
    for n in range(N):
        for k in range(K):
            for p in range(P):
                for q in range(Q):
                    for c in range(C):
                        for r in range(R):
                            for s in range(S):
                                y[n, k, p, q] += x[n, c, p * stride + r, q * stride + s] * w[k, c, r, s]
    return y


@app.cell
def _():
    images = tc.data.digits("test")[0][:8, None] / 16  # (8, 1, 8, 8), from 0 to 1
    kernels = np.random.default_rng(5).standard_normal((6, 1, 3, 3))
    start = perf_counter()
    by_loops = convolution_by_loops(images, kernels)
    seconds_of_loops = perf_counter() - start
    products = by_loops.size * kernels[0].size
    lesson.numbers(products=products, loops_ms=1000 * seconds_of_loops, loops_ns=1e9 * seconds_of_loops / products)
    return by_loops, images, kernels, seconds_of_loops


@app.cell(hide_code=True)
def _():
    lesson.text("windows")
    return


@app.cell(hide_code=True)
def _():
    guess_columns = lesson.question("columns")
    guess_columns
    return (guess_columns,)


@app.cell(hide_code=True)
def _(guess_columns):
    lesson.answer("columns", guess_columns)
    return


@app.function
def im2col(x, R, S, stride=1):
    """columns[(c, r, s), (n, p, q)] = x[n, c, p·stride + r, q·stride + s]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (R, S), axis=(2, 3))[:, :, ::stride, ::stride]
    N, C, P, Q = windows.shape[:4]  # windows: (N, C, P, Q, R, S), a view: nothing is copied yet
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(C * R * S, N * P * Q)  # here everything is


@app.cell(hide_code=True)
def _():
    kernel_size = lesson.slider("kernel_size", 1, 5, 3)
    stride = lesson.slider("stride", 1, 3, 1)
    lesson.controls(kernel_size, stride)
    return kernel_size, stride


@app.cell
def _(images, kernel_size, stride):
    columns = im2col(images[:1], kernel_size.value, kernel_size.value, stride.value)
    tc.plot.pictures(
        {lesson.word("image"): images[0], lesson.word("matrix", rows=len(columns), columns=columns.shape[1]): columns},
        alt=lesson.word("matrix_alt"),
        limits=(0, 1),
        size=3.5,
    )
    return (columns,)


@app.cell(hide_code=True)
def _(columns, images):
    lesson.numbers(rows=columns.shape[0], columns=columns.shape[1], copies=columns.size / images[0].size)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    example("im2col", {}, seed=5, backward=False)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("gemm")
    return


@app.function
def convolution_by_product(x, w):
    """One matrix product: W · columns."""
    N, C, H, W = x.shape
    K, _, R, S = w.shape
    product = w.reshape(K, C * R * S) @ im2col(x, R, S)  # (K, C·R·S) @ (C·R·S, N·P·Q) -> (K, N·P·Q)
    return product.reshape(K, N, H - R + 1, W - S + 1).transpose(1, 0, 2, 3)  # -> (N, K, P, Q)


@app.cell
def _(by_loops, images, kernels):
    convolution_by_product(images, kernels)  # the first call of anything is slower
    start_product = perf_counter()
    by_product = convolution_by_product(images, kernels)
    seconds_of_product = perf_counter() - start_product

    by_engine = F.conv2d(tc.Tensor(images), tc.Tensor(kernels)).data
    difference = max(np.abs(by_loops - by_product).max(), np.abs(by_loops - by_engine).max())
    return by_engine, by_product, difference, seconds_of_product


@app.cell(hide_code=True)
def _(difference, seconds_of_loops, seconds_of_product):
    lesson.numbers(
        difference=difference, product_ms=1000 * seconds_of_product, faster=seconds_of_loops / seconds_of_product
    )
    return


@app.cell(hide_code=True)
def _():
    guess_memory = lesson.question("memory")
    guess_memory
    return (guess_memory,)


@app.cell(hide_code=True)
def _(guess_memory):
    lesson.answer("memory", guess_memory)
    return


@app.cell(hide_code=True)
def _():
    layer = lesson.choice("layer", ["LeNet-5 C1", "AlexNet conv1", "AlexNet conv3", "VGG conv1_2"], "AlexNet conv1")
    layer
    return (layer,)


@app.cell
def _(layer):
    C, H, R, stride_of_layer, padding = {
        "LeNet-5 C1": (1, 32, 5, 1, 0),
        "AlexNet conv1": (3, 227, 11, 4, 0),
        "AlexNet conv3": (256, 13, 3, 1, 1),
        "VGG conv1_2": (64, 224, 3, 1, 1),
    }[layer.value]
    places = ((H + 2 * padding - R) // stride_of_layer + 1) ** 2
    lesson.numbers(
        layer_rows=C * R * R,
        layer_columns=places,
        megabytes=4e-6 * C * R * R * places,
        layer_copies=C * R * R * places / (C * H * H),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("measured")
    return


@app.cell(hide_code=True)
def _():
    measure = lesson.button("measure")
    measure
    return (measure,)


@app.cell
def _(measure):
    batch = np.random.default_rng(0).standard_normal((64 if measure.value else 4, 1, 32, 32)).astype(np.float32)
    weights = np.random.default_rng(1).standard_normal((6, 1, 5, 5)).astype(np.float32)

    def _seconds(run, times):
        run()
        begun = perf_counter()
        for _ in range(times):
            run()
        return (perf_counter() - begun) / times

    milliseconds = {}
    for algorithm in ("im2col", "direct"):
        with tc.use_algorithm(algorithm), tc.no_grad():
            milliseconds[algorithm] = 1000 * _seconds(
                lambda: F.conv2d(tc.Tensor(batch), tc.Tensor(weights)), 50 if measure.value else 3
            )
    tc.plot.bars(milliseconds, x=lesson.word("milliseconds", images=len(batch)), alt=lesson.word("bars_alt"))
    return (batch,)


@app.cell(hide_code=True)
def _(batch):
    lesson.numbers(images_measured=len(batch))
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("04_im2col", "05_convolution_gemm")
    return


@app.cell(hide_code=True)
def _(by_engine, by_loops, by_product):
    np.testing.assert_allclose(by_product, by_loops, rtol=0, atol=1e-12)
    np.testing.assert_allclose(by_engine, by_loops, rtol=0, atol=1e-12)
    return


if __name__ == "__main__":
    app.run()
