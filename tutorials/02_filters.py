import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="2. Filters by hand")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("02_filters")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("row")
    return


@app.cell
def _():
    colours = tc.data.photograph("china")
    photo = np.tensordot((0.299, 0.587, 0.114), colours, axes=1)[20:260, 60:380]  # grey, (240, 320)
    line = photo[100]
    tc.plot.pictures({lesson.word("photo"): photo}, alt=lesson.word("photo_alt"), limits=(0, 255), size=4)
    return colours, line, photo


@app.function
def correlate1d(x, w):
    """y[p] = Σ x[p + s] · w[s], the sum over s."""
    S = len(w)
    return np.array([x[p : p + S] @ w for p in range(len(x) - S + 1)])


@app.cell(hide_code=True)
def _():
    guess_length = lesson.question("length")
    guess_length
    return (guess_length,)


@app.cell(hide_code=True)
def _(guess_length):
    lesson.answer("length", guess_length)
    return


@app.cell(hide_code=True)
def _():
    width = lesson.slider("width", 1, 31, 9, step=2)
    width
    return (width,)


@app.cell
def _(line, width):
    smooth = correlate1d(line, np.full(width.value, 1 / width.value))
    tc.plot.curves(
        {
            lesson.word("line"): line,
            lesson.word("smooth", width=width.value): (width.value // 2 + np.arange(len(smooth)), smooth),
        },
        x=lesson.word("column_axis"),
        y=lesson.word("level_axis"),
        alt=lesson.word("smooth_alt"),
        size=(7, 3.2),
    )
    return (smooth,)


@app.cell(hide_code=True)
def _(line, smooth):
    lesson.numbers(
        length=len(smooth), rough_before=np.abs(np.diff(line)).mean(), rough_after=np.abs(np.diff(smooth)).mean()
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("plane")
    return


@app.function
def correlate2d(x, w):
    """y[p, q] = Σ x[p + r, q + s] · w[r, s], the sum over r and s."""
    R, S = w.shape
    P, Q = x.shape[0] - R + 1, x.shape[1] - S + 1
    y = np.zeros((P, Q))
    for r in range(R):
        for s in range(S):
            y += x[r : r + P, s : s + Q] * w[r, s]  # one weight, met by all windows at once
    return y


@app.cell
def _():
    sobel = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = {
        lesson.word("box"): np.full((3, 3), 1 / 9),
        lesson.word("large_box"): np.full((9, 9), 1 / 81),
        lesson.word("sharpen"): np.array([[0, -1, 0], [-1, 8, -1], [0, -1, 0]]) / 4,
        lesson.word("sobel"): sobel,
        lesson.word("sobel_down"): sobel.T,
    }
    return kernels, sobel


@app.cell(hide_code=True)
def _():
    guess_flat = lesson.question("flat")
    guess_flat
    return (guess_flat,)


@app.cell(hide_code=True)
def _(guess_flat):
    lesson.answer("flat", guess_flat)
    return


@app.cell(hide_code=True)
def _(kernels):
    filter_name = lesson.choice("filter", list(kernels), lesson.word("sobel"))
    filter_name
    return (filter_name,)


@app.cell
def _(filter_name, kernels):
    tc.plot.pictures(
        {lesson.word("kernel"): kernels[filter_name.value]}, alt=lesson.word("kernel_alt"), signed=True, numbers=".2g"
    )
    return


@app.cell
def _(filter_name, kernels, photo):
    filtered = correlate2d(photo, kernels[filter_name.value])
    is_balanced = abs(kernels[filter_name.value].sum()) < 1e-12
    tc.plot.pictures(
        {filter_name.value: filtered},
        alt=lesson.word("filtered_alt"),
        signed=is_balanced,
        limits=None if is_balanced else (0, 255),
        size=4,
    )
    return (filtered,)


@app.cell(hide_code=True)
def _(filter_name, filtered, kernels):
    lesson.numbers(
        weights_sum=round(kernels[filter_name.value].sum(), 12),
        mean=filtered.mean(),
        least=filtered.min(),
        largest=filtered.max(),
        size=" × ".join(map(str, filtered.shape)),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("edges")
    return


@app.cell(hide_code=True)
def _():
    threshold = lesson.slider("threshold", 0, 600, 200, step=20)
    threshold
    return (threshold,)


@app.cell
def _(photo, sobel, threshold):
    across, down = correlate2d(photo, sobel), correlate2d(photo, sobel.T)
    steepness = np.hypot(across, down)  # √(across² + down²)
    edges = steepness > threshold.value
    tc.plot.pictures(
        {lesson.word("steepness"): steepness, lesson.word("edges", threshold=threshold.value): edges.astype(float)},
        alt=lesson.word("edges_alt"),
        size=3.5,
    )
    return edges, steepness


@app.cell(hide_code=True)
def _(edges, steepness):
    lesson.numbers(edge_percent=100 * edges.mean(), steepest=steepness.max())
    return


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _(photo, sobel):
    few_pixels = np.round(photo[None, None, 24:29, 134:139])  # (1, 1, 5, 5)
    tc.trace(lambda x, weight: F.conv2d(x, weight), few_pixels, sobel[None, None], backward=False)
    return (few_pixels,)


@app.cell(hide_code=True)
def _():
    lesson.text("flip")
    return


@app.cell
def _():
    numbered = np.arange(1.0, 10).reshape(3, 3)
    point = np.zeros((5, 5))
    point[2, 2] = 1
    tc.plot.pictures(
        {
            lesson.word("kernel"): numbered,
            lesson.word("point"): point,
            lesson.word("correlated"): correlate2d(point, numbered),
            lesson.word("convolved"): correlate2d(point, numbered[::-1, ::-1]),
        },
        alt=lesson.word("flip_alt"),
        numbers=".0f",
        size=1.8,
    )
    return numbered, point


@app.cell(hide_code=True)
def _():
    guess_turned = lesson.question("turned")
    guess_turned
    return (guess_turned,)


@app.cell(hide_code=True)
def _(guess_turned):
    lesson.answer("turned", guess_turned)
    return


@app.cell
def _(kernels):
    corner = np.zeros((9, 9))
    corner[0, 0] = 1
    to_turn = {lesson.word(name): kernels[lesson.word(name)] for name in ("box", "sharpen", "sobel")}
    to_turn[lesson.word("corner")] = corner
    compared = lesson.choice("compared", list(to_turn), lesson.word("corner"))
    turn = lesson.switch("turn", True)
    lesson.controls(compared, turn)
    return compared, to_turn, turn


@app.cell
def _(compared, photo, to_turn, turn):
    image, weight = tc.Tensor(photo[None, None]), tc.Tensor(to_turn[compared.value][None, None])
    plain = F.conv2d(image, weight).data[0, 0]
    turned = F.conv2d(image, weight, flip=turn.value).data[0, 0]
    tc.plot.pictures(
        {lesson.word("plain"): plain, lesson.word("now_turned" if turn.value else "not_turned"): turned},
        alt=lesson.word("turned_alt"),
        size=3.5,
    )
    return plain, turned


@app.cell(hide_code=True)
def _(plain, turned):
    lesson.numbers(difference=round(np.abs(turned - plain).max(), 9), opposite=round(np.abs(turned + plain).max(), 9))
    return


@app.cell(hide_code=True)
def _():
    lesson.text("turned_step")
    return


@app.cell
def _(numbered, point):
    tc.trace(lambda x, weight: F.conv2d(x, weight, flip=True), point[None, None], numbered[None, None], backward=False)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("matrix")
    return


@app.cell(hide_code=True)
def _():
    guess_weights = lesson.question("weights")
    guess_weights
    return (guess_weights,)


@app.cell(hide_code=True)
def _(guess_weights):
    lesson.answer("weights", guess_weights)
    return


@app.function
def as_matrix(w, H, W):
    """The matrix that does what the kernel does: its column i is the answer to an image that is 1 at pixel i alone."""
    points = np.eye(H * W).reshape(H * W, H, W)
    return np.stack([correlate2d(point, w).ravel() for point in points], axis=1)  # (P·Q, H·W)


@app.cell(hide_code=True)
def _():
    side = lesson.slider("side", 5, 12, 8)
    kernel_size = lesson.slider("kernel_size", 1, 5, 3)
    lesson.controls(side, kernel_size)
    return kernel_size, side


@app.cell
def _(kernel_size, side):
    weights = np.arange(1.0, kernel_size.value**2 + 1).reshape(kernel_size.value, kernel_size.value)
    matrix = as_matrix(weights, side.value, side.value)
    tc.plot.pictures({lesson.word("matrix"): -matrix}, alt=lesson.word("matrix_alt"), size=5)
    return matrix, weights


@app.cell(hide_code=True)
def _(matrix, weights):
    lesson.numbers(
        matrix_rows=matrix.shape[0],
        matrix_columns=matrix.shape[1],
        all_entries=matrix.size,
        links=np.count_nonzero(matrix),
        different=len(np.unique(matrix[matrix != 0])),
    )
    return


@app.cell
def _(colours):
    C, H, W = colours.shape
    lesson.text("shared", gigabytes=f"{4e-9 * (H - 2) * (W - 2) * H * W:.0f}")
    return


@app.cell
def _(photo, sobel):
    filtered_then_moved = correlate2d(photo, sobel)[:, 10:]
    moved_then_filtered = correlate2d(photo[:, 10:], sobel)
    lesson.numbers(order_matters=np.abs(filtered_then_moved - moved_then_filtered).max())
    return filtered_then_moved, moved_then_filtered


@app.cell(hide_code=True)
def _():
    lesson.text("layer")
    return


@app.cell(hide_code=True)
def _():
    count = lesson.slider("count", 1, 64, 4)
    is_colour = lesson.switch("colour", True)
    lesson.controls(count, is_colour)
    return count, is_colour


@app.cell
def _(colours, count, is_colour):
    pixels = tc.Tensor((colours if is_colour.value else colours[:1])[None, :, :64, :64] / 255)
    bank = tc.Tensor(np.random.default_rng(2).standard_normal((count.value, pixels.shape[1], 3, 3)))
    maps = F.conv2d(pixels, bank)
    lesson.numbers(bank_shape=str(bank.shape), maps_shape=str(maps.shape), bank_weights=bank.data.size)
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("01_cross_correlation")
    return


@app.cell(hide_code=True)
def _(
    few_pixels, filtered_then_moved, kernels, line, matrix, moved_then_filtered, numbered, photo, point, sobel, weights
):
    for _name, _kernel in kernels.items():
        by_engine = F.conv2d(tc.Tensor(photo[None, None]), tc.Tensor(_kernel[None, None])).data[0, 0]
        np.testing.assert_allclose(correlate2d(photo, _kernel), by_engine, rtol=0, atol=1e-9, err_msg=_name)
    np.testing.assert_allclose(correlate1d(line, np.arange(5.0)), np.correlate(line, np.arange(5.0)), rtol=1e-12)
    np.testing.assert_array_equal(filtered_then_moved, moved_then_filtered)
    np.testing.assert_array_equal(correlate2d(point, numbered), numbered[::-1, ::-1])
    _side = round(matrix.shape[1] ** 0.5)
    _image = np.random.default_rng(0).standard_normal((_side, _side))
    np.testing.assert_allclose(matrix @ _image.ravel(), correlate2d(_image, weights).ravel(), rtol=0, atol=1e-9)
    assert np.abs(correlate2d(few_pixels[0, 0], sobel)).max() > 100
    return


if __name__ == "__main__":
    app.run()
