"""Every link of the built pages leads somewhere, and every image is there and told in words."""

from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.site import SAMPLE, pages

pytestmark = pytest.mark.xdist_group("docs")


class Page(HTMLParser):
    """What a page links to, shows, and can be linked at."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.links, self.ids, self.images, self.files = [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.ids.add(told.get("id"))
        if tag == "a" and told.get("href") is not None:
            self.links.append(told["href"])
        if tag == "img":
            self.images.append(told)
        if tag in ("img", "script"):
            self.files.append(told.get("src"))
        if tag == "link" and told.get("rel") in ("stylesheet", "icon", "preload"):
            self.files.append(told.get("href"))


def faults(root):
    """Of all pages below a folder: links and images that are wrong, in words."""
    read = {path.resolve(): Page(path) for path in pages(root)}
    found = []
    for page in read.values():
        place = page.path.relative_to(root)
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if parts.scheme != "https" or "." not in parts.netloc or " " in link:
                    found.append(f"{place}: {link} is no address of https")
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
            if not target.is_file():
                found.append(f"{place}: {link} leads to no file")
            elif parts.fragment and target in read and unquote(parts.fragment) not in read[target].ids:
                found.append(f"{place}: {link} leads to no place on the page")
        found += [f"{place}: {image.get('src', '')[:60]} has no alt" for image in page.images if not image.get("alt")]
        for file in filter(None, page.files):
            parts = urlsplit(file)
            if parts.scheme != "data" and (parts.netloc or not (page.path.parent / unquote(parts.path)).is_file()):
                found.append(f"{place}: {file} is not among the site's files")
    return found


def test_every_link_leads_somewhere_and_every_image_is_told(site):
    assert len(pages(site)) > 30
    assert faults(site) == []


def test_nothing_is_linked_that_is_not_meant_to_be(site):
    # The hosts that pages lead to, so that none slips in with a theme.
    links = {link for path in pages(site) for link in Page(path).links}
    assert {urlsplit(link).netloc for link in links} - {""} <= {"marimo.io"}


def test_the_tutorials_are_listed(site):
    index = (site / "tutorials" / "index.html").read_text(encoding="utf-8")
    assert f'href="{SAMPLE}.html"' in index
    assert "1. A picture is an array" in index


def test_what_is_wrong_is_found(tmp_path):
    (tmp_path / "other.html").write_text("<p id='here'>a</p>")
    (tmp_path / "index.html").write_text(
        "<a href='other.html#here'>a</a><a href='other.html#there'>a</a><a href='none.html'>a</a><a href='#up'>a</a>"
        "<a href='http://example.org'>a</a><a href='https://example'>a</a><a href='https://example.org/a'>a</a>"
        "<img src='data:,' alt='a'><img src='data:,'><img src='none.png' alt='a'>"
        "<script src='https://example.org/a.js'></script><link rel='stylesheet' href='none.css'>"
    )
    assert [fault.partition(": ")[2] for fault in faults(tmp_path)] == [
        "other.html#there leads to no place on the page",
        "none.html leads to no file",
        "#up leads to no place on the page",
        "http://example.org is no address of https",
        "https://example is no address of https",
        "data:, has no alt",
        "none.png is not among the site's files",
        "https://example.org/a.js is not among the site's files",
        "none.css is not among the site's files",
    ]
