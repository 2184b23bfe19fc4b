"""The tests that run on a GPU, by themselves and under compute-sanitizer, as processes whose results are counted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

SANITIZERS = ("memcheck", "racecheck", "initcheck")
TESTS: tuple[str, ...] = ("tests",)
FEW: tuple[str, ...] = ("tests/functional", "tests/optim")  # what goes under a sanitizer, with few examples each
SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: (\d+) hazard")


def run_tests(root: Path, name: str, profile: str) -> dict[str, Any]:
    """Run the tests marked gpu.

    Parameters
    ----------
    root
        The clone.
    name
        Of the GPU.
    profile
        How many random cases there are: a name from tests/conftest.py.

    Returns
    -------
    dict
        What they ran ``on``, and how many ``passed``, ``failed`` and were ``skipped``, in all and ``by_file``; or why
        they were ``not_run``.
    """
    if reason := missing(root):
        print(f"tests: {reason}")
        return {"not_run": reason}
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        spread = ("-n", str(min(4, os.cpu_count() or 1)), "--dist", "loadgroup") if find_spec("xdist") else ()
        subprocess.run(
            pytest(*spread, f"--junit-xml={report}", *TESTS), cwd=root, env=environment(profile), check=False
        )
        found = counted(report.read_text(encoding="utf-8")) if report.is_file() else {"failed": 1, "by_file": {}}
    return {"on": name, "profile": profile} | found


def sanitize(root: Path, tool: str) -> dict[str, Any]:
    """Run a few of them under one tool of compute-sanitizer.

    Returns
    -------
    dict
        The number of ``findings``, the ``first`` of them, and the ``exit_status`` of pytest; or why it was ``not_run``.
    """
    reason = missing(root) or ("" if shutil.which("compute-sanitizer") else "compute-sanitizer is not on the PATH")
    if reason:
        print(f"{tool}: {reason}")
        return {"not_run": reason}
    with TemporaryDirectory() as folder:
        log = Path(folder, "log")
        command = ["compute-sanitizer", "--tool", tool, "--target-processes", "all", "--log-file", str(log)]
        # With every array in memory of its own, what lies beside one belongs to nobody.
        env = environment("few") | {"TINYCNN_TEST_CUDA": "unpooled"}
        done = subprocess.run([*command, *pytest(*FEW)], cwd=root, env=env, check=False)
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return {"exit_status": done.returncode, **findings(text)}


def findings(log: str) -> dict[str, Any]:
    """What a tool's log says: how many findings, and the lines of the first."""
    numbers = [int(errors or hazards) for errors, hazards in SUMMARY.findall(log)]
    if not numbers:
        return {"not_run": f"no summary in its log: {log[-500:]}"}
    lines = [line for line in log.splitlines() if line.strip("= ") and not SUMMARY.search(line)]
    return {"findings": sum(numbers), "first": lines[:30] if sum(numbers) else []}


def missing(root: Path) -> str:
    """Why no tests can be run; nothing where they can."""
    if not (root / "tests").is_dir():
        return "the tests are not installed: run this in a clone"
    return "" if find_spec("pytest") and find_spec("hypothesis") else "pip install 'tinycnn[test]' to run the tests"


def pytest(*words: str) -> list[str]:
    """The command that runs tests on the GPU."""
    return [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", *words]


def environment(profile: str) -> dict[str, str]:
    """The process's, with a profile of Hypothesis."""
    return os.environ | {"TINYCNN_TEST_PROFILE": profile}


def counted(report: str) -> dict[str, Any]:
    """Outcomes of tests in a report of pytest's, in all and by file."""
    by_file: dict[str, Counter[str]] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        file = case.get("classname", "").partition(".Test")[0].replace(".", "/") + ".py"
        by_file.setdefault(file, Counter())[outcome] += 1
    total = sum(by_file.values(), Counter())
    return {name: total[name] for name in ("passed", "failed", "skipped")} | {"by_file": by_file}
