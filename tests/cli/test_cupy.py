"""The commands with a GPU, and with none."""

import os
import re
from dataclasses import replace

import numpy as np
import pytest

import tinycnn as tc
from tests.training import few
from tinycnn import gpu
from tinycnn.data import DATA_SETS, digits

NONE = "there is no NVIDIA driver: install it, or run on a machine with an NVIDIA GPU"
needs_gpu = pytest.mark.skipif(bool(gpu.problem()), reason=gpu.problem())
looks_behind = pytest.mark.skipif(
    os.environ.get("TINYCNN_TEST_CUDA") != "emulated", reason="asks the stand-in for CuPy: TINYCNN_TEST_CUDA=emulated"
)
pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def a_dozen_digits(monkeypatch):
    """Four of each of three digits are all there is."""

    def read(split):
        images, labels = digits(split)
        chosen = np.concatenate([np.flatnonzero(labels == digit)[:4] for digit in range(3)])
        return images[chosen], labels[chosen]

    monkeypatch.setitem(DATA_SETS, "digits", replace(few.FEW, name="digits", read=read))
    with tc.use_backend(tc.backend.current_backend()), tc.allow_tf32(False):
        yield


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(gpu, "problem", lambda: NONE)


WORDS = ("train", "--epochs", 1, "--batch-size", 3, "--validation", 0.25, "--out", "run")


def test_without_a_gpu_there_is_one_line_and_no_folder(refused, no_gpu, tmp_path):
    line = refused(*WORDS, "--backend", "cupy")
    assert line.startswith(f"tinycnn: backend 'cupy' is not available here: {NONE}; or use numpy")
    assert not (tmp_path / "run").exists()


def test_info_says_why_there_is_no_gpu(command, monkeypatch):
    monkeypatch.setattr("tinycnn.cli.info.problem", lambda: NONE)
    outcome = command("info", "--json")
    assert f"\ngpu        none: {NONE}\n" in outcome.out
    assert (outcome.json["gpu"], outcome.json["gpu_problem"]) == (None, NONE)


@needs_gpu
def test_info_tells_the_gpu(command):
    outcome = command("info", "--json")
    found = outcome.json["gpu"]
    assert found.keys() == {"name", "memory", "cupy", "cuda", "driver"}
    assert outcome.json["gpu_problem"] is None
    (line,) = re.findall("^gpu .*", outcome.out, re.MULTILINE)
    assert re.fullmatch(rf"gpu        {found['name']}, [\d.]+ GB, driver for CUDA \d+\.\d, CuPy \S+", line)
    assert re.search(r"^kernel +numpy  (numba  )?cupy$", outcome.out, re.MULTILINE)
    assert outcome.json["kernels"]["conv_implicit_gemm"] == ["cupy"]
    assert re.search(r"^conv_implicit_gemm +none   (none   )?yes$", outcome.out, re.MULTILINE)


@needs_gpu
def test_a_run_on_a_gpu_from_beginning_to_end(command, tmp_path):
    outcome = command(*WORDS, "--backend", "cupy", "--tf32", "--cuda-graph", "--json")
    assert (outcome.status, outcome.error) == (0, "")
    recipe = outcome.json["recipe"]
    assert (recipe["backend"], recipe["tf32"], recipe["cuda_graph"]) == ("cupy", True, True)
    page = (tmp_path / "run" / "report.html").read_text()
    assert re.search('<th scope="row">tf32</th><td>yes</td>', page)
    assert re.search('<th scope="row">tf32</th><td class="wrap">allowed</td>', page)
    assert "--backend cupy --threads 1 --tf32 --cuda-graph" in page


@needs_gpu
def test_a_run_of_a_gpu_is_used_without_one(command, tmp_path, monkeypatch):
    Image = pytest.importorskip("PIL.Image")
    there = command(*WORDS, "--backend", "cupy", "--json")
    monkeypatch.setattr(gpu, "problem", lambda: NONE)
    tc.use_backend("numpy")
    here = command("evaluate", "run", "--json")
    assert here.status == 0
    assert here.json["test_loss"] == pytest.approx(there.json["test_loss"], rel=1e-5)
    Image.fromarray(255 - digits("test")[0][0] * 15).resize((60, 60)).save("digit.png")
    assert command("predict", "digit.png", "--model", "run").status == 0
    resumed = command("train", "--resume", "run", "--backend", "numpy", "--json")
    assert resumed.status == 0
    assert "so it may not end bit for bit the same: backend was cupy and is numpy\n" in resumed.out
    assert resumed.json["recipe"]["backend"] == "numpy"


@needs_gpu
def test_without_the_gpu_that_it_was_started_on_a_run_wants_another_backend(command, refused, no_gpu, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr(gpu, "problem", lambda: "")
        command(*WORDS, "--backend", "cupy")
    assert "backend 'cupy' is not available here" in refused("train", "--resume", "run")


@looks_behind
def test_too_little_memory_is_one_line(refused, monkeypatch):
    from tests.cupy_streams import LIMIT

    monkeypatch.setitem(LIMIT, "bytes", 200_000)  # more than any weight has
    line = refused("train", "--epochs", 1, "--batch-size", 32, "--validation", 0, "--backend", "cupy", "--out", "run")
    assert re.fullmatch(
        r"tinycnn: the GPU has too little memory: 225\.8 KB asked for, 200\.0 KB of 2\.1 GB free; this was a batch of "
        r"12 images, and [\d.]+ MB were in use: --batch-size 6 needs about half\n",
        line,
    )
