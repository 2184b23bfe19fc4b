"""The benchmark of convolution layers measures, skips and compares as it says; how fast anything is, is not asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tinycnn.benchmarks.convolution_layers import compared, comparisons, lines

ROOT = Path(__file__).resolve().parents[1]


def row(algorithm="im2col", backend="numpy", threads=1, samples=(2.0, 4.0, 6.0)):
    found = {"model": "m", "layers": "a b", "pass": "forward", "algorithm": algorithm, "backend": backend}
    found |= {"threads": threads, "samples": list(samples), "rules": algorithm == "im2col"}
    return found | {"median_seconds": 4e-3, "gflops": 1.25, "effective": algorithm == "fft"}


def test_ratios_are_of_the_same_turn_and_of_what_differs_in_one_thing_alone():
    rows = [row(), row(backend="numba", samples=(1.0, 1.0, 2.0)), row("fft"), row("fft", "numba", samples=())]
    rows += [row(backend="numba", threads=2, samples=(0.5, 0.5, 0.5))]
    (found,) = comparisons(rows, "backend", "numpy", "numba")
    assert (found["algorithm"], found["threads"], found["times_faster"]) == ("im2col", 1, 3.0)
    assert found["quartiles"] == [2.5, 3.5]
    (threads,) = comparisons(rows, "threads", 1, 2)
    assert (threads["backend"], threads["times_faster"]) == ("numba", 2.0)
    told = "\n".join(compared([found, threads]))
    assert "times as fast with backend numba as with numpy, threads 1" in told
    assert "m a b forward" in told
    assert "im2col   3.00 (2.50 to 3.50)" in told


def test_a_line_marks_the_rules_choice_and_effective_rates():
    (line,) = lines([row(), row("fft"), {**row("direct", samples=()), "skipped": "why"}])
    assert "im2col*" in line
    assert "~1.2 GF/s" in line
    assert "skipped" in line


@pytest.mark.parametrize("limit", ["100", "0"])
def test_it_measures_each_layer_or_says_what_it_skipped(tmp_path, limit):
    words = ["--models", "lenet5", "--batch", "1", "--repeat", "2", "--backends", "numpy", "--threads", "1"]
    words += ["--passes", "forward", "--algorithms", "direct", "im2col", "--limit", limit]
    command = [sys.executable, "-m", "tinycnn.benchmarks.convolution_layers", *words, "--out", str(tmp_path / "a.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "a.json").read_text())
    assert {"date", "environment", "repeat", "layers"} <= record.keys()
    assert [layer["layers"] for layer in record["layers"]] == ["c1", "c3", "c5"]
    passes = [found for layer in record["layers"] for found in layer["passes"]]
    assert [found["algorithm"] for found in passes] == ["direct", "im2col"] * 3
    assert all(("skipped" in found) == (limit == "0") for found in passes)
    assert all(("gflops" in found) == (limit != "0") for found in passes)
    assert done.stdout.count("\nskipped: ") == (6 if limit == "0" else 0)
