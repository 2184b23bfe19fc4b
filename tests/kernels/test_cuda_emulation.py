"""The emulation of a GPU does what CUDA says, and refuses what would go wrong on one."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.kernels.emulated import OUTSIDE, RIGHT, WRONG
from tests.kernels.processes import NAMES, ROOT, run_python
from tests.oracles import program
from tinycnn.kernels.cuda import emulate, source
from tinycnn.kernels.cuda.emulate import CompileError, LaunchError, RawModule

program("g++")

X = 1 + np.arange(64, dtype=np.int32)


def launch(name, grid, block, *arguments, shared=0, text=RIGHT):
    RawModule(text).get_function(name)(grid, block, arguments, shared_mem=shared)


# What CUDA says


@pytest.mark.parametrize(
    ("grid", "block"), [((2, 3, 4), (5, 3, 2)), ((3,), (33,)), ((1, 2), (1, 1, 7)), ((2,), (1024,)), ((1,), (1, 1, 64))]
)
def test_indices(grid, block):
    blocks, threads = ((*sizes, 1, 1)[2::-1] for sizes in (grid, block))  # z, y, x
    seen = np.full((int(np.prod(grid)), int(np.prod(block)), 12), -1, np.int32)
    launch("indices", grid, block, seen)
    for i, b in enumerate(itertools.product(*map(range, blocks))):
        for j, t in enumerate(itertools.product(*map(range, threads))):
            assert seen[i, j].tolist() == [*b, *t, *blocks, *threads]


@pytest.mark.parametrize("threads", [64, 33, 1])
def test_shared_memory_is_a_blocks_own(rng, threads):
    x = rng.standard_normal((3, threads), dtype=np.float32)
    y = np.empty_like(x)
    launch("turned", (3,), (threads,), x, y, shared=4 * threads)
    np.testing.assert_array_equal(y, 3 * x[:, ::-1])


def test_shared_memory_holds_nan_when_a_block_begins():
    y = np.zeros((3, 2), np.float32)
    launch("found", (3,), (1,), y, shared=20)
    assert np.isnan(y).all()


@pytest.mark.parametrize("threads", [96, 32])
def test_shuffles(threads):
    x = 100 + np.arange(threads, dtype=np.int32)
    y = np.empty((threads, 4), np.int32)
    launch("shuffled", (1,), (threads,), x, y)
    lane, first = np.arange(threads) % 32, np.arange(threads) // 32 * 32
    up, down = np.where(lane < 2, lane, lane - 2), np.where(lane > 29, lane, lane + 2)
    for column, wanted in enumerate(((lane + 5) % 32, lane ^ 3, up, down)):
        np.testing.assert_array_equal(y[:, column], x[first + wanted])


def test_a_mask_of_lanes_goes_its_own_way(rng):
    x = rng.standard_normal(64)
    y = np.empty(64)
    launch("halves", (1,), (64,), x, y)
    wanted = x.reshape(4, 16).copy()
    for other in (8, 4, 2, 1):
        partner = wanted[:, np.arange(16) ^ other]
        wanted = np.stack([wanted[i] + partner[i] if i % 2 == 0 else wanted[i] - partner[i] for i in range(4)])
    np.testing.assert_array_equal(y, wanted.ravel())


def test_a_warp_waits_for_itself_alone():
    x, y = np.arange(96, dtype=np.int32), np.empty(96, np.int32)
    launch("neighbours", (1,), (96,), x, y)
    warps = x.reshape(3, 32)
    np.testing.assert_array_equal(y.reshape(3, 32), [np.roll(warps[0], -1), np.roll(warps[1], -1), warps[0]])


def test_atomics_of_whole_numbers(rng):
    x = rng.integers(0, 1000, 100, dtype=np.int32)
    evens, total, most = np.zeros(1, np.int32), np.zeros(1, np.uint64), np.full(1, -1, np.int32)
    launch("counted", (4,), (32,), x, np.int32(100), evens, total, most)
    assert (evens[0], total[0], most[0]) == ((x % 2 == 0).sum(), x.sum(), x.max())


@pytest.mark.parametrize("type_", ["float", "double"])
def test_atomics_of_floats_are_refused(type_):
    text = f'extern "C" __global__ void k({type_}* y) {{ atomicAdd(y, {type_}(1)); }}'
    with pytest.raises(CompileError, match="the order of floating-point atomics, and so the sum, would change"):
        RawModule(text)


def test_arguments_of_every_kind():
    y, pair = np.empty(6), np.array([(7, 0.5)], [("a", np.int32), ("b", np.float32)])
    launch("told", (1,), (1,), None, pair, np.int64(-(2**40)), np.uint32(2**32 - 1), np.float64(0.1), y)
    assert y.tolist() == [0, 7, 0.5, -(2**40), 2**32 - 1, 0.1]


def test_what_is_added_to_is_added_to_once():
    x, total = np.ones(32, np.float32), np.full(32, 2, np.float32)
    launch("added", (1,), (32,), x, total)
    assert (x == 1).all()
    assert (total == 3).all()


# What would go wrong


@pytest.mark.parametrize(
    ("name", "grid", "block"),
    [
        ("no_barrier", (1,), (64,)),
        ("no_second_barrier", (1,), (64,)),
        ("no_warp_barrier", (1,), (64,)),
        ("one_entry", (1,), (2,)),
        ("not_atomic", (1,), (64,)),
        ("next_free", (1,), (64,)),
        ("block_before", (2,), (1,)),
    ],
)
def test_what_depends_on_the_order_of_threads_is_noticed(name, grid, block):
    with pytest.raises(LaunchError, match=rf"{name}: \d+ of 64 entries of a result depend on which thread runs first"):
        launch(name, grid, block, X, np.zeros(64, np.int32), text=WRONG)


def test_the_same_kernels_are_right_where_one_thread_runs():
    for name in ("no_second_barrier", "one_entry", "not_atomic", "next_free", "block_before"):
        launch(name, (1,), (1,), X, np.zeros(64, np.int32), text=WRONG)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("some_return", "40 wait at __syncthreads, 0 for lanes of their warp, and 24 have returned"),
        ("some_shuffle", "0 wait at __syncthreads, 16 for lanes of their warp, and 48 have returned"),
        ("each_waits", "20 wait at __syncthreads, 44 for lanes of their warp, and 0 have returned"),
        ("not_in_its_mask", "0 wait at __syncthreads, 32 for lanes of their warp, and 32 have returned"),
    ],
)
def test_a_barrier_that_not_all_come_to_is_told(name, counts):
    module = RawModule(WRONG)
    for _ in range(2):  # and the threads that waited are in nobody's way
        with pytest.raises(LaunchError, match=f"{name}: of the 64 threads of a block {counts}"):
            module.get_function(name)((2,), (64,), (X, np.zeros(64, np.int32)))
    y = np.zeros(64, np.int32)
    module.get_function("some_return")((1,), (40,), (X, y))
    assert (y[:40] == X[:40]).all()


F = np.zeros(4, np.float32)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((F,), "it takes 3 arguments, and got 1"),
        ((F, F, np.int32(4), np.int32(4)), "it takes 3 arguments, and got 4"),
        ((F, F, np.int64(4)), "argument 2 has 8 bytes where it takes 4"),
        ((F, F, 4), "argument 2 has 8 bytes where it takes 4"),
        ((F, F, F), "argument 2 is a int: pass one number"),
        ((F, F, None), "argument 2 is a int: pass one number"),
        ((F.astype(float), F, np.int32(4)), r"argument 0 is a const float\*, and the array is float64"),
        ((F.astype(np.int32), F, np.int32(4)), r"argument 0 is a const float\*, and the array is int32"),
        ((F, F.astype(float), np.int32(4)), r"argument 1 is a real\*, and the array is float64"),
        ((F, np.zeros((4, 2), np.float32)[:, 0], np.int32(4)), r"argument 1 is a real\*: pass a contiguous array"),
        ((F.reshape(2, 2).T, F, np.int32(4)), r"argument 0 is a const float\*: pass a contiguous array"),
        ((F, np.float32(4), np.int32(4)), r"argument 1 is a real\*: pass a contiguous array"),
        ((F, [0.0] * 4, np.int32(4)), r"argument 1 is a real\*: pass a contiguous array"),
    ],
)
def test_arguments_that_are_not_what_the_kernel_takes(arguments, sentence):
    text = 'typedef float real;\nextern "C" __global__ void k(const float* x, real* y, int n) { if (n) y[0] = x[0]; }'
    with pytest.raises(LaunchError, match=f"k: {sentence}"):
        launch("k", (1,), (1,), *arguments, text=text)


def test_one_number_is_told_from_an_array_of_one():
    text = 'extern "C" __global__ void k(long long n, long long* y) { y[0] = n; }'
    y = np.zeros((), np.int64)
    launch("k", (1,), (1,), np.int64(5), y, text=text)
    assert y == 5
    launch("k", (1,), (1,), np.array([7]), y, text=text)
    assert y == 7


@pytest.mark.parametrize(
    ("grid", "block", "shared", "sentence"),
    [
        ((1,), (1025,), 0, "block has one to three sizes"),
        ((1,), (32, 32, 2), 0, "a block has at most 1024 threads"),
        ((1,), (1, 1, 65), 0, "block has one to three sizes"),
        ((1, 65536), (1,), 0, "grid has one to three sizes"),
        ((1, 1, 65536), (1,), 0, "grid has one to three sizes"),
        ((2**31,), (1,), 0, "grid has one to three sizes"),
        ((0,), (1,), 0, "grid has one to three sizes"),
        ((1,), (0,), 0, "block has one to three sizes"),
        ((), (1,), 0, "grid has one to three sizes"),
        ((1, 1, 1, 1), (1,), 0, "grid has one to three sizes"),
        ((1,), (1,), 232449, "at most 232448 bytes of shared memory"),
    ],
)
def test_sizes_that_no_gpu_takes(grid, block, shared, sentence):
    with pytest.raises(LaunchError, match=f"found: .*{sentence}"):
        launch("found", grid, block, np.zeros((1, 2), np.float32), shared=shared)


def test_a_source_that_does_not_compile_is_told_with_file_and_line():
    with pytest.raises(CompileError, match=r"kernel\.cu:2:.* 'missing' was not declared"):
        RawModule('extern "C" __global__ void k(int* y) {\n    *y = missing;\n}')
    planted = source.source("pooling", "float").replace("real best = -infinity();", "real best = -infinity;")
    line = next(
        i for i, text in enumerate((source.FOLDER / "pooling.cu").read_text().splitlines(), 1) if "real best" in text
    )
    with pytest.raises(CompileError, match=rf"pooling\.cu:{line}:"):
        RawModule(planted)


def test_a_kernel_that_is_not_there():
    with pytest.raises(ValueError, match=r"no kernel 'turn' \(.*\); it has indices, turned, found"):
        RawModule(RIGHT).get_function("turn")
    with pytest.raises(ValueError, match="it has none"):
        RawModule("int x;").get_function("k")


# Compiling

COMPILE = f"""
from tinycnn.kernels.cuda import emulate
emulate.RawModule({RIGHT!r}).get_function("added")
"""


def test_without_a_compiler_there_is_one_sentence(tmp_path):
    done = run_python("-c", COMPILE, PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    told = "ModuleNotFoundError: CUDA kernels run on the CPU by way of g++, and there is none: install g++"
    assert done.stderr.splitlines()[-1] == told


def test_what_was_compiled_once_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled, compile_ = [], emulate._compile
    monkeypatch.setattr(emulate, "_compile", lambda *given: compiled.append(given) or compile_(*given))
    texts = [f'extern "C" __global__ void k(int* y) {{ *y = {i}; }}' for i in (1, 2)]
    for text, in_all in [(texts[0], 1), (texts[0], 1), (texts[1], 2), (texts[0], 2)]:
        emulate._compiled.cache_clear()  # as in another process
        y = np.zeros(1, np.int32)
        launch("k", (1,), (1,), y, text=text)
        assert y[0] == 1 + texts.index(text)
        assert len(compiled) == in_all
    assert len(list(tmp_path.rglob("*"))) == 2 + 2  # two folders, two libraries, and nothing left over


def test_two_processes_may_compile_at_once(tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", COMPILE]
    both = [subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [(process.communicate()[1], process.returncode) for process in both] == [("", 0)] * 2
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".so"]


# Under sanitizers


def watched(kernel):
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    command = [sys.executable, "-m", "tests.kernels.emulated", kernel]
    environment |= emulate.sanitized_environment()
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_kernel_that_stays_inside_runs_under_sanitizers():
    done = watched("inside")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran 0.0\n", "")


@pytest.mark.parametrize("kernel", [name for name in OUTSIDE if name != "inside"])
def test_sanitizers_tell_file_and_line(kernel):
    done = watched(kernel)
    assert done.returncode != 0
    assert "ran" not in done.stdout
    assert f"{kernel}.cu:7" in done.stderr, done.stderr
