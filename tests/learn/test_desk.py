"""The learner's folder: what is written into it, what is kept, and what becomes of damage."""

import errno
from pathlib import Path

import pytest

from tests.learn import small
from tinycnn.learn import desk as desks
from tinycnn.learn.desk import STATE, Desk, named
from tinycnn.learn.exercise import exercise, exercises


@pytest.fixture(autouse=True)
def of_three(tmp_path, monkeypatch):
    small.install(monkeypatch, small.make(tmp_path / "exercises"))
    yield
    exercises.cache_clear()


@pytest.fixture
def desk(tmp_path):
    return Desk.make(tmp_path / "mine")


def passed(desk, name):
    small.solve(desk.folder, name)
    assert desk.check(exercise(name)).passed


def state(desk):
    return (desk.folder / STATE).read_text(encoding="utf-8")


def test_a_new_folder_holds_the_stubs_and_the_state(desk):
    assert sorted(path.name for path in desk.folder.iterdir()) == [f"{name}.py" for name in small.NAMES] + [STATE]
    for one in exercises().values():
        assert desk.path(one).read_text() == one.file("en")
        assert "NotImplementedError" in one.file("en")
    assert "current 01_double" in state(desk).splitlines()


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    assert Desk.make(tmp_path / "empty", "ko").path(exercise("1")).read_text(encoding="utf-8") == exercise("1").file(
        "ko"
    )


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/thoughts.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"notes is not empty, it holds thoughts\.txt: name a new or an empty folder"):
        Desk.make(tmp_path / "notes")
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["thoughts.txt"]


def test_a_folder_of_exercises_is_not_made_twice(desk):
    small.solve(desk.folder, "01_double")
    before = desk.path(exercise("1")).read_text()
    with pytest.raises(ValueError, match=r"has your exercises already: tinycnn learn .*mine goes on"):
        Desk.make(desk.folder)
    assert desk.path(exercise("1")).read_text() == before


def test_nothing_is_left_of_a_folder_that_could_not_be_filled(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(desks, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        Desk.make(tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_the_folder_is_found_from_below(desk):
    below = desk.folder / "a/b"
    below.mkdir(parents=True)
    assert Desk.find(below).folder == desk.folder.resolve()


def test_where_there_is_none_the_sentence_says_how_to_make_one(tmp_path, monkeypatch):
    (tmp_path / "bare").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path / "bare")
    for place, sentence in (
        (".", "there are no exercises here: tinycnn learn init my-exercises"),
        (tmp_path / "bare/nowhere", "there is no folder .*nowhere: tinycnn learn init"),
        (tmp_path / "file", "file is a file"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Desk.find(Path(place))


def test_what_has_passed_is_kept(desk):
    assert desk.state(exercise("1")) == "untouched"
    passed(desk, "01_double")
    again = Desk.find(desk.folder)
    assert again.state(exercise("1")) == "passed"
    assert again.count() == 1
    assert again.following() is exercise("2")


def test_a_file_that_changed_after_it_passed_is_noticed_and_counts_again_once_it_is_as_it_was(desk):
    passed(desk, "01_double")
    path = desk.path(exercise("1"))
    before = path.read_text()
    path.write_text(before + "# a note\n")
    assert desk.state(exercise("1")) == "changed"
    assert desk.count() == 0
    path.write_text(before)
    assert desk.state(exercise("1")) == "passed"


def test_a_file_that_fails_after_it_passed_keeps_its_solution_open(desk):
    passed(desk, "01_double")
    small.solve(desk.folder, "01_double", wrong="100 * ")
    verdict = desk.check(exercise("1"))
    assert (verdict.passed, verdict.misconception) == (False, "too_much")
    assert desk.state(exercise("1")) == "changed"
    assert desk.solution(exercise("1")) == exercise("1").solution


def test_a_mark_goes_when_the_same_file_no_longer_passes(desk):
    small.solve(desk.folder, "01_double", wrong="100 * ")
    one = exercise("1")
    (desk.folder / STATE).write_text(f"passed 01_double {desk.checksum(one)}\n")
    again = Desk.find(desk.folder)
    assert again.state(one) == "passed"
    again.check(one)
    assert again.state(one) == "started"
    assert Desk.find(desk.folder).state(one) == "started"


def test_a_file_that_was_saved_during_its_check_is_not_marked(desk):
    one = exercise("1")
    small.solve(desk.folder, "01_double")

    def saved_meanwhile(command, job, out, file, seconds):
        ending = desks.answers.__globals__["bounded"](command, job, out, file, seconds)
        file.write_text("something else")
        return ending

    assert desk.check(one, saved_meanwhile).passed
    assert desk.passed == {}


def test_the_solution_is_shown_only_after_passing(desk):
    with pytest.raises(ValueError, match="02_square has not passed yet"):
        desk.solution(exercise("2"))
    passed(desk, "02_square")
    assert "return (x * x)" in desk.solution(exercise("2"))


def test_hints_come_one_by_one_and_are_remembered(desk):
    one = exercise("2")
    assert desk.next_hint(one) == ("Hint 1",)
    assert Desk.find(desk.folder).next_hint(one) == ("Hint 1", "Hint 2")
    assert desk.next_hint(one) == desk.next_hint(one) == ("Hint 1", "Hint 2", "Hint 3")
    assert "hints 02_square 3" in state(desk).splitlines()
    assert desk.next_hint(exercise("3"), everything=True) == ("Hint 1", "Hint 2", "Hint 3")


def test_the_title_of_a_hint_says_what_it_is(desk):
    assert desk.hint_title(exercise("1"), 2) == "Hint 2 of 3, the formula:"


def test_a_reset_keeps_each_old_text(desk):
    one = exercise("1")
    passed(desk, "01_double")
    first = desk.path(one).read_text()
    assert desk.reset(one).name == "01_double.py.old"
    assert desk.state(one) == "untouched"
    desk.path(one).write_text("second")
    assert desk.reset(one).name == "01_double.py.old2"
    assert (desk.folder / "01_double.py.old").read_text() == first
    assert (desk.folder / "01_double.py.old2").read_text() == "second"


def test_a_reset_forgets_that_it_passed_and_which_hints_were_shown(desk):
    one = exercise("1")
    passed(desk, "01_double")
    desk.next_hint(one)
    desk.reset(one)
    for each in (desk, Desk.find(desk.folder)):
        assert (each.passed, each.hints) == ({}, {})


def test_a_reset_of_what_was_not_started_or_is_gone_keeps_nothing(desk):
    one = exercise("1")
    assert desk.reset(one) is None
    desk.path(one).unlink()
    assert desk.state(one) == "missing"
    assert desk.reset(one) is None
    assert desk.path(one).read_text() == one.file("en")


def test_a_file_that_is_gone_is_told_in_place_of_a_verdict(desk):
    desk.path(exercise("1")).unlink()
    verdict = desk.check(exercise("1"))
    assert (verdict.passed, verdict.fault) == (False, "missing")
    assert "01_double.py is not here" in verdict.message


def test_a_file_that_cannot_be_read_is_told(desk):
    path = desk.path(exercise("1"))
    path.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in desk.check(exercise("1")).message
    path.unlink()
    path.mkdir()
    assert "cannot be read" in desk.check(exercise("1")).message
    assert desk.state(exercise("1")) == "started"


def test_an_exercise_that_cannot_run_here_is_passed_over(tmp_path, monkeypatch):
    small.install(monkeypatch, small.make(tmp_path / "lacking", lacking=["square"]))
    desk = Desk.make(tmp_path / "mine")
    verdict = desk.check(exercise("2"))
    assert (verdict.passed, verdict.fault) == (False, "lacking")
    assert "needs no_such_program" in verdict.message
    assert desk.following() is exercise("3")


def test_after_the_last_comes_the_first_that_is_open(desk):
    desk.go_to(exercise("3"))
    assert desk.following() is exercise("1")
    for name in small.NAMES:
        passed(desk, name)
    assert desk.following() is None


def test_another_language_also_changes_the_files_that_were_not_started(desk):
    small.solve(desk.folder, "01_double")
    mine = desk.path(exercise("1")).read_text()
    desk.speak("ko")
    assert desk.path(exercise("1")).read_text() == mine
    assert desk.path(exercise("2")).read_text(encoding="utf-8") == exercise("2").file("ko")
    assert desk.state(exercise("2")) == "untouched"
    assert Desk.find(desk.folder).language == "ko"
    with pytest.raises(ValueError, match="unknown language 'kr': choose from en, ko"):
        desk.speak("kr")


@pytest.mark.parametrize(
    "line",
    [
        "passed 01_double",
        "passed 01_double short",
        "passed 07_unknown 0123456789abcdef",
        "hints 01_double many",
        "hints 01_double -1",
        f"hints 01_double {'9' * 5000}",
        "current nothing",
        "language tlh",
        "\x00\x01",
        "\ufffd",
    ],
    ids=repr,
)
def test_a_line_that_is_not_understood_is_told_and_kept_beside_when_the_state_is_next_written(desk, line):
    passed(desk, "01_double")
    text = state(desk) + line + "\n"
    number = len(text.splitlines())
    (desk.folder / STATE).write_text(text, encoding="utf-8")
    again = Desk.find(desk.folder)
    assert len(again.notes) == 1
    assert f"{STATE}: not understood and left out: line {number}. " in again.notes[0]
    assert again.state(exercise("1")) == "passed"
    assert state(again) == text
    again.next_hint(exercise("2"))
    assert (desk.folder / f"{STATE}.old").read_text(encoding="utf-8") == text
    assert Desk.find(desk.folder).notes == []
    assert Desk.find(desk.folder).state(exercise("1")) == "passed"


def test_bytes_that_are_no_text_start_anew(desk):
    (desk.folder / STATE).write_bytes(bytes(range(256)))
    again = Desk.find(desk.folder)
    assert len(again.notes) == 1
    assert again.current == "01_double"
    assert again.language == "en"


def test_an_edited_state_is_obeyed(desk):
    (desk.folder / STATE).write_text("\n  current   03_triple \n# a remark\nlanguage ko")
    again = Desk.find(desk.folder)
    assert (again.current, again.language, again.notes) == ("03_triple", "ko", [])


def test_a_lost_state_is_made_anew_beside_the_files(desk):
    passed(desk, "01_double")
    (desk.folder / STATE).unlink()
    again = Desk.find(desk.folder)
    assert "starts anew" in again.notes[0]
    assert again.check(exercise("1")).passed
    assert Desk.find(desk.folder).state(exercise("1")) == "passed"


def test_two_that_write_the_state_do_not_forget_what_the_other_wrote(desk):
    other = Desk.find(desk.folder)
    passed(desk, "01_double")
    other.next_hint(exercise("2"))
    desk.go_to(exercise("2"))
    again = Desk.find(desk.folder)
    assert again.state(exercise("1")) == "passed"
    assert again.hints == {"02_square": 1}
    assert again.current == "02_square"


def test_a_state_that_cannot_be_written_is_told_and_the_check_holds(desk, monkeypatch):
    def read_only(path, text):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(desks, "write_text", read_only)
    passed(desk, "01_double")
    desk.go_to(exercise("2"))
    assert desk.notes == [f"Your progress cannot be kept: {STATE}: Read-only file system."]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("9", "there is no exercise 9: they are numbered from 1 to 3"),
        ("02_sqare", "unknown exercise '02_sqare': did you mean 02_square?"),
        ("", "unknown exercise ''"),
    ],
)
def test_an_exercise_that_is_unknown_is_refused_with_the_nearest(word, sentence):
    with pytest.raises(ValueError, match=sentence):
        named(word)


def test_an_exercise_is_named_by_number_name_or_file():
    assert {named(word) for word in ("2", "02", "02_square", "02_square.py", "./02_square.py")} == {exercise("2")}
