"""The script that measures a GPU measures, counts and tells as it says; how fast anything is, is not asked."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinycnn as tc
from tests.kernels.processes import NAMES
from tests.oracles import oracle
from tinycnn.benchmarks import timing as clocks
from tinycnn.benchmarks.conv.contest import PASSES
from tinycnn.benchmarks.gpu import layers, measure, suite, timing, torch_side
from tinycnn.geometry import Axis, ConvGeometry

ROOT = Path(__file__).resolve().parents[2]
SMALL = ConvGeometry(Axis(6, 3, 2, 1, 1), Axis(5, 2, 1, 0, 0), 2, 4, 6, 2)
EMULATED = os.environ.get("TINYCNN_TEST_CUDA") == "emulated"


# All of it, on the stand-in


@pytest.mark.skipif(not EMULATED, reason="needs the stand-in for CuPy: TINYCNN_TEST_CUDA=emulated")
def test_all_of_it_runs_where_cupy_is_a_stand_in(tmp_path, monkeypatch, capsys):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(measure, "layers_of", lambda models: [("lenet5", "c1 c3", SMALL)])
    monkeypatch.setattr(timing, "FLUSH", 1 << 10)
    monkeypatch.setattr(timing, "MATRIX", 8)
    monkeypatch.setattr(timing, "COPIED", 1 << 10)
    monkeypatch.setattr(measure, "STEP_BATCH", 2)
    monkeypatch.setattr(measure, "STEPS", 4)
    monkeypatch.setattr(suite, "shutil", SimpleNamespace(which=lambda name: None))
    monkeypatch.setattr(suite, "TESTS", ("tests/test_on_a_gpu.py",))
    path = tmp_path / "made" / "gpu.json"
    assert measure.main(["--quick", "--out", str(path)]) == 1, "no test ran on a GPU"
    record = json.loads(path.read_text())
    assert {"date", "gpu", "quick", "tests", "sanitizers", "peaks", "torch", "layers", "train_step"} == record.keys()
    facts = {"name", "memory", "driver", "nvidia_driver", "cuda", "cupy", "numpy", "compute_capability", "l2_bytes"}
    assert facts <= record["gpu"].keys()
    counts = {"passed": 0, "failed": 0, "skipped": 1}
    by_file = {"tests/test_on_a_gpu.py": {"skipped": 1}}
    assert record["tests"] == counts | {"on": "a stand-in for a GPU", "profile": "few", "by_file": by_file}
    assert record["sanitizers"].keys() == set(suite.SANITIZERS)
    assert {"float32", "tf32", "bytes"} == record["peaks"].keys()
    (layer,) = record["layers"]
    assert (layer["model"], layer["layers"], layer["batch"]) == ("lenet5", "c1 c3", 2)
    rows = [(row["mode"], row["pass"], row["algorithm"]) for row in layer["passes"]]
    algorithms = tc.backend.able_algorithms(tc.backend.load_kernels("cupy"), SMALL)
    assert {"direct", "im2col", "implicit_gemm"} <= set(algorithms)
    assert rows == [(m, p, a) for m in ("float32", "tf32") for p in PASSES for a in algorithms]
    for row in layer["passes"]:
        assert row["samples"] >= 20
        assert row["median_seconds"] > 0
        assert "times_torch" in row or "PyTorch" in row["no_torch"]
    assert {"launched", "cuda_graph"} < record["train_step"].keys()
    assert list(path.parent.iterdir()) == [path]
    told = capsys.readouterr().out
    assert "a stand-in for a GPU, driver unknown for CUDA 13.0" in told
    assert f"written to {path}" in told
    assert "memcheck: compute-sanitizer is not on the PATH" in told
    assert not tc.gpu.tf32_allowed()


@pytest.mark.skipif(not tc.gpu.problem(), reason="there is a GPU")
def test_without_a_gpu_there_is_one_sentence(tmp_path):
    command = [sys.executable, "-m", "tinycnn.benchmarks.gpu", "--out", str(tmp_path / "gpu.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"no GPU can be measured here: {tc.gpu.problem()}\n"
    assert not list(tmp_path.iterdir())


# Its parts


def test_samples_are_timed_between_events_with_other_memory_written_before():
    did, time = [], iter(range(100))

    class Event:
        def record(self):
            did.append("event")
            self.time = next(time)

        def synchronize(self):
            did.append("wait")

    clock = timing.Clock(lambda: did.append("flush"), Event, lambda start, end: 1e3 * (end.time - start.time))
    assert clock.samples(lambda: did.append("work"), 2) == [1, 1]
    assert did == [*["flush", "event", "work", "event"] * 2, "wait"]


def test_the_share_is_of_the_nearer_peak():
    geometry = ConvGeometry(Axis(10, 3, 1, 0, 0), Axis(10, 3, 1, 0, 0), 2, 16, 8)
    turns = [[2.0, 4.0], [3.0, 3.0]]
    arithmetic = layers.told(turns, geometry, flops=geometry.flops / 1.5, bandwidth=geometry.least_bytes() / 0.3)
    assert (arithmetic["bound"], arithmetic["share_of_peak"], arithmetic["samples"]) == ("arithmetic", 0.5, 4)
    memory = layers.told(turns, geometry, flops=geometry.flops / 0.3, bandwidth=geometry.least_bytes() / 0.75)
    assert (memory["bound"], memory["share_of_peak"], memory["median_seconds"]) == ("memory", 0.25, 3)


def test_ratios_are_of_the_same_turn():
    found = layers.compared([[1.0, 1.0], [2.0, 2.0], [4.0, 8.0]], [[2.0, 2.0], [6.0, 6.0], [6.0, 6.0]])
    assert found == {"torch_seconds": 6.0, "times_torch": 2.0, "quartiles_times_torch": [1.5, 2.5]}


def test_what_takes_too_long_or_too_much_memory_is_left_out():
    def full():
        raise MemoryError("the GPU has too little memory: 9 GB asked for")

    class Slow:
        def samples(self, run, count):
            return [1.25]

    assert layers.too_much(Slow(), int) == "takes 1.2 s a call, the limit is 1 s"
    assert layers.too_much(Slow(), full) == "the GPU has too little memory: 9 GB asked for"


def test_a_line_tells_the_choice_the_share_and_the_ratio():
    row = {"pass": "forward", "mode": "tf32", "algorithm": "winograd", "chosen": True, "effective": True}
    measured = row | {"median_seconds": 2e-3, "share_of_peak": 0.5, "bound": "memory", "times_torch": 0.75}
    told = " ".join(measure.line(measured).split())
    assert told == "forward tf32 winograd* 2.000 ms ~ 50.0 % of the memory peak, 0.75 times as fast as cuDNN"
    assert measure.line(row | {"skipped": "why"}).endswith("skipped: why")


@pytest.mark.parametrize("phase", PASSES)
def test_pytorch_computes_the_same_passes(phase):
    oracle("torch")
    theirs = torch_side.bind(phase, SMALL, False, device="cpu")()
    kernels = tc.backend.load_kernels("numpy")
    ours = clocks.bind(kernels, "im2col", phase, SMALL, clocks.Operands.of(SMALL))()
    np.testing.assert_allclose(theirs.numpy(), ours, rtol=0, atol=1e-5)


def test_padding_that_pytorch_has_not():
    oracle("torch")
    with pytest.raises(ValueError, match="pads both ends alike"):
        torch_side.bind("forward", ConvGeometry(Axis(6, 3, 1, 1, 0), Axis(5, 2, 1, 0, 0), 2, 4, 6), False, device="cpu")


def test_where_pytorch_finds_no_gpu_that_is_said():
    torch = oracle("torch")
    if torch.cuda.is_available():
        pytest.skip("it finds one")
    with torch_side.torch_beside() as beside:
        assert beside.about == {"missing": f"PyTorch {torch.__version__} finds no GPU"}
        assert beside.prepare("forward", SMALL, False) == beside.about["missing"]


REPORT = """<testsuites><testsuite>
<testcase classname="tests.a.test_b" name="one"/>
<testcase classname="tests.a.test_b.TestC" name="two"><failure message="no">no</failure></testcase>
<testcase classname="tests.test_d" name="three"><skipped message="why"/></testcase>
<testcase classname="tests.test_d" name="four"><error message="no">no</error></testcase>
<testcase classname="tests.test_d" name="five"/>
</testsuite></testsuites>"""


def test_outcomes_are_counted_by_file():
    assert suite.counted(REPORT) == {
        "passed": 2,
        "failed": 2,
        "skipped": 1,
        "by_file": {
            "tests/a/test_b.py": {"passed": 1, "failed": 1},
            "tests/test_d.py": {"skipped": 1, "failed": 1, "passed": 1},
        },
    }


MEMCHECK = """========= COMPUTE-SANITIZER
========= Invalid __global__ read of size 4 bytes
=========     at relu_forward+0x90 in activation.cu:12
========= ERROR SUMMARY: 1 error
========= COMPUTE-SANITIZER
========= ERROR SUMMARY: 2 errors
"""
RACECHECK = """========= COMPUTE-SANITIZER
========= RACECHECK SUMMARY: 3 hazards displayed (3 errors, 0 warnings)
"""


def test_findings_of_all_processes_are_added_up():
    found = suite.findings(MEMCHECK)
    assert found["findings"] == 3
    assert "activation.cu:12" in "".join(found["first"])
    assert suite.findings(RACECHECK)["findings"] == 3
    assert suite.findings("========= ERROR SUMMARY: 0 errors\n") == {"findings": 0, "first": []}
    assert "no summary" in suite.findings("killed")["not_run"]


def test_a_sanitizer_on_the_path_is_run(tmp_path, monkeypatch):
    program = tmp_path / "compute-sanitizer"
    program.write_text(
        '#!/bin/sh\necho "$TINYCNN_TEST_CUDA $*" > called\necho "========= ERROR SUMMARY: 2 errors" > "$6"\nexit 3\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "tests").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = suite.sanitize(tmp_path, "racecheck")
    assert (found["findings"], found["exit_status"]) == (2, 3)
    called = (tmp_path / "called").read_text()
    assert called.startswith("unpooled --tool racecheck --target-processes all --log-file ")
    assert "pytest -m gpu" in called


def test_without_its_tests_it_says_so(tmp_path):
    assert suite.run_tests(tmp_path, "GPU", "few") == {"not_run": "the tests are not installed: run this in a clone"}


@pytest.mark.parametrize(
    ("tests", "found", "clean"),
    [
        ({"passed": 9, "failed": 0}, {"findings": 0, "exit_status": 0}, True),
        ({"passed": 9, "failed": 0}, {"not_run": "no such program"}, True),
        ({"passed": 9, "failed": 1}, {"findings": 0, "exit_status": 0}, False),
        ({"passed": 9, "failed": 0}, {"findings": 1, "exit_status": 0}, False),
        ({"passed": 9, "failed": 0}, {"findings": 0, "exit_status": 1}, False),
        ({"passed": 0, "failed": 0}, {"findings": 0, "exit_status": 0}, False),
        ({"not_run": "why"}, {"findings": 0, "exit_status": 0}, False),
    ],
)
def test_all_is_well_where_tests_ran_and_nobody_found_a_fault(tests, found, clean):
    assert measure.clean({"tests": tests, "sanitizers": {"memcheck": found}}) == clean


def test_the_drivers_own_version(tmp_path):
    path = tmp_path / "version"
    assert measure.nvidia_driver(path) == "unknown"
    for line in (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build  (dvs-builder@U16)\n",
    ):
        path.write_text(f"{line}GCC version:  gcc version 12.3.0 (Debian)\n")
        assert measure.nvidia_driver(path) == "535.104.05"


def test_every_distinct_layer_is_measured():
    found = list(measure.layers_of(["lenet5"]))
    assert [(model, layers, geometry.N) for model, layers, geometry in found] == [
        ("lenet5", name, measure.BATCHES["lenet5"]) for name in ("c1", "c3", "c5")
    ]
