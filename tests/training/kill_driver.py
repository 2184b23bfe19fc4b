"""Kills runs, resumes them, and compares how they end with runs that nobody disturbed.

``python -m tests.training.kill_driver FOLDER KILLS SEED`` prints one JSON object that counts what happened.

Each life of a run is a process of its own, forked so that a life need not import anything; NumPy's kernels run, as
Numba's would have to be loaded in each. It is killed with SIGKILL: at a random time, by its parent; or, by itself, at a
call drawn beforehand of those by which files are made, in one of three ways: before the call, after it, or, of a write,
when half of the bytes are in the file. The first life of each run is killed while it makes its folder. How many lives
are killed in each of these ways is decided beforehand; how many runs that takes depends on the machine, since a life
may end before its time comes.
"""

import json
import mmap
import os
import pathlib
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.training import few
from tinycnn.data import DATA_SETS
from tinycnn.training import Recipe, Run, load_checkpoint
from tinycnn.training import run as run_module

SAVE_EVERY = 0.01  # seconds: every few batches
LIFE = 0.3  # seconds, of a life that is killed at a random time, at most
CALLS = 120  # of a life that is killed while it saves, at most
CALLS_OF_MAKING = 26
WAYS = ("before", "after", "half")
KILLS_OF_A_RUN = 6  # after which it is let live
SHARES = {"making": 0.2, "time": 0.4, "saving": 0.4}  # of the kills
NOTE = mmap.mmap(-1, 64)  # shared with the lives, which leave a note where they kill themselves


class Doom:
    """Counts the calls by which files are made, and kills the process at one of them."""

    def __init__(self, number: int, way: str):
        self.left, self.way = number, way

    def watch(self) -> None:
        """Put every such call under this doom."""
        for owner, name in (
            (os, "open"),
            (os, "fsync"),
            (os, "replace"),
            (pathlib.Path, "mkdir"),
            (pathlib.Path, "unlink"),
        ):
            setattr(owner, name, self.watched(name, getattr(owner, name)))
        open_file = pathlib.Path.open

        def open_watched(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            if mode[0] not in "wax":
                return open_file(path, mode, *arguments, **options)
            return Watched(self, self.watched("open", open_file)(path, mode, *arguments, **options))

        pathlib.Path.open = open_watched

    def watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, which may be the last."""

        def wrapper(*arguments: Any, **options: Any) -> Any:
            due = self.due(name)
            if due and self.way != "after":
                self.die(name, "before")
            result = call(*arguments, **options)
            if due:
                self.die(name, "after")
            return result

        return wrapper

    def due(self, name: str) -> bool:
        """Count one more call; to be half done, only a write will do."""
        self.left -= self.way != "half" or name == "write"
        return self.left == 0

    def die(self, name: str, way: str) -> None:
        """Kill the process, which has no say in it."""
        NOTE[:] = f"{way} {name}".encode().ljust(len(NOTE))
        os.kill(os.getpid(), signal.SIGKILL)


class Watched:
    """A file that is written to, perhaps by half."""

    def __init__(self, doom: Doom, file: Any):
        self.doom, self.file = doom, file

    def write(self, data: Any) -> Any:
        due = self.doom.due("write")
        if due and self.doom.way == "before":
            self.doom.die("write", "before")
        if due and self.doom.way == "half":
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            self.doom.die("write", "half-way")
        result = self.file.write(data)
        if due:
            self.file.flush()
            self.doom.die("write", "after")
        return result

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()


def live(folder: Path, recipe: Recipe) -> None:
    """Go on with the run in the folder, or start it, and test it when it is done."""
    if (folder / "last.safetensors").exists():
        if (folder / "best.safetensors").exists():
            load_checkpoint(folder)
        if (folder / "metrics.jsonl").exists():
            few.metrics(folder)
        run = Run.resume(folder)
    else:
        run = Run.start(recipe, folder)
    run.fit()
    run.test()


def in_a_process(life: Callable[[], None]) -> int:
    """Fork a process that does nothing else; its id."""
    NOTE[:] = b" " * len(NOTE)
    process = os.fork()
    if process:
        return process
    try:
        life()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def wait(process: int) -> bool:
    """Whether it was killed; an error in it is raised here."""
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a life ended with status {status}")
    return status != 0


class Campaign:
    """Kills so many lives, over as many runs as that takes."""

    def __init__(self, folder: Path, kills: int, seed: int):
        self.folder, self.kills = folder, kills
        self.left = {kind: round(share * kills) for kind, share in SHARES.items()}
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.places: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        """All of it; what happened, counted."""
        while self.counts["kills"] < self.kills:
            assert self.counts["runs"] <= 4 * self.kills, "runs come to their end, though their lives should be killed"
            self.one_run(self.counts["runs"])
            self.counts["runs"] += 1
        return {**self.counts, "places": dict(sorted(self.places.items()))}

    def one_run(self, number: int) -> None:
        """Kill one run until it ends, or until there were kills enough, and compare it."""
        recipe = few.recipe(seed=number, patience=number % 3, augment=number % 2 == 0, backend="numpy")
        undisturbed, folder = self.folder / f"{number}-undisturbed", self.folder / f"{number}"
        wait(in_a_process(lambda: live(undisturbed, recipe)))
        killed = True
        for life in range(KILLS_OF_A_RUN):
            kind = "making" if life == 0 and self.left["making"] else max(("time", "saving"), key=self.left.__getitem__)
            if not self.left[kind]:
                break
            killed = self.kill_one(folder, recipe, kind)
            if not killed:
                break
            if not (folder / "last.safetensors").exists():
                self.counts["before there was a run"] += 1
        if killed:
            wait(in_a_process(lambda: live(folder, recipe)))
        assert few.outcome(folder) == few.outcome(undisturbed), f"run {number} ends otherwise than if undisturbed"
        left = sorted(path.name for path in folder.iterdir())
        assert left == sorted(path.name for path in undisturbed.iterdir()), left

    def kill_one(self, folder: Path, recipe: Recipe, kind: str) -> bool:
        """Live one life; whether it was killed before it ended by itself."""
        way = WAYS[(self.counts["saving"] + self.counts["making"]) % len(WAYS)]
        calls = CALLS_OF_MAKING if kind == "making" else CALLS
        doom = Doom(self.random.randint(1, calls // 2 if way == "half" else calls), way)  # about half are writes
        delay = self.random.uniform(0, LIFE)

        def life() -> None:
            run_module.SAVE_EVERY = SAVE_EVERY
            if kind != "time":
                doom.watch()
            live(folder, recipe)

        process = in_a_process(life)
        if kind == "time":
            time.sleep(delay)
            os.kill(process, signal.SIGKILL)
        killed = wait(process)
        if killed:
            self.counts["kills"] += 1
            self.counts[kind] += 1
            self.left[kind] -= 1
            if kind != "time":
                self.places[NOTE[:].decode().strip()] += 1
        return killed


def main() -> None:
    """Run a campaign and print what it counted."""
    DATA_SETS["few"] = few.FEW
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(Campaign(folder, kills, seed).run()))


if __name__ == "__main__":
    main()
