"""A table of what was measured: used where it counts, and never able to do harm."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tinycnn as tc
import tinycnn.functional as F
from tests.rights import open_folder, without_rights
from tests.tuned import own_table
from tinycnn import backend, tuning
from tinycnn.backend import convolution, forget_choices, load_kernels
from tinycnn.geometry import Axis, ConvGeometry, conv_geometry
from tinycnn.threads import remembered_threads_of, threads_of
from tinycnn.training.environment import environment

ROOT = Path(__file__).resolve().parents[1]
PASSES = ("forward", "backward_input", "backward_weight")
LAYER = conv_geometry("conv2d", (2, 3, 8, 9), (4, 3, 3, 3), padding=1)
BACKENDS = pytest.mark.parametrize("name", tc.available_backends())


def chosen(geometry, phase="forward", name="numpy"):
    """The algorithm that auto means."""
    kernels = load_kernels(name)
    kernel = convolution(kernels, "auto", phase, geometry)
    return next(n for n in kernels.algorithms if getattr(getattr(kernels, f"conv_{n}"), phase) is kernel)


def store(algorithm, geometry=LAYER, phase="forward", name="numpy", threads=None):
    load_kernels(name)
    path = tuning.store(name, threads_of(name) if threads is None else threads, {(phase, geometry): algorithm})
    forget_choices()
    return path


def another(algorithm):
    return "direct" if algorithm != "direct" else "im2col"


# Looking up


@BACKENDS
def test_a_stored_choice_is_used_where_everything_is_as_it_was_measured(name):
    usual = {phase: chosen(LAYER, phase, name) for phase in PASSES}
    with own_table(), tc.use_backend(name):
        store(another(usual["forward"]), name=name)
        assert chosen(LAYER, "forward", name) == another(usual["forward"])
        for phase in PASSES[1:]:
            assert chosen(LAYER, phase, name) == usual[phase]
        for other in (replace(LAYER, N=3), replace(LAYER, rows=LAYER.columns), replace(LAYER, K=8)):
            assert chosen(other, "forward", name) == usual["forward"]
        for backend_name in set(tc.available_backends()) - {name}:
            store(another(usual["forward"]), phase="backward_input", name=name)
            assert tuning.tuned(backend_name, threads_of(backend_name)) == {}
    assert chosen(LAYER, "forward", name) == usual["forward"], "the test's own table outlived it"


@pytest.mark.parametrize("phase", PASSES)
def test_the_stored_algorithm_is_the_one_that_runs(monkeypatch, phase):
    kernels, ran = load_kernels("numpy"), []
    kernel = getattr(kernels.conv_direct, phase)
    monkeypatch.setattr(kernels.conv_direct, phase, lambda *a: ran.append(phase) or kernel(*a))
    rng = np.random.default_rng(0)
    x = tc.Tensor(rng.standard_normal(LAYER.input_shape), requires_grad=True)
    w = tc.Tensor(rng.standard_normal(LAYER.weight_shape), requires_grad=True)
    with own_table(), tc.use_backend("numpy"):
        store("direct", phase=phase)
        F.conv2d(x, w, padding=1).sum().backward()
    assert ran == [phase]


def test_a_choice_is_for_its_number_of_threads():
    with own_table(), tc.use_backend("numpy"):
        before = threads_of("numpy")
        store("direct", threads=before)
        store("fft", threads=before + 1)
        assert chosen(LAYER) == "direct"
        try:
            tc.set_num_threads(before + 1)
            assert remembered_threads_of("numpy") == before + 1
            assert chosen(LAYER) == "fft"
            tc.set_num_threads(before + 2)
            assert chosen(LAYER) == "im2col"
        finally:
            tc.set_num_threads(before)
        assert chosen(LAYER) == "direct"


def test_what_was_stored_before_stays_and_is_replaced_for_the_same_pass():
    with own_table(), tc.use_backend("numpy"):
        store("direct")
        store("fft", phase="backward_weight")
        store("fft", replace(LAYER, N=5))
        store("winograd")
        assert chosen(LAYER) == "winograd"
        assert chosen(LAYER, "backward_weight") == "fft"
        assert chosen(replace(LAYER, N=5)) == "fft"
        assert tuning.stored_here() == {("numpy", threads_of("numpy")): 3}
        odd = ConvGeometry(Axis(5, 2, 3, 1, -2, 2), Axis(6, 1), 1, 2, 2, 2)  # as of a transposed convolution
        store("fft", odd)
        assert ("forward", odd) in tuning.tuned("numpy", threads_of("numpy"))


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        (tuning, "machine", lambda: "another"),
        (tuning, "__version__", "0.0.0"),
        (np, "__version__", "1.0.0"),
    ],
    ids=["machine", "tinycnn", "NumPy"],
)
def test_what_was_measured_elsewhere_does_not_count_and_stays(monkeypatch, capsys, where, name, value):
    with own_table(), tc.use_backend("numpy"):
        with monkeypatch.context() as there:
            there.setattr(where, name, value)
            store("direct")
        forget_choices()
        assert chosen(LAYER) == "im2col"
        assert backend.algorithm_table() == "rules"
        store("fft")
        assert chosen(LAYER) == "fft"
        with monkeypatch.context() as there:
            there.setattr(where, name, value)
            forget_choices()
            assert chosen(LAYER) == "direct"
    assert capsys.readouterr().err == ""


@pytest.mark.skipif("numba" not in tc.available_backends(), reason="Numba is not installed")
def test_another_numba_makes_choices_for_numba_stale(monkeypatch):
    with own_table(), tc.use_backend("numba"):
        usual = chosen(LAYER, name="numba")
        store(another(usual), name="numba")
        assert chosen(LAYER, name="numba") == another(usual)
        monkeypatch.setattr(sys.modules["numba"], "__version__", "0.1.0")
        forget_choices()
        assert chosen(LAYER, name="numba") == usual


@pytest.mark.parametrize("algorithm", ["winograd", "magic", "", "auto"])
def test_a_stored_choice_that_cannot_run_is_passed_over(algorithm):
    g = conv_geometry("conv2d", (1, 1, 9, 9), (1, 1, 7, 7))
    with own_table(), tc.use_backend("numpy"):
        store(algorithm, g)
        assert chosen(g) == "im2col"


# A file that is no good


def resealed(path, change):
    """Change the content and let the checksum hold."""
    content = json.loads(path.read_text())
    change(content)
    content["sha256"] = tuning._checksum(content["tables"])
    path.write_text(json.dumps(content))


def first_choice(content):
    return content["tables"][0]["choices"][0]


def replaced_by_a_folder(path):
    path.unlink()
    path.mkdir()


def replaced_by_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGES = {
    "cut short": lambda path: path.write_text(path.read_text()[:-20]),
    "a letter changed": lambda path: path.write_text(path.read_text().replace("direct", "winograd")),
    "a number changed": lambda path: path.write_text(path.read_text().replace("8,", "9,")),
    "empty": lambda path: path.write_text(""),
    "no text": lambda path: path.write_bytes(b"\xff\x00\xfe" * 100),
    "deep": lambda path: path.write_text("[" * 100_000),
    "a list": lambda path: path.write_text("[1, 2]"),
    "of another program": lambda path: path.write_text('{"format": "else"}'),
    "of another format": lambda path: resealed(path, lambda c: c.update(format="tinycnn tuned convolutions 2")),
    "no tables": lambda path: resealed(path, lambda c: c.update(tables=7)),
    "a table without choices": lambda path: resealed(path, lambda c: c["tables"][0].pop("choices")),
    "no surroundings": lambda path: resealed(path, lambda c: c["tables"][0].update(where=[1])),
    "a truth for a number": lambda path: resealed(path, lambda c: first_choice(c)["geometry"].update(sizes=[True] * 4)),
    "a number too few": lambda path: resealed(path, lambda c: first_choice(c)["geometry"]["rows"].pop()),
    "no algorithm": lambda path: resealed(path, lambda c: first_choice(c).pop("algorithm")),
    "large": lambda path: os.truncate(path, tuning.MOST_BYTES + 1),
    "a folder": replaced_by_a_folder,
    "a pipe": replaced_by_a_pipe,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_told_once_and_not_used(capsys, damage):
    with own_table() as path, tc.use_backend("numpy"):
        store("direct")
        DAMAGES[damage](path)
        forget_choices()
        assert [chosen(LAYER, phase) for phase in PASSES] == ["im2col"] * 3
        assert backend.algorithm_table() == "rules"
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"tinycnn: {path}, the table of tuned convolutions, is not used (it")
        if path.is_file():
            store("direct")
            assert chosen(LAYER) == "direct"
            assert capsys.readouterr().err == ""


def test_a_damaged_file_harms_nothing_where_warnings_are_errors_or_there_is_nowhere_to_tell(monkeypatch):
    with own_table() as path, tc.use_backend("numpy"):
        path.parent.mkdir()
        path.write_text("{")
        monkeypatch.setattr(sys, "stderr", None)
        assert chosen(LAYER) == "im2col"


def test_a_file_that_may_not_be_read_is_told_and_not_used(capsys):
    with open_folder() as folder, own_table(), pytest.MonkeyPatch.context() as patch, tc.use_backend("numpy"):
        patch.setenv("TINYCNN_TUNED", str(folder / "inside" / "table.json"))
        store("direct")
        (folder / "inside").chmod(0)
        forget_choices()
        with without_rights():
            assert chosen(LAYER) == "im2col"
        (line,) = capsys.readouterr().err.splitlines()
        assert "is not used (Permission denied)" in line


def test_where_nobody_knows_the_home_folder_the_rules_hold(monkeypatch):
    def no_home():
        raise RuntimeError("could not determine home directory")

    with own_table(), tc.use_backend("numpy"):
        monkeypatch.setattr(tuning, "table_path", no_home)
        assert chosen(LAYER) == "im2col"


READ = """
import sys
import numpy as np
import tinycnn as tc
import tinycnn.functional as F
print("imported", file=sys.stderr)
x, w = np.ones((1, 1, 5, 5), np.float32), np.ones((1, 1, 3, 3), np.float32)
F.conv2d(x, w, algorithm="im2col")
print("named", file=sys.stderr)
F.conv2d(x, w)
F.conv2d(x, w, padding=1)
"""


def test_the_file_is_read_once_and_not_before_auto_is_asked(tmp_path):
    path = tmp_path / "table.json"
    path.write_text("{")
    code = READ.replace("import tinycnn.functional", "tc.use_backend('numpy')\nimport tinycnn.functional")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=os.environ | {"TINYCNN_TUNED": str(path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported, named, told = done.stderr.splitlines()
    assert (imported, named) == ("imported", "named")
    assert str(path) in told


# Storing


def test_the_file_is_in_the_users_cache_or_where_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYCNN_TUNED", "~/mine.json")
    assert tuning.table_path() == Path.home() / "mine.json"
    monkeypatch.delenv("TINYCNN_TUNED")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tuning.table_path() == tmp_path / "tinycnn" / "convolutions.json"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert tuning.table_path() == Path.home() / ".cache" / "tinycnn" / "convolutions.json"


STORE = """
import sys
from dataclasses import replace
from tinycnn import tuning
from tinycnn.geometry import conv_geometry
layer = conv_geometry("conv2d", (2, 3, 8, 9), (4, 3, 3, 3), padding=1)
print("ready", flush=True)
sys.stdin.readline()
for images in range(int(sys.argv[1]), int(sys.argv[1]) + 20):
    tuning.store("numpy", 1, {("forward", replace(layer, N=images)): "direct"})
"""


def test_two_processes_that_store_at_once_lose_nothing():
    with own_table() as path:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", STORE, str(first)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for first in (1, 101)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
        found = {g.N for _, g in tuning.tuned("numpy", 1)}
        assert found == {*range(1, 21), *range(101, 121)}
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_store_that_fails_leaves_the_old_file_whole(monkeypatch):
    def full(*paths):
        raise OSError(28, "No space left on device")

    with own_table() as path, tc.use_backend("numpy"):
        store("direct")
        before = path.read_bytes()
        monkeypatch.setattr("tinycnn.storage.os.replace", full)
        with pytest.raises(OSError, match=r"json cannot be written \(No space left on device\): name another file in"):
            store("fft")
        assert path.read_bytes() == before
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_what_could_not_be_stored_is_refused_beforehand(monkeypatch, tmp_path):
    with open_folder() as folder:
        folder.chmod(0o555)
        monkeypatch.setenv("TINYCNN_TUNED", str(folder / "new" / "table.json"))
        with without_rights(), pytest.raises(OSError, match=r"cannot be written \(.* cannot be written to\): name"):
            tuning.require_storable()
        with without_rights(), pytest.raises(OSError, match=r"cannot be written \(Permission denied\): name another"):
            tuning.store("numpy", 1, {})
    monkeypatch.setenv("TINYCNN_TUNED", str(tmp_path))
    with pytest.raises(OSError, match="it is no regular file"):
        tuning.require_storable()
    (tmp_path / "file").touch()
    monkeypatch.setenv("TINYCNN_TUNED", str(tmp_path / "file" / "table.json"))
    with pytest.raises(OSError, match="file is no folder"):
        tuning.require_storable()
    monkeypatch.setenv("TINYCNN_TUNED", str(tmp_path / "new" / "table.json"))
    tuning.require_storable()
    assert not (tmp_path / "new").exists()


def test_forgetting_deletes_the_file():
    with own_table() as path, tc.use_backend("numpy"):
        assert not tuning.forget()
        store("direct")
        assert tuning.forget()
        forget_choices()
        assert not path.exists()
        assert chosen(LAYER) == "im2col"


# What a run depends on


def test_the_environment_tells_what_chooses():
    with own_table(), tc.use_backend("numpy"):
        assert environment()["algorithms"] == "rules"
        store("direct", threads=99)
        assert environment()["algorithms"] == "rules"
        store("direct")
        first = environment()["algorithms"]
        assert first == f"tuned {tuning.digest({('forward', LAYER): 'direct'})}"
        store("fft")
        assert environment()["algorithms"] not in ("rules", first)
        store("direct")
        assert environment()["algorithms"] == first
        with tc.use_algorithm("im2col"):
            assert environment()["algorithms"] == "im2col"


def test_the_digest_is_of_the_choices_and_not_of_their_order():
    one, two = ("forward", LAYER), ("backward_weight", LAYER)
    digest = tuning.digest({one: "direct", two: "fft"})
    assert digest == tuning.digest({two: "fft", one: "direct"})
    assert digest != tuning.digest({one: "fft", two: "direct"})
    assert len(digest) == 12
