"""The exercises themselves: fit for learners, in an order that can be followed, and of the number that is promised."""

import re

import pytest

from tests.oracles import REQUIRED
from tinycnn.learn import dev
from tinycnn.learn.exercise import exercise, exercises
from tinycnn.learn.feedback import WORDS
from tinycnn.texts import LANGUAGES, missing

ALL = exercises()


@pytest.mark.parametrize("name", ALL)
def test_it_is_fit_for_learners(name):
    one = exercise(name)
    if (lack := dev.absent(one)) and not REQUIRED:
        pytest.skip(f"needs {', '.join(lack)}")
    assert not dev.check(one)


@pytest.mark.parametrize("name", ALL)
def test_right_solutions_pass_with_other_numbers_too(name):
    one = exercise(name)
    if (lack := dev.absent(one)) and not REQUIRED:
        pytest.skip(f"needs {', '.join(lack)}")
    assert dev.verdict_on(one, one.solution, seed=7).passed


@pytest.mark.parametrize("name", ALL)
def test_it_says_the_same_in_every_language(name):
    for language in LANGUAGES:
        assert not missing(exercise(name).folder, language)
        text = exercise(name).file(language)
        compile(text, name, "exec")
        assert bool(re.search("[가-힣]", text)) == (language == "ko")


def test_the_words_of_the_runner_are_in_every_language():
    for language in LANGUAGES:
        assert not missing(WORDS, language)


def test_there_are_as_many_as_promised_and_each_needs_only_earlier_ones():
    names = list(ALL)
    assert len(names) >= 18
    assert [one.number for one in ALL.values()] == list(range(1, len(names) + 1))
    for place, (name, one) in enumerate(ALL.items()):
        assert set(getattr(one.check, "EARLIER", ())) <= set(names[:place]), name


@pytest.mark.parametrize("word", ["1", "01", "01_cross_correlation", "01_cross_correlation.py"])
def test_an_exercise_is_found_by_number_and_by_name(word):
    assert exercise(word).name == "01_cross_correlation"


def test_an_unknown_exercise_is_told_with_the_nearest():
    with pytest.raises(ValueError, match="unknown exercise '01_cros_corelation': did you mean 01_cross_correlation"):
        exercise("01_cros_corelation")
