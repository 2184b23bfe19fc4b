"""The page of a trace: complete in itself, small, and harmless whatever the record says."""

import base64
import copy
import gzip
import json
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest

import tinycnn as tc
from tinycnn.inspect.trace import page as page_module
from tinycnn.inspect.trace.page import FOLDER, SCRIPTS, STYLES, page, words, write_page
from tinycnn.inspect.trace.record import TooLargeError
from tinycnn.inspect.trace.short import shortened
from tinycnn.texts import LANGUAGES, missing

NASTY = '</script><script>alert(1)</script> <img src=x onerror="alert(2)"> {{record}} & \x1b[31m ‮ 한글'


def convolution():
    numbers = np.random.default_rng(0)
    x, w = (numbers.integers(-4, 5, shape) / 2 for shape in [(1, 2, 5, 5), (2, 2, 3, 3)])
    return tc.trace(lambda x, w, b: tc.functional.conv2d(x, w, b, stride=2, padding=1), x, w, np.array([0.5, -1.0]))


@pytest.fixture(scope="module")
def record():
    return convolution().record


def packed(made):
    """What a page carries, as its script unpacks it."""
    (text,) = re.findall(r'<script type="text/plain" id="record">([\w+/=]+)</script>', made)
    return json.loads(gzip.decompress(base64.b64decode(text)))


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_carries_the_record_and_the_words_of_its_language(record, language):
    carried = packed(page(record, language))
    assert carried["record"] == shortened(record)
    assert carried["words"] == words(record, language)
    assert set(carried["words"]) == {"page", "operations"}
    assert f'<html lang="{language}">' in page(record, language)


def test_it_needs_no_other_file(record):
    made = page(record)
    assert len(made.encode()) < page_module.LIMIT
    assert "{{" not in made
    for tag, attributes in Tags(made).found:
        assert tag not in ("link", "img", "iframe", "base")
        assert not {"src", "href", "srcset", "action"} & set(attributes)
    assert not re.search(r"url\(|@import|\bfetch\(|XMLHttpRequest|WebSocket|\bimport\b", made)


def test_the_same_record_gives_the_same_page(record):
    assert page(record) == page(copy.deepcopy(record))


def test_nothing_in_a_record_becomes_part_of_the_page(record):
    nasty = copy.deepcopy(record)
    nasty["title"] = nasty["operations"][0]["operation"] = NASTY
    nasty["made_by"]["tinycnn"] = NASTY
    nasty["operations"][0]["phases"][0]["source"][0] = NASTY
    made = page(nasty)
    tags = Counter(tag for tag, _ in Tags(made).found)
    assert tags["script"] == 2
    assert tags.keys() == {tag for tag, _ in Tags(page(record)).found}
    assert "\x1b" not in made
    assert packed(made)["record"] == shortened(nasty)


def test_a_record_that_is_too_large_is_refused_with_its_size(record):
    large = copy.deepcopy(record)
    numbers = np.random.default_rng(0).normal(size=30_000)
    large["operations"][0]["tensors"]["x"]["values"] = numbers.tolist()
    with pytest.raises(TooLargeError, match=r"would have [2-9]\d\d,\d{3} bytes, and 150,000 is the most: .*trace_part"):
        page(large)


def test_an_unknown_language_is_refused(record):
    with pytest.raises(ValueError, match="unknown language 'de'"):
        page(record, "de")


def test_it_is_written_and_shown_in_notebooks(record, tmp_path):
    traced = convolution()
    assert traced.to_html(tmp_path / "to.html") == page(record)
    write_page(tmp_path / "written.html", record)
    assert (tmp_path / "to.html").read_bytes() == (tmp_path / "written.html").read_bytes() == page(record).encode()
    ((tag, attributes),) = Tags(traced._repr_html_()).found
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["title"].startswith("Trace of conv2d")
    assert attributes["srcdoc"] == page(record)


def test_all_files_of_the_folder_are_part_of_the_page():
    assert {path.name for path in (FOLDER / "web").iterdir()} == {"page.html", *STYLES, *SCRIPTS}


def test_only_a_page_with_a_graph_carries_how_it_is_drawn(record):
    assert "drawGraph =" not in page(record)
    joined = tc.trace(lambda a, b: a * b + a, np.array([1.0, 2.0]), np.array([3.0, -1.0])).record
    assert "drawGraph =" in page(joined)
    assert "graph" in packed(page(joined))["words"]


def test_every_language_says_the_same():
    for language in LANGUAGES:
        assert not missing(FOLDER / "words" / "page", language)
