"""Where a run may be started and resumed, and what is left when it may not, or when the disk is full."""

import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training import few
from tests.training.few import BATCHES, StopAfter, outcome, recipe
from tinycnn import storage
from tinycnn.data import DATA_SETS
from tinycnn.storage import load_arrays, save_arrays
from tinycnn.training import Run, load_checkpoint
from tinycnn.training.checkpoint import save_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA_SETS, "few", few.FEW)


def test_a_folder_that_is_not_there_is_made_with_its_parents(tmp_path):
    assert Run.start(recipe(), tmp_path / "a" / "b" / "c").folder == tmp_path / "a" / "b" / "c"
    assert Run.resume(str(tmp_path / "a" / "b" / "c")).trainer.epoch == 0


def test_an_empty_folder_is_taken(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    Run.start(recipe(), str(tmp_path / "empty"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Run.start(recipe(), Path())
    assert Run.resume(Path()).trainer.epoch == 0
    assert (tmp_path / "here" / "last.safetensors").is_file()


def test_a_folder_with_a_run_is_refused_and_left_alone(tmp_path):
    Run.start(recipe(), tmp_path / "run").fit(StopAfter(BATCHES))
    before = outcome(tmp_path / "run")
    with pytest.raises(
        FileExistsError, match=r"a run of lenet5 on few, 1 of 3 epochs done: go on with --resume .*run, or"
    ):
        Run.start(recipe(), tmp_path / "run")
    assert outcome(tmp_path / "run") == before


def test_a_folder_with_a_run_that_cannot_be_read_is_refused_too(tmp_path):
    Run.start(recipe(), tmp_path / "run")
    (tmp_path / "run" / "last.safetensors").write_bytes(b"cut")
    with pytest.raises(FileExistsError, match=r"a run that cannot be read .* name another place with --out"):
        Run.start(recipe(), tmp_path / "run")
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == b"cut"


@pytest.mark.parametrize("name", ["thesis.txt", "config.json", ".hidden", "metrics.jsonl", ".thesis.part"])
def test_a_folder_with_anything_else_is_refused_and_left_alone(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty and holds no run: name another place with --out"):
        Run.start(recipe(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="is a file: name a folder with --out"):
        Run.start(recipe(), tmp_path / "file")
    for place in (tmp_path / "file" / "run", tmp_path / "file" / "deep" / "run"):
        with pytest.raises(OSError, match=r"cannot be made \(Not a directory\): name another place with --out"):
            Run.start(recipe(), place)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match=r"cannot be made \(File exists\)"):
        Run.start(recipe(), tmp_path / "link")
    with pytest.raises(OSError, match=r"cannot be made \(File name too long\)"):
        Run.start(recipe(), tmp_path / ("x" * 300))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch):
    with pytest.raises(OSError, match=r"cannot be made \(.*\): name another place with --out"):
        Run.start(recipe(), Path("/proc/tinycnn/run"))

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(arguments[0]))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        OSError, match=r"^[^:]*run cannot be made \(Permission denied\): name another place with --out$"
    ):
        Run.start(recipe(), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_has_become_read_only(tmp_path, monkeypatch):
    run = Run.start(recipe(), tmp_path / "run")
    run.fit(StopAfter(1))
    system = os.open

    def refuse(path: Any, flags: int, *mode: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return system(path, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match=r"run cannot be written to \(Read-only file system\): a run goes on in its own"):
        Run.resume(tmp_path / "run")
    with pytest.raises(
        OSError, match=r"could not be saved in .*run \(Read-only file system\): what was saved before is"
    ):
        run.fit()


def test_data_that_cannot_be_had_leaves_no_folder(tmp_path, monkeypatch):
    def absent(split: str) -> Any:
        raise ConnectionError("the data could not be fetched")

    monkeypatch.setitem(DATA_SETS, "few", few.FEW.__class__(**vars(few.FEW) | {"read": absent}))
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path / "deep" / "run", None):
        with pytest.raises(ConnectionError, match="could not be fetched"):
            Run.start(recipe(), place)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("part", "advice"), [(0.001, "holds out 0 of 60 images: give it more, or 0"), (0.999, "give it less")]
)
def test_a_split_with_nothing_on_one_side_leaves_no_folder(part, advice, tmp_path):
    with pytest.raises(ValueError, match=advice):
        Run.start(recipe(validation=part, patience=2), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_names_are_counted_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "lenet5-few-2").mkdir(parents=True)
    (tmp_path / "runs" / "lenet5-few-2" / "mine.txt").write_text("")
    (tmp_path / "runs" / "lenet5-few-4").write_text("a file")
    names = [str(Run.start(recipe()).folder) for _ in range(3)]
    assert names == ["runs/lenet5-few-1", "runs/lenet5-few-3", "runs/lenet5-few-5"]


def test_names_below_a_file_are_not_counted_for_ever(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OSError, match=r"runs/lenet5-few-1 cannot be made \(Not a directory\)"):
        Run.start(recipe())


@pytest.mark.parametrize("call", range(1, 9))
def test_a_disk_that_is_full_at_the_start_leaves_nothing(call, tmp_path, monkeypatch):
    with FullAt(call, monkeypatch) as calls:
        try:
            Run.start(recipe(), tmp_path / "a" / "run")
        except OSError as error:
            told = str(error)
        else:
            assert calls[0] < call, "the disk was full, and nobody said so"
            return
    assert told.endswith("run cannot be made (No space left on device): name another place with --out")
    assert list(tmp_path.iterdir()) == []
    Run.start(recipe(), tmp_path / "a" / "run")


class FullAt:
    """While it lasts, the n-th wait for the disk says that it is full."""

    def __init__(self, call: int, monkeypatch: pytest.MonkeyPatch):
        self.call, self.monkeypatch, self.calls = call, monkeypatch, [0]

    def __enter__(self) -> list[int]:
        system = os.fsync

        def fsync(descriptor: int) -> None:
            self.calls[0] += 1
            if self.calls[0] == self.call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            system(descriptor)

        self.patch = self.monkeypatch.context()
        self.patch.__enter__().setattr(os, "fsync", fsync)
        return self.calls

    def __exit__(self, *error: Any) -> None:
        self.patch.__exit__(*error)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    DATA_SETS["few"] = few.FEW
    run = Run.start(recipe(), tmp_path_factory.mktemp("never") / "run")
    run.fit()
    yield outcome(run.folder)
    del DATA_SETS["few"]


@pytest.mark.parametrize("call", range(1, 15, 2))
def test_a_disk_that_is_full_while_saving_leaves_the_old_checkpoint_and_the_run_goes_on_later(
    call, tmp_path, monkeypatch, expected
):
    folder = tmp_path / "run"
    Run.start(recipe(), folder).fit(StopAfter(1))
    told = (
        r"^the run could not be saved in .*run \(No space left on device\): what was saved before is intact, and once "
    )
    with FullAt(call, monkeypatch), pytest.raises(OSError, match=told + ".* 'tinycnn train --resume .*run' goes on"):
        Run.resume(folder).fit()
    for name in ("last", "best"):
        if (folder / f"{name}.safetensors").exists():
            load_checkpoint(folder / f"{name}.safetensors")
    assert not list(folder.glob(".*.part"))
    Run.resume(folder).fit()
    assert outcome(folder) == expected


def test_a_small_disk_that_fills_up(tmp_path, expected):
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "small", place]).returncode:
        pytest.skip("a file system can be mounted by root alone")
    try:
        Run.start(recipe(), place / "run").fit(StopAfter(1))
        (place / "filler").write_bytes(b"x" * (shutil.disk_usage(place).free - 100_000))
        with pytest.raises(
            OSError, match=r"could not be saved in .* \(No space left on device\): .* goes on from there"
        ):
            Run.resume(place / "run").fit()
        load_checkpoint(place / "run" / "last.safetensors")
        with pytest.raises(OSError, match=r"second cannot be made \(No space left on device\)"):
            Run.start(recipe(), place / "second")
        assert not (place / "second").exists()
        (place / "filler").unlink()
        Run.resume(place / "run").fit()
        assert outcome(place / "run") == expected
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_resuming_where_there_is_nothing_to_resume(tmp_path):
    (tmp_path / "file").touch()
    for place, told in (
        (tmp_path, r"holds no run to go on with: there is no last\.safetensors in it"),
        (tmp_path / "absent", "there is no folder .*absent"),
        (tmp_path / "file", "is a file: give the folder that it is in"),
    ):
        with pytest.raises(FileNotFoundError, match=told):
            Run.resume(place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    save_model(tmp_path / "last.safetensors", recipe(), recipe().architecture.build().state_dict())
    with pytest.raises(ValueError, match="holds a model alone, no state of a training to go on from"):
        Run.resume(tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("random"), r"last\.safetensors does not fit its recipe, lenet5: .*no 'random'"),
        (lambda state: state.update(random=3), r"last\.safetensors does not fit its recipe, lenet5: "),
        (lambda state: state.update(position=3), r"last\.safetensors does not fit its recipe, lenet5: "),
        (lambda state: state.update(schedule=None), r"with no schedule, and this one has one"),
        (
            lambda state: state["optimizer"].update(betas=[0.9, 0.99]),
            "does not fit its recipe, lenet5: SGD.load_state_dict",
        ),
        (lambda state: state["optimizer"].update(lr="fast"), "does not fit its recipe, lenet5: SGD: lr must be"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_in_one_sentence_and_the_folder_set_free(change, told, tmp_path):
    Run.start(recipe(), tmp_path / "run").fit(StopAfter(1))
    last = tmp_path / "run" / "last.safetensors"
    whole = last.read_bytes()
    arrays, description = load_arrays(last)
    change(description["state"])
    save_arrays(last, arrays, description)
    with pytest.raises(ValueError, match=told) as caught:
        Run.resume(tmp_path / "run")
    assert "\n" not in str(caught.value)
    last.write_bytes(whole)
    assert finished(in_another_process("resume", tmp_path / "run"))[1] == 0


def test_leftovers_of_a_killed_start_are_taken_over(tmp_path):
    (tmp_path / ".lock").write_text("")
    (tmp_path / ".last.safetensors.123.part").write_bytes(b"half")
    Run.start(recipe(), tmp_path).fit(StopAfter(1))
    assert not list(tmp_path.glob(".*.part"))
    (tmp_path / "config.json").unlink()
    (tmp_path / ".best.safetensors.99.part").write_bytes(b"half")
    Run.resume(tmp_path)
    assert not list(tmp_path.glob(".*.part"))
    assert (tmp_path / "config.json").is_file()


PROGRAM = """
import sys
from pathlib import Path
from tests.training import few
from tinycnn.data import DATA_SETS
from tinycnn.training import Run
DATA_SETS["few"] = few.FEW
how, folder = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None
try:
    run = Run.resume(folder) if how == "resume" else Run.start(few.recipe(), folder)
except BlockingIOError as error:
    print(f"refused: {error}", flush=True)
    sys.exit(2)
print(run.folder, flush=True)
if how == "hold":
    sys.stdin.read()
"""


def in_another_process(how: str, folder: Path | None = None, cwd: Path = ROOT) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, how, *([str(folder)] if folder else [])]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, text=True, cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)}, **pipes)


def finished(process: subprocess.Popen[str]) -> tuple[str, int]:
    told, _ = process.communicate()
    return told.strip(), process.returncode


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
    folder = tmp_path / "run"
    first = in_another_process("hold", folder)
    assert first.stdout is not None
    assert first.stdout.readline().strip() == str(folder)
    refused = f"refused: another process is training in {folder}: wait for it, or stop it"
    assert finished(in_another_process("resume", folder)) == (refused, 2)
    with pytest.raises(BlockingIOError, match="another process is training in"):
        Run.resume(folder)
    first.send_signal(signal.SIGKILL)
    finished(first)
    assert finished(in_another_process("resume", folder)) == (str(folder), 0)
    Run.resume(folder)


def test_the_folder_is_free_again_after_fit(tmp_path):
    run = Run.start(recipe(), tmp_path / "run")
    assert finished(in_another_process("resume", run.folder))[1] == 2
    again = Run.resume(run.folder)  # in the same process it goes on, though the first still stands for it
    again.fit(StopAfter(1))
    assert finished(in_another_process("resume", run.folder))[1] == 0
    del run, again
    gc.collect()
    assert Run.resume(tmp_path / "run").trainer.batch == 1
    gc.collect()  # one that is forgotten lets go too
    assert finished(in_another_process("resume", tmp_path / "run"))[1] == 0


def test_processes_that_start_at_once_take_different_names(tmp_path):
    processes = [in_another_process("start", cwd=tmp_path) for _ in range(3)]
    told = sorted(finished(process) for process in processes)
    assert told == [(f"runs/lenet5-few-{number}", 0) for number in (1, 2, 3)]
    for number in (1, 2, 3):
        load_checkpoint(tmp_path / "runs" / f"lenet5-few-{number}" / "last.safetensors")


def test_processes_that_start_in_one_folder_at_once_are_told_but_for_one(tmp_path):
    processes = [in_another_process("hold", tmp_path / "run") for _ in range(3)]
    told = [finished(process) for process in processes]
    assert sorted(code for _, code in told)[0] == 0
    assert [code for _, code in told].count(0) == 1
    assert storage.PARTIAL not in "".join(path.name for path in (tmp_path / "run").iterdir())


def test_a_backend_that_is_missing_here_leaves_no_folder(tmp_path):
    with pytest.raises(ValueError, match="backend 'quantum' is not available here; there is numpy"):
        Run.start(recipe(backend="quantum"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
