"""Sphinx: the pages as they are committed, nothing is executed and nothing is fetched. `build.py` runs this."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import tdlib  # noqa: E402, after the path

project = "TimeDistill, a study you can rerun"
author = "The authors of this study"
version = release = tdlib.__version__
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx.ext.mathjax"]
exclude_patterns = ["readme-*", "verdicts.md"]  # what a page includes
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_render_markdown_format = "myst"

html_theme = "sphinx_book_theme"
html_title = project
html_show_search_summary = False  # it would be fetched, which a browser refuses a page from disk
html_static_path = ["_static", str(ROOT / "build/book-static")]  # the second is made by `build.py`
html_css_files = ["book.css"]
html_theme_options = {"use_fullscreen_button": False, "show_toc_level": 2, "home_page_in_toc": True}
html_context = {"default_mode": "auto"}  # the theme complains in the browser's console where it is not named
mathjax_path = "mathjax/tex-svg.js"  # shipped: formulas need no other host
mathjax3_config = {"options": {"enableMenu": False}}  # whose entries would fetch more

autodoc_mock_imports = ["sktime"]  # an extra that the book does without
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True, "ignore-module-all": True}
autodoc_inherit_docstrings = False  # torch's words about `forward` are not ours
add_module_names = False


def as_rst(text: str) -> str:
    """A docstring as reStructuredText: ours are plain text with `code` in backticks and formulas indented."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.split("\n")
        head = next((n for n, line in enumerate(lines) if line.startswith("    ")), len(lines))
        if words := "\n".join(lines[:head]):
            blocks.append(_escaped(words))
        if head < len(lines):
            blocks.append("::\n\n" + "\n".join("    " + line for line in lines[head:]))
    return "\n\n".join(blocks)


def _escaped(words: str) -> str:
    parts = re.split(r"`+([^`]+)`+", words)  # code at odd places
    parts[::2] = [re.sub(r"(?<!^)([*|_\\])", r"\\\1", text) for text in parts[::2]]  # a star that begins a list stays
    parts[1::2] = [
        f":py:obj:`{code}`" if re.fullmatch(r"[\w.]+", code) else f"``{code.strip()}``" for code in parts[1::2]
    ]
    return "".join(parts)


def _docstring(app, what, name, obj, options, lines: list[str]) -> None:
    lines[:] = as_rst("\n".join(lines)).split("\n")


def _skip(app, what, name: str, obj, skip: bool, options) -> bool:
    """What has no docstring is left out, but `forward`: its annotations are the shapes."""
    return skip and name != "forward"


def setup(app) -> None:
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-skip-member", _skip)
