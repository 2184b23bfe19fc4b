import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="9. Convolution backward")

with app.setup(hide_code=True):
    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.inspect.trace.examples import example
    from tinycnn.tutorials.lesson import Lesson

    lesson = Lesson("09_convolution_backward")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("why")
    return


@app.cell(hide_code=True)
def _():
    lesson.text("paper")
    return


@app.cell(hide_code=True)
def _():
    guess_weight = lesson.question("weight")
    guess_weight
    return (guess_weight,)


@app.cell(hide_code=True)
def _(guess_weight):
    lesson.answer("weight", guess_weight)
    return


@app.cell(hide_code=True)
def _():
    guess_input = lesson.question("input")
    guess_input
    return (guess_input,)


@app.cell(hide_code=True)
def _(guess_input):
    lesson.answer("input", guess_input)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("loops")
    return


@app.function
def backward_by_loops(dy, x, w, stride=1):
    """Forward had y[n, k, p, q] += x[…] · w[…]; so dx[…] += dy · w[…] and dw[…] += dy · x[…], for the same products."""
    N, K, P, Q = dy.shape
    _, C, R, S = w.shape
    dx, dw, db = np.zeros(x.shape), np.zeros(w.shape), np.zeros(K)
    for n in range(N):
        for k in range(K):
            for p in range(P):
                for q in range(Q):
                    db[k] += dy[n, k, p, q]
                    for c in range(C):
                        for r in range(R):
                            for s in range(S):
                                h, v = p * stride + r, q * stride + s
                                dx[n, c, h, v] += dy[n, k, p, q] * w[k, c, r, s]
                                dw[k, c, r, s] += dy[n, k, p, q] * x[n, c, h, v]
    return dx, dw, db


@app.cell
def _():
    row = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3)  # the example from above is an image of one row
    two = np.array([2.0, 3.0]).reshape(1, 1, 1, 2)
    by_paper = backward_by_loops(np.array([10.0, 20.0]).reshape(1, 1, 1, 2), row, two)

    rng = np.random.default_rng(9)
    images = tc.data.digits("test")[0][:4, None] / 16  # (4, 1, 8, 8), from 0 to 1
    kernels, biases = rng.normal(size=(3, 1, 3, 3)), rng.normal(size=3)
    dy = rng.normal(size=(4, 3, 3, 3))
    by_loops = backward_by_loops(dy, images, kernels, stride=2)

    _leaves = [tc.Tensor(array, requires_grad=True) for array in (images, kernels, biases)]
    F.conv2d(*_leaves, stride=2).backward(dy)
    difference = max(np.abs(mine - leaf.grad).max() for mine, leaf in zip(by_loops, _leaves, strict=True))
    lesson.numbers(
        dx=" ".join(f"{value:g}" for value in by_paper[0].ravel()),
        dw=" ".join(f"{value:g}" for value in by_paper[1].ravel()),
        db=by_paper[2][0],
        difference=difference,
    )
    return by_loops, by_paper, difference, dy, images, kernels


@app.cell(hide_code=True)
def _():
    lesson.text("step")
    return


@app.cell
def _():
    example("conv2d", {"stride": (2,)}, seed=9, backward=True)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("bias")
    return


@app.cell(hide_code=True)
def _():
    guess_bias = lesson.question("bias")
    guess_bias
    return (guess_bias,)


@app.cell(hide_code=True)
def _(guess_bias):
    lesson.answer("bias", guess_bias)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("learn")
    return


@app.cell(hide_code=True)
def _():
    steps = lesson.slider("steps", 0, 100, 5, step=5)
    steps
    return (steps,)


@app.cell
def _(steps):
    sobel = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    _windows = np.lib.stride_tricks.sliding_window_view(tc.data.digits("test")[0][:32] / 16, (3, 3), axis=(1, 2))
    _target = (_windows * sobel).sum(axis=(3, 4))  # (32, 6, 6, 3, 3) -> (32, 6, 6)

    learned = np.zeros((3, 3))
    for _ in range(steps.value):
        _dy = 2 * ((_windows * learned).sum(axis=(3, 4)) - _target) / _target.size  # of the mean squared error
        learned -= 0.5 * (_windows * _dy[..., None, None]).sum(axis=(0, 1, 2))  # dw[r, s] = Σ dy · x
    kernel_error = np.abs(learned - sobel).max()
    tc.plot.pictures(
        {lesson.word("sobel"): sobel, lesson.word("learned", steps=steps.value): learned},
        alt=lesson.word("learned_alt", steps=steps.value, error=f"{kernel_error:.2g}"),
        signed=True,
        limits=(-2, 2),
        numbers=".2f",
    )
    return (kernel_error,)


@app.cell(hide_code=True)
def _(kernel_error):
    lesson.numbers(kernel_error=kernel_error)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("gather")
    return


@app.cell(hide_code=True)
def _():
    guess_stamp = lesson.question("stamp")
    guess_stamp
    return (guess_stamp,)


@app.cell(hide_code=True)
def _(guess_stamp):
    lesson.answer("stamp", guess_stamp)
    return


@app.function
def dx_by_full_correlation(dy, w):
    """dx[n, c, h, v] = Σ dy[n, k, h − r, v − s] · w[k, c, r, s]: stride 1; dy is 0 outside."""
    R, S = w.shape[2:]
    padded = np.pad(dy, ((0, 0), (0, 0), (R - 1, R - 1), (S - 1, S - 1)))
    rotated = w[:, :, ::-1, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (R, S), axis=(2, 3))  # (N, K, H, W, R, S)
    return np.einsum("nkhvrs,kcrs->nchv", windows, rotated)


@app.cell(hide_code=True)
def _():
    lesson.text("rotate")
    return


@app.cell(hide_code=True)
def _():
    kernel = lesson.choice("kernel", ["1 to 9", "Sobel", "box blur"], "1 to 9")
    rotate = lesson.switch("rotate", True)
    lesson.controls(kernel, rotate)
    return kernel, rotate


@app.cell
def _(kernel, rotate):
    _w = {
        "1 to 9": np.arange(1.0, 10.0).reshape(3, 3),
        "Sobel": np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]),
        "box blur": np.ones((3, 3)),
    }[kernel.value]
    _dy = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0]])
    _used = _w if rotate.value else _w[::-1, ::-1]
    dx_here = dx_by_full_correlation(_dy[None, None], _used[None, None])[0, 0]
    dx_right = backward_by_loops(_dy[None, None], np.zeros((1, 1, 6, 6)), _w[None, None])[0][0, 0]
    tc.plot.pictures(
        {"dy": _dy, lesson.word("kernel"): _w, lesson.word("dx_here"): dx_here, lesson.word("dx_right"): dx_right},
        alt=lesson.word("rotate_alt"),
        signed=True,
        numbers=".0f",
        size=2.4,
        columns=4,
    )
    return dx_here, dx_right


@app.cell(hide_code=True)
def _(dx_here, dx_right):
    lesson.numbers(
        mean_right=dx_right.mean(), mean_here=dx_here.mean(), rotation_error=np.abs(dx_here - dx_right).max()
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("columns")
    return


@app.function
def im2col(x, R, S, stride):
    """columns[(c, r, s), (n, p, q)] = x[n, c, p·stride + r, q·stride + s]."""
    N, C, H, W = x.shape
    P, Q = (H - R) // stride + 1, (W - S) // stride + 1
    columns = np.zeros((C, R, S, N, P, Q))
    for r in range(R):
        for s in range(S):
            taken = x[:, :, r : r + stride * P : stride, s : s + stride * Q : stride]  # (N, C, P, Q)
            columns[:, r, s] = taken.transpose(1, 0, 2, 3)
    return columns.reshape(C * R * S, N * P * Q)


@app.function
def col2im(columns, shape, R, S, stride):
    """dx[n, c, p·stride + r, q·stride + s] += columns[(c, r, s), (n, p, q)]."""
    N, C, H, W = shape
    P, Q = (H - R) // stride + 1, (W - S) // stride + 1
    columns, dx = columns.reshape(C, R, S, N, P, Q), np.zeros(shape)
    for r in range(R):
        for s in range(S):
            brought = columns[:, r, s].transpose(1, 0, 2, 3)  # (C, N, P, Q) -> (N, C, P, Q)
            dx[:, :, r : r + stride * P : stride, s : s + stride * Q : stride] += brought
    return dx


@app.function
def col2im_that_overwrites(columns, shape, R, S, stride):
    """The same with = for +=, which is wrong: see which shapes notice it."""
    N, C, H, W = shape
    P, Q = (H - R) // stride + 1, (W - S) // stride + 1
    columns, dx = columns.reshape(C, R, S, N, P, Q), np.zeros(shape)
    for r in range(R):
        for s in range(S):
            brought = columns[:, r, s].transpose(1, 0, 2, 3)
            dx[:, :, r : r + stride * P : stride, s : s + stride * Q : stride] = brought
    return dx


@app.class_definition
class Convolution(tc.function.Function):
    """y = W · im2col(x); dW = dY · columnsᵀ, dcolumns = Wᵀ · dY, dx = col2im(dcolumns)."""

    def __init__(self, stride, fold):
        self.stride, self.fold = stride, fold

    def forward(self, x, w):
        K, C, R, S = w.shape
        N, _, H, W = x.shape
        self.x_shape, self.w = x.shape, w
        self.columns = im2col(x, R, S, self.stride)  # (C·R·S, N·P·Q)
        y = w.reshape(K, -1) @ self.columns  # (K, C·R·S) @ (C·R·S, N·P·Q) -> (K, N·P·Q)
        P, Q = (H - R) // self.stride + 1, (W - S) // self.stride + 1
        return y.reshape(K, N, P, Q).transpose(1, 0, 2, 3)

    def backward(self, grad):
        K, C, R, S = self.w.shape
        dy = grad.transpose(1, 0, 2, 3).reshape(K, -1)  # (N, K, P, Q) -> (K, N·P·Q)
        dw = (dy @ self.columns.T).reshape(K, C, R, S)
        dcolumns = self.w.reshape(K, -1).T @ dy  # (C·R·S, N·P·Q)
        return self.fold(dcolumns, self.x_shape, R, S, self.stride), dw


@app.cell
def _(by_loops, dy, images, kernels):
    _leaves = [tc.Tensor(array, requires_grad=True) for array in (images, kernels)]
    Convolution(2, col2im)(*_leaves).backward(dy)
    difference_of_columns = max(
        np.abs(mine - leaf.grad).max() for mine, leaf in zip(by_loops[:2], _leaves, strict=True)
    )
    lesson.numbers(difference_of_columns=difference_of_columns)
    return (difference_of_columns,)


@app.cell(hide_code=True)
def _():
    lesson.text("fold")
    return


@app.cell
def _():
    example("im2col", {"input": (4, 4), "kernel": (2, 2)}, seed=9, backward=True)
    return


@app.cell(hide_code=True)
def _():
    lesson.text("overlap")
    return


@app.cell(hide_code=True)
def _():
    guess_overlap = lesson.question("overlap")
    guess_overlap
    return (guess_overlap,)


@app.cell(hide_code=True)
def _(guess_overlap):
    lesson.answer("overlap", guess_overlap)
    return


@app.cell(hide_code=True)
def _():
    size = lesson.slider("size", 1, 4, 2)
    stride = lesson.slider("stride", 1, 4, 2)
    lesson.controls(size, stride)
    return size, stride


@app.cell
def _(size, stride):
    _k, _places = size.value, (7 - size.value) // stride.value + 1
    readers = col2im(np.ones((_k * _k, _places**2)), (1, 1, 7, 7), _k, _k, stride.value)[0, 0]
    tc.plot.pictures(
        {lesson.word("readers", size=_k, stride=stride.value): readers},
        alt=lesson.word("readers_alt", size=_k, stride=stride.value),
        signed=True,
        numbers=".0f",
        size=3.2,
    )
    return (readers,)


@app.cell
def _(readers, size, stride):
    _rng = np.random.default_rng(1)
    _inputs = [_rng.normal(size=(2, 2, 7, 7)), _rng.normal(size=(3, 2, size.value, size.value))]
    checks = {
        fold.__name__: tc.gradcheck(lambda x, w, fold=fold: Convolution(stride.value, fold)(x, w), _inputs)
        for fold in (col2im, col2im_that_overwrites)
    }
    lesson.numbers(
        most_readers=int(readers.max()),
        unread=int((readers == 0).sum()),
        adding=checks["col2im"].verdict,
        overwriting=checks["col2im_that_overwrites"].verdict,
        wrong_entries=checks["col2im_that_overwrites"].inputs[0].counts["wrong"],
    )
    return (checks,)


@app.cell(hide_code=True)
def _():
    lesson.text("transposed")
    return


@app.cell
def _(by_loops, dy, kernels):
    # 3 outputs at stride 2 reach over 7 of the 8 rows; output_padding adds the eighth, which no window read
    as_layer = F.conv_transpose2d(tc.Tensor(dy), tc.Tensor(kernels), stride=2, output_padding=1).data
    lesson.numbers(transposed_difference=np.abs(as_layer - by_loops[0]).max())
    return (as_layer,)


@app.cell(hide_code=True)
def _():
    lesson.text("cost")
    return


@app.cell(hide_code=True)
def _():
    layer = lesson.choice(
        "layer", ["LeNet-5 C1", "LeNet-5 C3", "AlexNet conv1", "AlexNet conv3", "VGG conv1_2"], "AlexNet conv1"
    )
    layer
    return (layer,)


@app.cell
def _(layer):
    _C, _R, _K, _P, _is_first = {
        "LeNet-5 C1": (1, 5, 6, 28, True),
        "LeNet-5 C3": (6, 5, 16, 10, False),
        "AlexNet conv1": (3, 11, 96, 55, True),
        "AlexNet conv3": (256, 3, 384, 13, False),
        "VGG conv1_2": (64, 3, 64, 224, False),
    }[layer.value]
    products = _P**2 * _K * _C * _R**2
    lesson.numbers(forward=products, for_dw=products, for_dx=0 if _is_first else products)
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("06_col2im", "07_convolution_backward")
    return


@app.cell(hide_code=True)
def _(as_layer, by_loops, by_paper, checks, difference, difference_of_columns, dy, kernels):
    assert [array.ravel().tolist() for array in by_paper] == [[20.0, 70.0, 60.0], [50.0, 80.0], [30.0]]
    assert max(difference, difference_of_columns) < 1e-12
    np.testing.assert_allclose(as_layer, by_loops[0], rtol=0, atol=1e-12)
    _at_stride_1 = backward_by_loops(dy, np.zeros((4, 1, 5, 5)), kernels)[0]
    np.testing.assert_allclose(dx_by_full_correlation(dy, kernels), _at_stride_1, rtol=0, atol=1e-12)
    assert checks["col2im"]
    return


if __name__ == "__main__":
    app.run()
