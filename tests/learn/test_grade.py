"""Grading a class: what everybody deserves, and nothing for those who attack the grader."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.cases import LONG
from tests.learn.submissions import LEAK, World, submissions
from tests.oracles import REQUIRED, oracle
from tinycnn.learn import grade as grading
from tinycnn.learn import process, sandbox, sandboxed
from tinycnn.learn.dev import absent
from tinycnn.learn.exercise import FOLDER, exercises
from tinycnn.learn.feedback import judge
from tinycnn.learn.grade import grade

oracle("jinja2")

COUNT = 200 if LONG else 24
"""Of submissions, by the profile: 200 for "full", else as many as are graded in a few seconds."""

SEED = 2026
ALL = [one for one in exercises().values() if not absent(one) and not one.needs]
FIRST = ALL[0]

contained = pytest.mark.skipif(sandbox.available() is not None and not REQUIRED, reason=str(sandbox.available()))


@pytest.fixture
def short(monkeypatch):
    """Less time and memory, so that what is endless ends sooner and greed is cheaper."""
    monkeypatch.setattr(process, "START", -1.0)
    monkeypatch.setattr(process, "MEMORY", 2**30)


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """A folder for temporary files, in which nothing may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def hand_in(folder, learner, files):
    """A learner's folder with these texts."""
    (folder / learner).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / learner / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")


def files_below(folder):
    """All there is, as it is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        found[path] = status.st_mode, status.st_mtime_ns, content
    return found


def processes_with(marker):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if marker.encode() in command and int(path.parent.name) != os.getpid():
            found.append((path.parent.name, command))
    return found


def at_home(submission, folder):
    """What the learner is told, on the cases that everybody sees."""
    one, cases = submission.exercise, submission.exercise.cases(0)
    file = folder / f"{one.name}.py"
    file.write_text(submission.text, encoding="utf-8", errors="surrogateescape")
    return judge(one, cases, process.answers(one, cases, file), "en")


@pytest.mark.long
@contained
def test_a_class_is_graded_as_it_deserves_and_nobody_escapes(short, temporary, tmp_path):
    handed_in, outside, marker = tmp_path / "class", tmp_path / "outside", f"tinycnn-marker-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        victim = handed_in / "zz victim"
        hand_in(handed_in, victim.name, {one.name: one.solution for one in ALL[:2]})
        world = World(
            handed_in, victim / f"{FIRST.name}.py", FOLDER, outside, listener.getsockname()[1], os.getpid(), marker
        )
        everybody = submissions(ALL, world, COUNT)
        for number, each in enumerate(everybody):
            hand_in(handed_in, f"{number:03} {each.kind}", {each.exercise.name: each.text})
        before = files_below(handed_in)
        start = time.perf_counter()
        grades = grade(handed_in, tmp_path / "grades", seed=SEED, exercises=ALL)
        seconds = time.perf_counter() - start
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()

    escapes, unlike = [], []
    for learner, each in zip(grades.learners, everybody, strict=False):
        (found,) = [g for g in learner.grades if g.state != "missing"]
        assert learner.name == f"{learner.name[:3]} {each.kind}"
        if each.honest:
            told = at_home(each, tmp_path)
            seen = found.state == "passed", found.fault, found.misconception
            if seen != (told.passed, told.fault, told.misconception):
                unlike.append((learner.name, each.exercise.name, found, told))
        elif found.state == "passed" or LEAK in found.message:
            escapes.append((each.kind, found))
    assert not unlike
    assert not escapes
    assert grades.learners[-1].name == victim.name
    assert grades.learners[-1].score == 2
    assert not outside.exists()
    assert not Path("/tmp", marker).exists()
    assert files_below(handed_in) == before
    assert not list(temporary.iterdir())
    assert not processes_with(marker)
    counts = Counter(g.fault or g.state for learner in grades.learners for g in learner.grades if g.state != "missing")
    print(f"{COUNT} submissions in {seconds:.1f} s, {len(escapes)} escapes: {dict(counts.most_common())}")
    assert sandboxed.UNCONTAINED not in counts


# What is refused


def refusal(folder, name="eve", **options):
    found = grade(folder / "class", folder / "grades", seed=0, unsafe=True, exercises=[FIRST], **options)
    (learner,) = [each for each in found.learners if each.name == name]
    return learner.grades[0], learner.notes, found.notes


def test_a_link_out_of_the_folder_is_refused_and_said(tmp_path):
    hand_in(tmp_path / "class", "ann", {FIRST.name: FIRST.solution})
    (tmp_path / "class" / "eve").mkdir()
    (tmp_path / "class" / "eve" / f"{FIRST.name}.py").symlink_to(tmp_path / "class" / "ann" / f"{FIRST.name}.py")
    (tmp_path / "class" / "eve" / "all").symlink_to(tmp_path / "class" / "ann")
    (tmp_path / "class" / "mallory").symlink_to(tmp_path / "class" / "ann")
    found, notes, others = refusal(tmp_path)
    assert (found.state, found.message) == (
        "refused",
        f"{FIRST.name}.py was not read: it is a link; hand in the file itself.",
    )
    assert notes == ("Links are not followed: all.",)
    assert others == ("Links are not followed: mallory.",)


@pytest.mark.parametrize("kind", ["pipe", "second name", "too large", "twice", "folder"])
def test_what_is_no_plain_file_is_refused(kind, tmp_path):
    hand_in(tmp_path / "class", "ann", {FIRST.name: FIRST.solution})
    folder = tmp_path / "class" / "eve"
    folder.mkdir()
    file = folder / f"{FIRST.name}.py"
    made = {
        "pipe": lambda: os.mkfifo(file),
        "second name": lambda: os.link(tmp_path / "class" / "ann" / f"{FIRST.name}.py", file),
        "too large": lambda: file.write_text("#" * 2**19),
        "twice": lambda: hand_in(tmp_path / "class", "eve", {FIRST.name: FIRST.solution, f"b/{FIRST.name}": "x"}),
        "folder": lambda: file.mkdir(),
    }
    (folder / "b").mkdir()
    made[kind]()
    found, _, _ = refusal(tmp_path)
    assert found.state == ("missing" if kind == "folder" else "refused")
    told = {"pipe": "no plain file", "second name": "second name", "too large": "larger than", "twice": "several times"}
    assert told.get(kind, "") in found.message


HARMLESS = (
    "reads another's folder",
    "lists the class",
    "reads the exercises",
    "lists one exercise",
    "reads the grader's environment",
    "signals the grader",
    "connects",
    "sends a datagram",
    "listens",
    "writes outside",
    "writes beside itself",
    "leaves by the shell",
    "removes another's file",
)


def test_attacks_succeed_where_nothing_contains_them(tmp_path):
    hand_in(tmp_path / "class", "ann", {FIRST.name: FIRST.solution})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports, other = listener.getsockname()[1], tmp_path / "class" / "ann" / f"{FIRST.name}.py"
        world = World(tmp_path / "class", other, FOLDER, tmp_path / "outside", ports, os.getpid(), "")
        attacks = {each.kind: each for each in submissions([FIRST], world, 300) if each.kind in HARMLESS}
        for number, kind in enumerate(HARMLESS):
            hand_in(tmp_path / "class", f"{number:02} {kind}", {FIRST.name: attacks[kind].text})
        found = grade(tmp_path / "class", tmp_path / "grades", seed=0, unsafe=True, exercises=[FIRST])
        listener.accept()[0].close()
    assert not [learner for learner in found.learners[:-1] if LEAK not in learner.grades[0].message]
    assert (tmp_path / "outside").exists()
    assert not other.exists()


def test_the_same_file_twice_counts_once(tmp_path):
    hand_in(tmp_path / "class" / "eve", "a", {FIRST.name: FIRST.solution})
    hand_in(tmp_path / "class" / "eve", "b", {FIRST.name: FIRST.solution})
    assert refusal(tmp_path)[0].state == "passed"


def test_an_exercise_that_this_machine_cannot_run_does_not_count(tmp_path, monkeypatch):
    hand_in(tmp_path / "class", "eve", {FIRST.name: FIRST.solution})
    monkeypatch.setattr(FIRST.check, "NEEDS", ("no-such-program",), raising=False)
    found = grade(tmp_path / "class", tmp_path / "grades", seed=0, unsafe=True, exercises=ALL[:2]).learners[0]
    assert [g.state for g in found.grades] == ["not run", "missing"]
    assert (found.score, found.max_score) == (0, 1)
    assert "no-such-program" in found.grades[0].message


def test_without_a_sandbox_it_stops_with_one_sentence_unless_told(tmp_path, monkeypatch):
    hand_in(tmp_path / "class", "eve", {FIRST.name: FIRST.solution})
    monkeypatch.setattr(sandbox, "available", lambda: "this kernel has no Landlock.")
    with pytest.raises(ValueError, match=r"^this kernel has no Landlock; --unsafe runs them nevertheless"):
        grade(tmp_path / "class", tmp_path / "grades", seed=0, exercises=[FIRST])
    assert not (tmp_path / "grades").exists()
    assert refusal(tmp_path)[0].state == "passed"


@pytest.mark.parametrize(
    ("submissions", "out", "seed", "told"),
    [
        ("none", "grades", 0, "none is no folder"),
        ("empty", "grades", 0, "empty holds no folders"),
        ("class", "full", 0, "full is not empty"),
        ("class", "full/file", 0, "file is a file"),
        ("class", "class/grades", 0, "would be taken for a learner"),
        ("class", "grades", -1, "at least 0, got -1"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(submissions, out, seed, told, tmp_path):
    hand_in(tmp_path / "class", "eve", {FIRST.name: FIRST.solution})
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("kept")
    before = files_below(tmp_path)
    with pytest.raises(ValueError, match=told):
        grade(tmp_path / submissions, tmp_path / out, seed=seed, unsafe=True, exercises=[FIRST])
    assert files_below(tmp_path) == before


def test_nothing_is_half_written(tmp_path, monkeypatch):
    hand_in(tmp_path / "class", "eve", {FIRST.name: FIRST.solution})
    before = files_below(tmp_path).keys()
    with monkeypatch.context() as patch:
        patch.setattr(grading, "junit", lambda grades: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            refusal(tmp_path)
    assert files_below(tmp_path).keys() == before


# Where the grader itself meets trouble


def test_answers_that_cannot_be_compared_fail_one_file_alone(tmp_path, monkeypatch):
    hand_in(tmp_path / "class", "ann", {FIRST.name: FIRST.solution})
    hand_in(tmp_path / "class", "eve", {FIRST.name: FIRST.stub})
    told = iter([judge, lambda *a: 1 / 0])
    monkeypatch.setattr(grading, "judge", lambda *a: next(told)(*a))
    found, _, _ = refusal(tmp_path)
    assert (found.state, found.fault) == ("failed", "odd")
    assert json.loads((tmp_path / "grades" / "grades.json").read_text())["learners"][0]["score"] == 1


def test_a_file_that_could_not_be_contained_is_told(tmp_path, monkeypatch):
    def broken(*args, **options):
        raise sandbox.SandboxError("no space")

    hand_in(tmp_path / "class", "eve", {FIRST.name: FIRST.solution})
    monkeypatch.setattr(sandbox, "available", lambda: None)
    monkeypatch.setattr(sandbox, "run", broken)
    found = grade(tmp_path / "class", tmp_path / "grades", seed=0, exercises=[FIRST]).learners[0].grades[0]
    assert (found.state, found.fault) == ("failed", sandboxed.UNCONTAINED)
    assert "no space" in found.message


def test_progress_reaches_the_end(tmp_path):
    for number in range(3):
        hand_in(tmp_path / "class", f"{number}", {FIRST.name: "1 / 0"})
    told = []
    refusal(tmp_path, "0", progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


INTERRUPTED = """
import sys
from pathlib import Path
from tinycnn.learn.exercise import exercise
from tinycnn.learn.grade import grade
where, unsafe, name = Path(sys.argv[1]), sys.argv[2] == "unsafe", sys.argv[3]
try:
    grade(where / "class", where / "grades", seed=0, unsafe=unsafe, exercises=[exercise(name)])
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("mode", [pytest.param("safe", marks=contained), "unsafe"])
def test_an_interrupt_leaves_no_processes_and_no_files(mode, tmp_path):
    marker, place = f"tinycnn-endless-{os.getpid()}-{mode}", tmp_path / "temporary"
    place.mkdir()
    text = f"import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'while True: pass', {marker!r}])\n"
    for number in range(4):
        hand_in(tmp_path / "class", f"{number}", {FIRST.name: text})
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path), mode, FIRST.name]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(place)}) as started:
        wait_until(lambda: processes_with(marker))
        started.send_signal(signal.SIGINT)
        assert started.wait(10) == 130
    wait_until(lambda: not processes_with(marker))
    assert not list(place.iterdir())
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["class", "temporary"]


def wait_until(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
