"""Build the HTML book: `make book`.

    notebooks/*.ipynb, README.md, docs/*.md, docs/book/*.md --this file--> build/book-src --Sphinx--> build/book

Every sentence has one source: the box at the head of a page comes from README's table of pages, the front page's
claims and the pages on the numbers and the models are sections of README, the reference is made from docstrings.
The committed pages are shown as they are; nothing is executed. MathJax is fetched once, checked, and shipped, so that
the book needs no other host.
"""

import ast
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import nbformat
import yaml

import knobs  # beside this file

ROOT = Path(__file__).parents[2]
HERE = ROOT / "docs/book"
OUT = ROOT / "build/book"
SOURCES = ROOT / "build/book-src"
STATIC = ROOT / "build/book-static"  # what is made or fetched beside `_static`; `conf.py` names it
MATHJAX = "https://registry.npmjs.org/mathjax/-/mathjax-3.2.2.tgz"
MATHJAX_SHA256 = "1b9c0a1c44df864e915690558e72adb9cc5203360daefd385084ced3b6c64c09"
WORDS_A_MINUTE = 150  # of text and code, read with care

PARTS = {"readme-claims": "The claims", "readme-pages": "The pages"}  # sections of README that a page includes
CHAPTERS = {  # and those that are a page
    "numbers": "The numbers",
    "beyond": "The student to take away",
    "models": "The models",
    "cite": "Licence and citation",
}
NEEDS = {  # what to have read before a page; all others need the method, page 01
    "00_quickstart": "nothing but what a forecast is",
    "00b_claims": "`00_quickstart`",
    "01_from_scratch": "some torch; `00_quickstart` for the question",
    "06_ablation": "`01_from_scratch`, `05_main_table`",
    "08_lookback": "`05_main_table`",
    "09_sensitivity": "`01_from_scratch`, `06_ablation`",
    "12_beyond": "`05_main_table`, `07_versatility`",
    "12b_committee": "`12_beyond`",
    "14_evidence": "`05_main_table`, `09_sensitivity`",
    "15_channels": "`01_from_scratch`, `06_ablation`",
    "16_foundation": "`07_versatility`, `12_beyond`",
    "17_controls": "`12_beyond`",
}


def main() -> None:
    shutil.rmtree(SOURCES, ignore_errors=True)
    shutil.copytree(HERE, SOURCES, ignore=shutil.ignore_patterns("*.py", "_static", "__pycache__"))
    readme = (ROOT / "README.md").read_text()
    for name, title in PARTS.items():
        _write(f"{name}.md", section(readme, title))
    for name, title in CHAPTERS.items():
        _write(f"{name}.md", f"# {title}\n\n{section(readme, title)}")
    with (SOURCES / "cite.md").open("a") as page:
        page.write(f"\n```bibtex\n{bibtex(yaml.safe_load((ROOT / 'CITATION.cff').read_text()))}\n```\n")
    for path in sorted((ROOT / "docs").glob("*.md")):
        _write(f"docs/{path.name}", path.read_text(), below="docs")
    lines = table_of_pages(readme)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        _notebook(path, lines[path.stem])
    _reference()
    knobs.write(ROOT / "results", STATIC / "knobs-data.js")
    mathjax(STATIC / "mathjax")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-b", "html"]
    places = ["-c", HERE, "-d", ROOT / "build/book-doctrees", SOURCES, OUT]
    shutil.rmtree(OUT, ignore_errors=True)
    subprocess.run([*sphinx, *places], check=True)
    print(f"the book is in {OUT}: open {OUT / 'index.html'}")


def section(readme: str, title: str) -> str:
    """What stands below a heading of README; ValueError where there is none."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    if not found:
        raise ValueError(f"README has no section {title!r}, and the book shows it")
    return found[1].strip("\n") + "\n"


def bibtex(citation: dict) -> str:
    """The paper of CITATION.cff as an entry of a bibliography."""
    paper = citation["preferred-citation"]
    names = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in paper["authors"])
    fields = {"title": paper["title"], "author": names, "journal": paper["journal"], "year": paper["year"]}
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join(["@article{timedistill,", *lines, "}"])


def table_of_pages(readme: str) -> dict[str, dict[str, str]]:
    """README's table of pages: the columns of each page by its name."""
    lines = [line.split("|")[1:-1] for line in section(readme, "The pages").splitlines() if line[:1] == "|"]
    names = [name.strip() for name in lines[0]]
    return {
        re.search(r"\[(\w+)\]", line[0])[1]: dict(zip(names, (cell.strip() for cell in line), strict=True))
        for line in lines[2:]
    }


def box(name: str, words: int, line: dict[str, str]) -> str:
    """The box at the head of a page: question, what it stands for, what it needs, how long it takes, its command."""
    needs = re.sub(r"`(\w+)`", r"[\1](\1.ipynb)", NEEDS.get(name, "`01_from_scratch`"))
    entries = {
        "Question": line.get("question"),
        "In the paper": line.get("in the paper"),
        "Before": needs,
        "Time": f"{max(1, round(words / WORDS_A_MINUTE))} minutes to read",
        "Command": f"`python -m tdlib pages {name}`",
    }
    if minutes := line.get("minutes"):
        entries["Time"] += f", {minutes} to run"
    body = "\n".join(f"{what}\n: {text}\n" for what, text in entries.items() if text)
    return f":::{{admonition}} About this page\n:class: about\n\n{body}:::\n"


def with_links(text: str, folder: str) -> str:
    """`text` in which each "page 05" leads there; `folder` is where the pages are, seen from the text."""
    names = {path.stem.partition("_")[0]: path.name for path in (ROOT / "notebooks").glob("*.ipynb")}

    def link(found: re.Match) -> str:
        return f"[{found[0]}]({folder}{names[found[1]]})" if found[1] in names else found[0]

    return re.sub(r"(?<!\[)\b[Pp]age (\d\d[a-z]?)\b", link, text)


def _notebook(path: Path, line: dict[str, str]) -> None:
    """A committed page with its box below its title; a figure's words, which the page keeps, become its alternative."""
    page = nbformat.read(path, as_version=4)
    words = sum(len(cell.source.split()) for cell in page.cells)
    title, _, rest = page.cells[0].source.removeprefix("# ").partition("\n")
    number = path.stem.partition("_")[0]  # other pages name it by that
    page.cells[0].source = f"# {number} {title}\n\n{box(path.stem, words, line)}\n{rest.lstrip()}"
    for cell in page.cells:
        if cell.cell_type == "markdown":
            cell.source = with_links(cell.source, "")
        for output in cell.get("outputs", []):
            if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                cell.metadata["mystnb"] = {"image": {"alt": alt}}
    target = SOURCES / "notebooks" / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(page, target)


def _write(name: str, text: str, below: str = ".") -> None:
    """A page of Markdown from the folder `below` of the repository, with the files that it links to beside it."""
    target = SOURCES / name
    target.parent.mkdir(parents=True, exist_ok=True)
    up = os.path.relpath(SOURCES, target.parent)

    def link(found: re.Match) -> str:
        words, path, anchor = found[1], os.path.normpath(f"{below}/{found[2]}"), found[3] or ""
        if re.match(r"(notebooks|docs)/[^/]+\.(ipynb|md)$", path):  # these are pages
            return f"[{words}]({up}/{path}{anchor})"
        if re.match(r"docs/book/[^/]+\.md$", path):
            return f"[{words}]({up}/{Path(path).name}{anchor})"
        if Path(path).suffix == ".md" or not (ROOT / path).is_file():  # the README, a folder
            return words
        (SOURCES / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, SOURCES / path)
        return f"[{words}]({up}/{path})"

    text = re.sub(r"\[([^]]+)\]\(([^):#]+)(#[^)]*)?\)", link, text)
    target.write_text(with_links(text, f"{up}/notebooks/"))


def modules() -> dict[str, str]:
    """By name, the first line of each module of the library, but of private ones and of those that say nothing."""
    found = {}
    for path in sorted((ROOT / "tdlib").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        words = ast.get_docstring(ast.parse(path.read_text()))
        if words and not name.rpartition(".")[2].startswith("_"):
            found[name] = words.partition("\n")[0]
    return found


def _reference() -> None:
    """A page for each module, and the list of them."""
    for name in modules():
        _write(f"reference/{name}.rst", f"{name}\n{'=' * len(name)}\n\n.. automodule:: {name}\n")
    with (SOURCES / "reference.md").open("a") as page:
        page.writelines(f"* {{py:mod}}`{name}`: {words}\n" for name, words in modules().items())


def mathjax(folder: Path) -> None:
    """`tex-svg.js` with its licence in `folder`, fetched once; ValueError for a package other than the known one."""
    if (folder / "tex-svg.js").is_file():
        return
    try:
        with urllib.request.urlopen(MATHJAX, timeout=60) as answer:
            blob = answer.read()
    except OSError as error:
        raise ValueError(f"the book needs {MATHJAX}, once, and it cannot be fetched: {error}") from None
    if hashlib.sha256(blob).hexdigest() != MATHJAX_SHA256:
        raise ValueError(f"{MATHJAX} is not the package that this book was written with: its sha256 differs")
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(blob)) as package:
        for name in ("package/LICENSE", "package/es5/tex-svg.js"):  # the script last: it says that all is there
            (folder / Path(name).name).write_bytes(package.extractfile(name).read())


if __name__ == "__main__":
    try:
        main()
    except ValueError as fault:
        sys.exit(f"book: {fault}")
    except subprocess.CalledProcessError:
        sys.exit("book: Sphinx names above what is wrong")
