"""What the book is made of, before Sphinx: README's sections, boxes at the head of pages, docstrings as markup.

The built book is tested by `make test-book`.
"""

import re
import tomllib
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import yaml

import build
import conf
import knobs
from tdlib import rows
from tdlib.store import Store

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("title", [*build.PARTS.values(), *build.CHAPTERS.values()])
def test_each_section_that_the_book_takes_is_in_readme(title):
    assert len(build.section(README, title)) > 100


def test_a_section_ends_at_the_next_heading_and_a_missing_one_is_named():
    text = "## One\n\n    first, code\n\n## Two\nsecond\n"
    assert build.section(text, "One") == "    first, code\n"
    assert build.section(text, "Two") == "second\n"
    with pytest.raises(ValueError, match="no section 'Three'"):
        build.section(text, "Three")


def test_the_front_page_leads_to_every_text_and_chapter():
    listed = re.findall(r"^[\w/]+$", (ROOT / "docs/book/index.md").read_text(), re.MULTILINE)
    assert {f"docs/{path.stem}" for path in (ROOT / "docs").glob("*.md")} | set(build.CHAPTERS) <= set(listed)


def test_every_page_has_its_line_in_readme_and_those_before_it_come_before_it():
    lines = build.table_of_pages(README)
    assert sorted(lines) == PAGES
    for name, needs in build.NEEDS.items():
        assert name in PAGES
        assert all(before in PAGES and before < name for before in re.findall(r"`(\w+)`", needs))


def test_a_box_says_what_a_page_needs_and_leaves_out_what_it_does_not_stand_for():
    line = {"question": "why?", "in the paper": "", "minutes": "0.2"}
    box = build.box("12_beyond", 600, line)
    assert "Before\n: [05_main_table](05_main_table.ipynb), [07_versatility](07_versatility.ipynb)\n" in box
    assert "Time\n: 4 minutes to read, 0.2 to run\n" in box
    assert "Command\n: `python -m tdlib pages 12_beyond`\n" in box
    assert "In the paper" not in box
    assert "In the paper\n: Fig 1\n" in build.box("12_beyond", 600, line | {"in the paper": "Fig 1"})


def test_the_reference_has_every_module_with_its_first_line_but_private_ones():
    found = build.modules()
    assert found["tdlib.losses"].startswith("The two patterns that a teacher hands to a student (")
    packages = {f"tdlib.{path.parent.name}" for path in (ROOT / "tdlib").glob("[a-z]*/__init__.py") if path.read_text()}
    assert packages <= set(found)
    assert {f"tdlib.{path.stem}" for path in (ROOT / "tdlib").glob("[a-z]*.py")} <= set(found)
    assert not any(part.startswith("_") for name in found for part in name.split("."))


def test_the_paper_is_cited_as_its_file_has_it():
    entry = build.bibtex(yaml.safe_load((ROOT / "CITATION.cff").read_text()))
    assert entry.startswith("@article{timedistill,\n  title = {TimeDistill: Efficient ")
    assert "  author = {Ni, Juntong and Liu, Zewen and Wang, Shiyu and Jin, Ming and Jin, Wei}," in entry
    assert "  journal = {arXiv preprint arXiv:2502.15016},\n  year = {2025},\n}" in entry


def test_a_page_that_is_named_is_a_link_unless_it_is_one_or_is_not_there():
    text = "Page 05 and page 00b, [page 05](there), page 99, pages 05_main_table"
    assert build.with_links(text, "up/") == (
        "[Page 05](up/05_main_table.ipynb) and [page 00b](up/00b_claims.ipynb), [page 05](there), page 99, "
        "pages 05_main_table"
    )


def test_links_of_a_text_lead_to_pages_and_to_files_beside_them(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    text = """[page](../notebooks/00_quickstart.ipynb#the-table), [words](book/glossary.md), [costs](scaling.md),
[claims](../results/claims.csv), [loss](../tdlib/losses.py), [folder](../figures), [README](../README.md#the-claims),
[paper](https://arxiv.org/abs/2502.15016)"""
    build._write("docs/text.md", text, below="docs")
    assert (
        (tmp_path / "docs/text.md").read_text()
        == """\
[page](../notebooks/00_quickstart.ipynb#the-table), [words](../glossary.md), [costs](../docs/scaling.md),
[claims](../results/claims.csv), [loss](../tdlib/losses.py), folder, README,
[paper](https://arxiv.org/abs/2502.15016)"""
    )
    assert (tmp_path / "tdlib/losses.py").is_file() and (tmp_path / "results/claims.csv").is_file()


def test_a_docstring_becomes_text_with_code_and_formulas():
    doc = "First | second, x_ and `code` or `a b`.\n\n    y = a * b\n\nLast."
    assert conf.as_rst(doc) == (
        "First \\| second, x\\_ and :py:obj:`code` or ``a b``.\n\n::\n\n        y = a * b\n\nLast."
    )


def test_another_mathjax_than_the_known_one_is_refused_and_no_network_is_told(monkeypatch, tmp_path):
    wrong = tmp_path / "wrong.tgz"
    wrong.write_bytes(b"something else")
    monkeypatch.setattr(build, "MATHJAX", wrong.as_uri())
    with pytest.raises(ValueError, match="sha256 differs"):
        build.mathjax(tmp_path / "mathjax")
    monkeypatch.setattr(build, "MATHJAX", (tmp_path / "nowhere.tgz").as_uri())
    with pytest.raises(ValueError, match="cannot be fetched"):
        build.mathjax(tmp_path / "mathjax")
    assert not (tmp_path / "mathjax").exists()


def test_mathjax_that_is_there_is_not_fetched_again(monkeypatch, tmp_path):
    (tmp_path / "tex-svg.js").touch()
    monkeypatch.setattr(urllib.request, "urlopen", None)
    build.mathjax(tmp_path)


def test_the_glossary_is_in_order_and_says_each_word_once():
    text = (ROOT / "docs/book/glossary.md").read_text()
    words = re.findall(r"^(?=\S)(?!#|```)(.+)$", text, re.MULTILINE)
    assert len(words) >= 20
    assert words == sorted(words, key=str.lower) and len(set(words)) == len(words)


def test_the_lock_pins_what_the_extra_asks_for():
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["book"]
    lines = (ROOT / "requirements-book.lock").read_text().lower().splitlines()
    pinned = {line.split("==")[0] for line in lines if line[0] != "#"}
    assert {re.match(r"[\w-]+", name)[0] for name in extra} <= pinned
    shared = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().lower().splitlines()}
    assert not pinned & shared  # one package is pinned in one place


def test_the_book_executes_nothing_and_ships_its_mathjax():
    assert conf.nb_execution_mode == "off"
    assert conf.mathjax_path == "mathjax/tex-svg.js"


def test_the_knobs_have_the_window_and_the_forecasts_of_the_rows():
    found, store = knobs.data(ROOT / "results"), Store(ROOT / "results")
    assert sorted({(entry["alpha"], entry["beta"]) for entry in found["students"]}) == [
        (alpha, beta) for alpha in (0.1, 0.5, 1.0, 2.0) for beta in (0.1, 0.5, 1.0, 2.0)
    ]
    for entry in found["students"]:
        arrays = store.arrays(entry["id"])
        for name, values in {"sample_prediction": entry["forecast"], "sample_y": found["truth"]}.items():
            np.testing.assert_allclose(values, arrays[name][1].T.astype(float), atol=1e-9)
        assert np.shape(entry["forecast"]) == np.shape(found["plain"]) == np.shape(found["teacherForecast"]) == (7, 96)


def test_knobs_without_rows_name_the_command_that_trains_them(tmp_path):
    with pytest.raises(rows.Missing, match="python -m tdlib runs --profile laptop"):
        knobs.data(tmp_path)
