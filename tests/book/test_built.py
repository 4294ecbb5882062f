"""The built book as files: complete, and at home on a disk without a network."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "build/book"
PAGES = sorted(page for page in BOOK.rglob("*.html") if "_static" not in page.parts)  # there lie the theme's templates
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
if not PAGES:
    pytest.skip("there is no book: `make book` builds it", allow_module_level=True)


class Reader(HTMLParser):
    """Keeps what a page loads and where it leads."""

    def __init__(self, page: Path):
        super().__init__()
        self.loads, self.links, self.pictures = [], [], []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attributes: list) -> None:
        found = dict(attributes)
        if found.get("src"):
            self.loads.append(found["src"])
        if found.get("href"):
            (self.loads if tag == "link" else self.links).append(found["href"])
        if tag == "img":
            self.pictures.append(found)


@pytest.fixture(scope="module")
def read() -> dict[Path, Reader]:
    return {page: Reader(page) for page in PAGES}


def test_every_committed_page_is_in_it():
    assert {path.stem for path in PAGES if path.parent.name == "notebooks"} == set(NOTEBOOKS)


def test_no_script_style_font_or_picture_comes_from_another_host(read):
    for page, found in read.items():
        assert [place for place in found.loads if re.match(r"(https?:)?//", place)] == [], page
    for style in BOOK.rglob("*.css"):
        places = re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", style.read_text())
        assert [place for pair in places for place in pair if re.match(r"(https?:)?//", place)] == [], style


def test_what_a_page_loads_or_links_to_is_there(read):
    for page, found in read.items():
        for place in [*found.loads, *found.links]:
            path = re.split(r"[?#]", place)[0]
            if path and not re.match(r"[a-z]+:", path):
                assert (page.parent / path).exists(), f"{page}: {place}"


def test_mathjax_is_shipped_with_its_licence():
    folder = BOOK / "_static/mathjax"
    assert (folder / "tex-svg.js").stat().st_size > 1_000_000
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "tex-svg.js" in (BOOK / "notebooks/01_from_scratch.html").read_text()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_page_says_what_it_is_and_leads_on(name):
    text = (BOOK / f"notebooks/{name}.html").read_text()
    box = re.search(r'<div class="about admonition">(.+?)</dl>', text, re.DOTALL)[1]
    for entry in ("Question", "Before", "Time", "Command"):
        assert f"<dt>{entry}</dt>" in box
    assert f"python -m tdlib pages {name}" in re.sub(r"<[^>]+>", "", box)
    assert 'title="previous page"' in text and 'title="next page"' in text


def test_every_picture_has_words(read):
    figures = [picture for found in read.values() for picture in found.pictures if "_images" in picture["src"]]
    assert len(figures) > len(NOTEBOOKS)
    assert [picture["src"] for picture in figures if not (picture.get("alt") or "").strip()] == []


def test_the_front_page_is_the_claims():
    front = (BOOK / "index.html").read_text()
    verdicts = re.findall(r"<td[^>]*><p>(holds|does not hold here|inconclusive|not tested here)", front)
    committed = (ROOT / "results/tables/claims_headlines.csv").read_text().splitlines()[1:]
    assert len(verdicts) == len(committed) > 0
    counts = (ROOT / "results/tables/claims_counts.csv").read_text().splitlines()[-1].split(",")
    assert all(re.search(rf"<td[^>]*><p>{count}</p>", front) for count in counts)


def test_the_reference_has_every_module_that_a_reader_may_call():
    assert "multi_period" in (BOOK / "reference/tdlib.losses.html").read_text()
    modules = {path.stem for path in (ROOT / "tdlib/models").glob("*.py") if not path.stem.startswith("_")}
    assert modules == {path.stem.removeprefix("tdlib.models.") for path in BOOK.glob("reference/tdlib.models.*.html")}
