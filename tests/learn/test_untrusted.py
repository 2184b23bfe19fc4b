"""Whatever hostile code hands back: the parent reads on, and what is wrong is not believed."""

import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.learn.submissions import World, submissions
from tinycnn.learn import process, untrusted
from tinycnn.learn.exercise import FOLDER, exercises
from tinycnn.learn.feedback import judge
from tinycnn.learn.untrusted import Unfit, empty, plain_bytes, printable, settle

FIRST = next(iter(exercises().values()))
CASES = FIRST.cases(0)

DRIVER = """
import json, os, sys
import numpy
for arguments, text in json.load(sys.stdin):
    if os.fork() == 0:
        sys.argv = arguments
        exec(compile(text, "forgery", "exec"), {"__name__": "learner"})
    os.wait()
"""


@pytest.fixture
def honest(tmp_path):
    """The output folder of a worker that ran the solution, and its job."""
    job, out, file = tmp_path / "job", tmp_path / "honest", tmp_path / f"{FIRST.name}.py"
    job.mkdir()
    out.mkdir()
    process._write_job(job, FIRST, CASES)
    file.write_text(FIRST.solution)
    command = [sys.executable, "-I", str(process.WORKER), str(job), str(out), str(file)]
    assert process.bounded(command, job, out, file, 20) == "done"
    return out, job


def verdict(out):
    return judge(FIRST, CASES, process._read(out, "done" if settle(out, len(CASES)) else "crash", FIRST), "en")


def test_what_an_honest_worker_wrote_stays_as_it_is(honest):
    report = json.loads((honest[0] / "result.json").read_text())
    with np.load(honest[0] / "results.npz") as stored:
        arrays = dict(stored)
    assert settle(honest[0], len(CASES))
    kept = json.loads((honest[0] / "result.json").read_text())
    for case in report["cases"]:
        del case["seconds"]  # nobody reads it
    assert kept == report
    with np.load(honest[0] / "results.npz") as stored:
        assert stored.files == list(arrays)
        assert all(np.array_equal(stored[name], array) for name, array in arrays.items())
    assert verdict(honest[0]).passed


def test_no_forgery_is_believed_and_none_harms_the_reader(honest, tmp_path):
    outside = tmp_path / "outside"
    world = World(tmp_path, tmp_path, FOLDER, outside, 1, os.getpid(), "marker")
    forged = {each.kind: each for each in submissions([FIRST], world, 300) if each.kind.startswith("forges ")}
    assert len(forged) >= 25
    outs = [tmp_path / "out" / str(number) for number in range(len(forged))]
    for out in outs:
        out.mkdir(parents=True)
    jobs = [
        (["worker", str(honest[1]), str(out), "file"], each.text)
        for out, each in zip(outs, forged.values(), strict=True)
    ]
    subprocess.run([sys.executable, "-c", DRIVER], input=json.dumps(jobs), text=True, check=True, timeout=60)
    for out, kind in zip(outs, forged, strict=True):
        assert os.stat(out).st_mode & 0o777 in (0, 0o755), kind
        found = verdict(out)
        assert not found.passed, kind
        assert found.message.encode(), kind
        for path in out.iterdir():
            assert stat.S_ISREG(path.lstat().st_mode), kind
            assert path.stat().st_size < 10**6, kind
    assert not outside.exists()


@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("names", [("results.npz",), ("result.json",), ("result.json", "results.npz")])
def test_nobody_hands_in_the_answers_of_another(link, names, honest, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("result.json", "results.npz"):
        (link if name in names else lambda a, b: b.write_bytes(a.read_bytes()))(honest[0] / name, mine / name)
    assert not verdict(mine).passed
    assert (honest[0] / "results.npz").stat().st_size > 0


@pytest.mark.parametrize(
    ("array", "is_kept"),
    [
        (np.zeros((2, 3), "f4"), True),
        (np.zeros((), ">i2"), True),
        (np.zeros((0, 5), "?"), True),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), True),
        (np.zeros(3, complex), False),
        (np.zeros(3, "M8[s]"), False),
        (np.zeros(3, [("a", "f8")]), False),
        (np.array(["a"]), False),
        (np.zeros(untrusted.UNPACKED // 8 + 1), False),
    ],
)
def test_arrays_of_numbers_alone_are_read(array, is_kept, tmp_path):
    case = {"results": {"y": {"kind": "array", "text": "ndarray"}}, "raised": None, "damaged": [], "printed": ""}
    (tmp_path / "result.json").write_text(json.dumps({"load": None, "cases": [case], "modules": []}))
    np.savez_compressed(tmp_path / "results.npz", **{"0/y": array})
    assert settle(tmp_path, 1) == is_kept
    if is_kept:
        with np.load(tmp_path / "results.npz") as stored:
            assert stored["0/y"].dtype == array.dtype
            assert np.array_equal(stored["0/y"], array)


def test_all_arrays_together_are_bounded(tmp_path):
    size = untrusted.UNPACKED // 8 // 3
    results = {f"y{n}": {"kind": "array", "text": "ndarray"} for n in range(4)}
    case = {"results": results, "raised": None, "damaged": [], "printed": ""}
    for count, is_kept in ((2, True), (4, False)):
        case["results"] = dict(list(results.items())[:count])
        (tmp_path / "result.json").write_text(json.dumps({"load": None, "cases": [case], "modules": []}))
        np.savez_compressed(tmp_path / "results.npz", **{f"0/{name}": np.zeros(size) for name in case["results"]})
        assert settle(tmp_path, 1) == is_kept


def test_an_archive_that_lies_about_sizes_is_read_no_further_than_the_bound(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0/y.npy", bytes(2**26))
    data = stream.getvalue().replace((2**26).to_bytes(4, "little"), (100).to_bytes(4, "little"))
    case = {"results": {"y": {"kind": "array", "text": ""}}, "raised": None, "damaged": [], "printed": ""}
    (tmp_path / "result.json").write_text(json.dumps({"load": None, "cases": [case], "modules": []}))
    (tmp_path / "results.npz").write_bytes(data)
    assert not settle(tmp_path, 1)


def test_calls_that_are_running_are_known_by_progress(tmp_path):
    (tmp_path / "progress").write_text("0\n1\n2\n")
    assert not settle(tmp_path, 12)
    assert process._read(tmp_path, "time", FIRST).running == 2
    (tmp_path / "progress").write_text("0\n" * 100)
    settle(tmp_path, 12)
    assert process._read(tmp_path, "time", FIRST).running == 11


def test_a_folder_is_emptied_however_deep_it_is(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    (folder / "away").symlink_to(tmp_path)
    here, name = os.getcwd(), "d" * 4
    try:
        os.chdir(folder)
        for _ in range(1100):  # deeper than Python's stack, and longer than a path may be
            os.mkdir(name)
            Path("f").touch()
            os.chdir(name)
        os.chdir(folder)
        os.chmod(name, 0)
    finally:
        os.chdir(here)
    empty(folder)
    assert not list(folder.iterdir())
    assert secret.read_text() == "kept"


def test_plain_files_alone_are_read(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert plain_bytes(file, 5) == b"12345"
    with pytest.raises(Unfit, match="large"):
        plain_bytes(file, 4)
    (tmp_path / "link").symlink_to(file)
    os.mkfifo(tmp_path / "pipe")
    for name, error in (("link", OSError), ("pipe", Unfit), ("none", FileNotFoundError)):
        with pytest.raises(error):
            plain_bytes(tmp_path / name, 5)
    os.link(file, tmp_path / "second")
    with pytest.raises(Unfit, match="second"):
        plain_bytes(file, 5)


def test_what_is_shown_has_no_hidden_characters():
    shown = printable("a\x00\x1b[31m\x9b\ud800\ufffe\n\t김")
    assert shown == "a\ufffd\ufffd[31m\ufffd\ufffd\ufffd\n\t김"
    shown.encode()
    assert len(printable("x" * 10**6)) == untrusted.TEXT
