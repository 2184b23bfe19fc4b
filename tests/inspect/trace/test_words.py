"""What the pages say of the operations: in both languages, for every pass, with placeholders that are filled."""

import re
from collections.abc import Mapping

import pytest

from tests.inspect.trace.every_record import every_record
from tinycnn.inspect.trace.stops import WORDS, Pass, Sayings, place_name
from tinycnn.texts import FALLBACK, LANGUAGES, Texts, missing

PARTS = sorted(path.name for path in WORDS.iterdir() if path.is_dir())
TRANSLATIONS = [language for language in LANGUAGES if language != FALLBACK]
OF_A_PASS = ("title", "formula", "what", "question", "sentence")
"""A pass may also have a sentence for a single step; there is one for all that have none."""
FILLED = {"result", "value", "count", "stop", "stops", "line", "formula"}
"""Placeholders that a sentence may have."""

HANGUL = re.compile("[가-힣]")
PARTICLE = re.compile(r"\}(?:은|는|이|가|을|를|와|과|으로|로)(?![가-힣])")
"""One whose form depends on the sound before it, which is not known of a placeholder."""
NAMES = ("relu.title", "leaky_relu.title")
"""The same in every language."""


def texts(part, language):
    """All texts of a part, by dotted key."""
    return dict(leaves(Texts(WORDS / part, language).own))


def leaves(table, prefix=""):
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def placeholders(text):
    return sorted(re.findall(r"\{(\w+)\}", text))


def passes():
    """The name of each operation that there is a record of, with its passes."""
    return {name: record["operations"][0] for name, record in every_record().items()}


@pytest.mark.parametrize("language", TRANSLATIONS)
@pytest.mark.parametrize("part", PARTS)
def test_each_language_has_the_same_keys_and_the_same_placeholders(part, language):
    assert not missing(WORDS / part, language)
    english, other = texts(part, FALLBACK), texts(part, language)
    assert english
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in other.items()
    }


@pytest.mark.parametrize("operation", passes())
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_pass_has_its_texts(language, operation):
    own = texts("operations", language)
    assert own[f"{operation}.title"]
    for phase in passes()[operation]["phases"]:
        for key in OF_A_PASS:
            assert own[f"{operation}.{phase['name']}.{key}"], (phase["name"], key)


@pytest.mark.parametrize("operation", passes())
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_is_filled_with_what_happened(language, operation):
    shown, sayings = passes()[operation], Sayings(language)
    for phase in shown["phases"]:
        walked = Pass(shown, phase)
        for moment in (walked.moment(len(walked.stops) // 2), walked.moment(0, 0)):
            told = sayings.sentence(moment)
            assert not {"{", "}"} & set(told)
            assert moment.step is not None or place_name(shown, *moment.result[:2]) in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_ask_for_nothing_that_is_not_there(language):
    for key, text in texts("operations", language).items():
        allowed = FILLED if key.endswith((".sentence", ".step")) else set()
        assert set(placeholders(text)) <= allowed, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_formulas_are_the_same_in_every_language(language):
    english, other = texts("operations", FALLBACK), texts("operations", language)
    formulas = {key: text for key, text in english.items() if key.endswith(".formula")}
    assert len(formulas) > 40
    assert formulas == {key: text for key, text in other.items() if key.endswith(".formula")}


def test_nothing_is_left_in_english():
    for key, text in texts("operations", "ko").items():
        assert HANGUL.search(text) or key.endswith(".formula") or key in NAMES, key


@pytest.mark.parametrize("part", PARTS)
def test_no_korean_particle_follows_a_placeholder(part):
    for key, text in texts(part, "ko").items():
        assert not PARTICLE.search(text), f"{key}: {text}"
