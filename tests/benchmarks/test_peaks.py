"""The peaks are those of this machine: of the right size, and counted as they say; how high they are, is not asked."""

import numpy as np
import pytest

from tests.oracles import oracle
from tinycnn.benchmarks import peaks


@pytest.fixture
def brief(monkeypatch):
    for name, value in {"SECONDS": 1e-4, "STREAM": 1 << 16, "MATRIX": 64, "ROUNDS": 2}.items():
        monkeypatch.setattr(peaks, name, value)


def test_both_are_told_with_how_they_were_found(brief):
    oracle("numba")
    found = peaks.Machine(2).peaks()
    assert found.keys() == {"flops", "flops_by", "bytes", "threads"}
    assert found["flops_by"] == "fused multiply-adds in registers"
    assert found["threads"] == 2
    assert 1e8 < found["flops"] < 1e14
    assert 1e7 < found["bytes"] < 1e13


def test_without_numba_a_product_of_matrices_is_measured(brief, monkeypatch):
    def absent(self):
        raise ModuleNotFoundError("numba")

    monkeypatch.setattr(peaks.Machine, "_in_registers", absent)
    assert peaks.Machine(1).peaks()["flops_by"] == "sgemm"


def test_operations_and_bytes_are_counted(brief, monkeypatch):
    added = []

    def best(run):
        run()
        return 2.0

    def add(a, b, out):
        added.append(a.nbytes + b.nbytes + out.nbytes)

    monkeypatch.setattr(peaks, "_best", best)
    monkeypatch.setattr(np, "add", add)
    assert peaks.Machine(3)._added() == sum(added) / 2 == 3 * 4 * (1 << 16) / 2
    monkeypatch.undo()
    monkeypatch.setattr(peaks, "_best", lambda run: 2.0)
    assert peaks.Machine(1)._sgemm() == peaks.MATRIX**3


def test_every_step_makes_the_operations_that_are_counted():
    oracle("numba")
    from tinycnn.benchmarks import registers

    # x becomes 0.5 x + 1, from 0, 1, … SUMS − 1: after one step their sum is SUMS + half of that.
    starts = range(registers.SUMS)
    assert registers.spin(1) == registers.SUMS + sum(starts) / 2
    assert registers.spin(2) == 1.5 * registers.SUMS + sum(starts) / 4
    assert registers.FLOPS == 2 * registers.SUMS * registers.LANES
