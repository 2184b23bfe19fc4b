"""Memory that is used again: when nobody holds it and never before, in any thread, and given back in the end."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("numba")

import tinycnn as tc
from tinycnn.arrays import Recycled, owns_memory
from tinycnn.kernels.numba import workspace
from tinycnn.kernels.numba.workspace import ALIGNMENT, SMALLEST, Workspace

LARGE = (3, 64, 1024)


def address(array):
    return array.ctypes.data


def through_torch(array):
    return pytest.importorskip("torch").from_numpy(array)


HOLDERS = {
    "the array": lambda a: a,
    "a slice": lambda a: a[1:2, ::2],
    "a slice of a slice of a slice": lambda a: a[1:][:, 5:][..., ::-1],
    "a reshaped part": lambda a: a.reshape(-1)[7:100].reshape(3, 31),
    "another dtype": lambda a: a.view(np.uint8),
    "one number's place": lambda a: a[0, 0, :1],
    "a transpose": lambda a: a.T,
    "asarray": lambda a: np.asarray(a[0]),
    "asarray of a memoryview": lambda a: np.asarray(memoryview(a)),
    "memoryview": memoryview,
    "a subclass": lambda a: a.view(np.matrix.__mro__[1]),
    "a broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "sliding windows": lambda a: np.lib.stride_tricks.sliding_window_view(a, 3, axis=2),
    "a closure": lambda a: lambda: a,
    "ctypes": lambda a: a.ctypes.data_as(__import__("ctypes").c_void_p),
    "dlpack": lambda a: np.from_dlpack(a),
    "torch": through_torch,
    "part of torch's": lambda a: through_torch(a)[1, 3:],
}


def test_lent_memory_counts_as_an_arrays_own_and_its_views_do_not():
    array = Workspace().empty(LARGE, np.float32)
    assert owns_memory(array)
    for view in (array[0], array.reshape(-1), array.T, array[:]):
        assert not owns_memory(view)


def test_a_large_gradient_is_kept_where_its_kernel_wrote_it():
    layer, x = tc.nn.Linear(256, 256), tc.Tensor(np.ones((2, 256), np.float32))
    with tc.use_backend("numba"):
        layer(x).sum().backward()
    assert type(layer.weight.grad.base) is Recycled


@pytest.mark.parametrize("holder", HOLDERS)
def test_memory_is_used_again_only_when_nobody_holds_any_part_of_it(holder):
    memory = Workspace()
    array = memory.empty(LARGE, np.float32)
    place = address(array)
    held = HOLDERS[holder](array)
    del array
    others = [memory.empty(LARGE, np.float32) for _ in range(3)]
    assert place not in map(address, others)
    del held
    gc.collect()
    again = memory.empty(LARGE, np.float32)
    assert address(again) == place


def test_a_number_taken_out_of_an_array_holds_no_memory():
    memory = Workspace()
    array = memory.empty(LARGE, np.float32)
    place, number = address(array), array[0, 0, 0]
    del array
    assert address(memory.empty(LARGE, np.float32)) == place
    assert number is not None


@pytest.mark.parametrize("shape", [(1,), (SMALLEST // 4,), (SMALLEST // 4 + 1,), (7, 3, 1001), (129, 257), (0, 5), ()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_an_array_has_its_shape_and_dtype_and_begins_with_a_cache_line(shape, dtype):
    memory = Workspace()
    array = memory.empty(shape, dtype)
    assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
    assert array.flags.carray
    if array.nbytes >= SMALLEST:
        assert address(array) % ALIGNMENT == 0 == ALIGNMENT % 64
    array[...] = 1  # writable to its end
    zeros = memory.zeros(shape, dtype)
    assert not zeros.any()
    assert zeros.shape == shape


def test_zeros_are_zeros_in_memory_that_was_used_before():
    memory = Workspace()
    memory.empty(LARGE, np.float32).fill(np.nan)
    assert not memory.zeros(LARGE, np.float32).any()


def test_nearly_equal_requests_share_memory_and_waste_little():
    memory = Workspace()
    place = address(memory.empty((100_000,), np.float32))
    assert address(memory.empty((99_000,), np.float32)) == place
    for size in (*range(SMALLEST, 2 * SMALLEST, 777), 10**6, 10**6 + 1, (1 << 20) - 1, 1 << 20, 12_345_678):
        rounded = workspace._rounded(size)
        assert size <= rounded <= size * 17 / 16 + 1


def test_two_arrays_in_use_never_overlap():
    memory, held, rng = Workspace(), [], np.random.default_rng(1)
    for step in range(400):
        array = memory.empty((int(rng.integers(SMALLEST, 4 * SMALLEST)),), np.uint8)
        array.fill(step % 251)
        held.append((array, step % 251))
        if len(held) > 20:
            del held[int(rng.integers(len(held)))]
        spans = sorted((address(a), address(a) + a.nbytes) for a, _ in held)
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert all((array == value).all() for array, value in held)
    assert memory.bytes < 400 * SMALLEST  # less than half of all that was asked for


def test_threads_that_ask_at_once_get_memory_of_their_own():
    memory, threads, wrong = Workspace(), 8, []
    start = threading.Barrier(threads)

    def hammer(number: int) -> None:
        rng = np.random.default_rng(number)
        start.wait()
        for _ in range(300):
            arrays = [memory.empty((SMALLEST + int(size),), np.uint8) for size in rng.integers(0, 3, 3)]
            for i, array in enumerate(arrays):
                array.fill(10 * number + i)
            parts = [array[5:] for array in arrays]
            del arrays, array
            if not all((part == 10 * number + i).all() for i, part in enumerate(parts)):
                wrong.append(number)
            assert memory.bytes > 0

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(hammer, number) for number in range(threads)]:
            done.result()
    assert not wrong
    # Three arrays and three parts of the last ones in each thread, and buffers of two sizes.
    assert memory.bytes <= threads * (3 + 3) * 2 * (SMALLEST * 17 // 16 + ALIGNMENT)


def test_what_the_last_of_many_holders_in_other_threads_let_go_is_used_again():
    memory = Workspace()
    array = memory.empty(LARGE, np.float32)
    place = address(array)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda n, whole=array: whole[n % 3, n:], range(50)))
    del array
    assert address(memory.empty(LARGE, np.float32)) != place
    parts.clear()
    assert address(memory.empty(LARGE, np.float32)) == place


def ask(memory: Workspace, times: int, size: int = SMALLEST) -> None:
    for _ in range(times):
        memory.empty((size,), np.uint8)


def test_memory_that_nobody_asked_for_in_a_long_time_is_given_back(monkeypatch):
    # As when a large model was trained and a small one follows, whose own memory was all taken long before.
    monkeypatch.setattr(workspace, "PATIENCE", 50)
    memory = Workspace()
    ask(memory, 1)
    small = memory.bytes
    memory.empty(LARGE, np.float32)
    assert memory.bytes > 10 * small
    ask(memory, 49)
    assert memory.bytes > 10 * small, "given back too early"
    ask(memory, 101)
    assert memory.bytes == small


def test_memory_in_use_outlives_patience(monkeypatch):
    monkeypatch.setattr(workspace, "PATIENCE", 50)
    memory = Workspace()
    kept = memory.empty(LARGE, np.float32)
    kept.fill(7)
    ask(memory, 200)
    ask(memory, 1, 3 * SMALLEST)
    assert address(memory.empty(LARGE, np.float32)) != address(kept)
    assert (kept == 7).all()


@pytest.mark.parametrize("make", [lambda a: a, lambda a: a[::-1], lambda a: a.T, np.asfortranarray])
def test_contiguous_copies_only_what_is_not(make):
    array = make(np.arange(12.0).reshape(3, 4))
    made = workspace.contiguous(array)
    assert made.flags.carray
    assert (made is array) == array.flags.carray
    np.testing.assert_array_equal(made, array)
    array.flags.writeable = False
    assert workspace.contiguous(array) is not array
