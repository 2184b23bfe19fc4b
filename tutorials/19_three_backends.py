import marimo

__generated_with = "0.25.2"
app = marimo.App(app_title="19. One model, three backends")

with app.setup(hide_code=True):
    from shutil import which
    from statistics import median
    from time import perf_counter

    import numpy as np

    import tinycnn as tc
    import tinycnn.functional as F
    from tinycnn.kernels.cuda import emulate
    from tinycnn.tutorials.lesson import Lesson

    try:
        from numba import njit
    except ModuleNotFoundError:
        njit = None

    lesson = Lesson("19_three_backends")


@app.cell(hide_code=True)
def _():
    lesson.header()
    return


@app.cell(hide_code=True)
def _():
    lesson.text("one_model")
    return


@app.cell(hide_code=True)
def _():
    backend = lesson.choice("backend", ["numpy", *(["numba"] if njit else [])], "numpy")
    batch = lesson.slider("batch", 1, 64, 8)
    lesson.controls(backend, batch)
    return backend, batch


@app.function
def training_step(backend, batch):
    """Loss and the gradient of the first layer's weight, of a LeNet-5 with the same first weights each time."""
    tc.manual_seed(19)
    images, labels = tc.data.digits("train")
    x = np.pad(images[:batch].repeat(3, 1).repeat(3, 2), ((0, 0), (4, 4), (4, 4)))[:, None] / 16  # 8 -> 24 -> 32
    with tc.use_backend(backend):
        model = tc.models.lenet5()
        loss = F.cross_entropy(model(tc.Tensor(x.astype(np.float32))), labels[:batch])
        loss.backward()
    return loss.item(), model.c1.weight.grad


@app.cell
def _(backend, batch):
    loss, gradient = training_step(backend.value, batch.value)
    plain_loss, plain_gradient = training_step("numpy", batch.value)
    deviation = np.abs(gradient - plain_gradient).max() / np.abs(plain_gradient).max()
    lesson.numbers(batch=batch.value, loss=round(loss, 4), deviation=deviation)
    return deviation, loss


@app.cell(hide_code=True)
def _():
    lesson.text("why_loops")
    return


@app.function
def relu_of_sum(a, b, y):
    """y = max(a + b, 0), entry by entry."""
    for i in range(a.size):
        total = a[i] + b[i]
        y[i] = total if total > 0 else 0.0


@app.cell(hide_code=True)
def _():
    guess_passes = lesson.question("passes")
    guess_passes
    return (guess_passes,)


@app.cell(hide_code=True)
def _(guess_passes):
    lesson.answer("passes", guess_passes)
    return


@app.cell(hide_code=True)
def _():
    entries = lesson.slider("entries", 10_000, 1_000_000, 200_000, 10_000)
    entries
    return (entries,)


@app.function
def seconds_of(run, rounds=7):
    """The median of some runs, after one that does not count."""
    run()
    taken = []
    for _ in range(rounds):
        begun = perf_counter()
        run()
        taken.append(perf_counter() - begun)
    return median(taken)


@app.cell
def _(entries):
    _rng = np.random.default_rng(0)
    a, b = _rng.standard_normal((2, entries.value), np.float32)
    y = np.empty_like(a)
    by_numpy = np.maximum(a + b, 0)

    begun = perf_counter()
    relu_of_sum(a[:10_000], b[:10_000], y[:10_000])  # a part is enough to know the time of one entry
    nanoseconds = {"Python": 1e9 * (perf_counter() - begun) / 10_000}
    nanoseconds["NumPy"] = 1e9 * seconds_of(lambda: np.maximum(a + b, 0)) / a.size
    if njit:
        compiled = njit(relu_of_sum)
        begun = perf_counter()
        compiled(a, b, y)
        compile_seconds = perf_counter() - begun
        nanoseconds["Numba"] = 1e9 * seconds_of(lambda: compiled(a, b, y)) / a.size
    else:
        relu_of_sum(a, b, y)
        compile_seconds = 0.0
    agree = np.array_equal(y, by_numpy)
    return a, agree, compile_seconds, nanoseconds


@app.cell(hide_code=True)
def _(a, agree, compile_seconds, nanoseconds):
    lesson.numbers(
        passes_bytes=5 * a.nbytes,
        one_pass_bytes=3 * a.nbytes,
        agree=lesson.word("yes" if agree else "no"),
        compile_seconds=compile_seconds,
    )
    return


@app.cell
def _(nanoseconds):
    tc.plot.bars(
        nanoseconds,
        x=lesson.word("time_axis"),
        alt=lesson.word("time_alt", told=", ".join(f"{name} {value:.3g} ns" for name, value in nanoseconds.items())),
    )
    return


@app.cell(hide_code=True)
def _():
    lesson.text("numba_rules" if njit else "no_numba")
    return


@app.cell(hide_code=True)
def _():
    lesson.text("threads_of_a_gpu")
    return


@app.cell(hide_code=True)
def _():
    size = lesson.slider("size", 1, 200, 100)
    block = lesson.choice("block", {"32": 32, "64": 64, "128": 128, "256": 256}, "32")
    lesson.controls(size, block)
    return block, size


@app.cell
def _(block, size):
    blocks = -(-size.value // block.value)
    lesson.numbers(blocks=blocks, threads=blocks * block.value, idle=blocks * block.value - size.value)
    return (blocks,)


@app.cell(hide_code=True)
def _():
    guess_idle = lesson.question("idle")
    guess_idle
    return (guess_idle,)


@app.cell(hide_code=True)
def _(guess_idle):
    lesson.answer("idle", guess_idle)
    return


@app.cell
def _():
    KERNEL = """
extern "C" __global__ void relu_of_sum(const float* a, const float* b, float* y, int size) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < size) y[i] = fmaxf(a[i] + b[i], 0.0f);
}"""
    has_compiler = which("g++") is not None
    lesson.text("cuda" if has_compiler else "no_compiler")
    return KERNEL, has_compiler


@app.cell
def _(KERNEL, block, blocks, has_compiler, size):
    _rng = np.random.default_rng(1)
    left, right = _rng.standard_normal((2, size.value), np.float32)
    expected = np.maximum(left + right, 0)
    found = np.empty_like(left)
    if has_compiler:
        kernel = emulate.RawModule(code=KERNEL).get_function("relu_of_sum")
        kernel((blocks,), (block.value,), (left, right, found, np.int32(size.value)))
    else:
        relu_of_sum(left, right, found)
    lesson.numbers(positive=int((found > 0).sum()), error=np.abs(found - expected).max())
    return expected, found


@app.cell(hide_code=True)
def _():
    lesson.text("shared")
    return


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
    barrier = lesson.switch("barrier")
    barrier
    return (barrier,)


@app.cell
def _(barrier, has_compiler):
    reverse = """
extern "C" __global__ void reverse(const float* x, float* y) {
    __shared__ float row[64];
    row[threadIdx.x] = x[threadIdx.x];
    BARRIER
    y[threadIdx.x] = row[63 - threadIdx.x];
}""".replace("BARRIER", "__syncthreads();" if barrier.value else "")
    line, reversed_line = np.arange(64, dtype=np.float32), np.empty(64, np.float32)
    message = ""
    verdict = lesson.word("no_complaint" if has_compiler else "not_run")
    if has_compiler:
        try:
            emulate.RawModule(code=reverse).get_function("reverse")((1,), (64,), (line, reversed_line))
        except emulate.LaunchError as error:
            message = str(error)
            verdict = message.partition(":")[2].strip()
    lesson.numbers(barriers=int(barrier.value), verdict=verdict)
    return line, message, reverse, reversed_line


@app.cell(hide_code=True)
def _():
    lesson.text("one_seam")
    return


@app.cell(hide_code=True)
def _():
    lesson.mistakes()
    return


@app.cell(hide_code=True)
def _():
    lesson.exercise("21_numba_kernel", "22_cuda_kernel")
    return


@app.cell(hide_code=True)
def _(agree, barrier, deviation, expected, found, has_compiler, line, loss, message, reversed_line):
    assert deviation < 1e-4
    assert 1.5 < loss < 3.5  # near ln 10: nothing is learned yet
    assert agree
    np.testing.assert_array_equal(found, expected)
    if has_compiler and not barrier.value:
        assert message.startswith("reverse: 64 of 64 entries")
    elif has_compiler:
        np.testing.assert_array_equal(reversed_line, line[::-1])
    return


if __name__ == "__main__":
    app.run()
