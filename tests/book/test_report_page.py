"""A report in a browser without a window, opened from disk, on a desk, on a telephone and in print."""

from pathlib import Path

import pandas as pd
import pytest

from tdlib import data
from tdlib.service import Forecaster, report

NAMES = ['<script>document.title = "taken"</script>', "a name that is much longer than a telephone is wide, in kWh"]
COMMANDS = ["tdlib distill my.csv --columns " + "x" * 300]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    series, folder = data.synthetic(rows=300, channels=2), tmp_path_factory.mktemp("report")
    frame = pd.DataFrame(series.values.astype(float), series.index, NAMES)
    made = Forecaster(24, 8, period=12, epochs=1, folder=folder).fit(frame, "small")
    report.write(made, folder / "report.html", COMMANDS)
    return folder / "report.html"


@pytest.mark.parametrize(("media", "width"), [("screen", 400), ("screen", 800), ("screen", 1200), ("print", 700)])
def test_all_of_it_fits_and_nothing_is_asked_for(browser, file, media, width):
    faults, asked = [], []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda said: faults.append(said.text))
    page.on("request", lambda request: asked.append(request.url.partition(":")[0]))
    page.emulate_media(media=media)
    page.goto(f"file://{file}")
    assert page.title().startswith("small: Use ")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = "[...document.querySelectorAll('p, li, td, th, img, pre')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    assert page.evaluate(f"{cut}.filter(e => e.clientWidth > 0).map(e => e.outerHTML.slice(0, 80))") == []
    pictures = page.evaluate(
        "[...document.images].map(e => [e.complete, e.naturalWidth, e.getBoundingClientRect().width])"
    )
    assert len(pictures) == 10
    for complete, natural, shown in pictures:
        assert complete
        assert 300 < shown <= min(600, width) < natural  # more dots than shown, for sharp screens
    assert faults == []
    assert asked.count("file") == 1
    assert set(asked) <= {"file", "data"}
    page.close()


def test_a_table_is_one_on_a_desk_and_cards_on_a_telephone(browser, file):
    shown = {}
    for width in (400, 1200):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(f"file://{file}")
        cells = page.locator("#models tr.chosen td:not(.group)")
        tops = {round(cells.nth(place).bounding_box()["y"]) for place in range(cells.count())}
        shown[width] = (len(tops), page.locator("#models thead").is_visible())
        page.close()
    assert shown[1200] == (1, True)
    assert shown[400][0] >= 3  # test, validation, cost
    assert not shown[400][1]


def test_no_script_runs_even_in_a_page_that_somebody_changed(browser, file):
    attack = file.read_text().replace("<main>", "<main><script>document.title = 'taken'</script>")
    titles = []
    for text in (attack, attack.replace("Content-Security-Policy", "nothing")):
        changed = file.with_name("changed.html")
        changed.write_text(text)
        page = browser.new_page()
        page.goto(f"file://{changed}")
        titles.append(page.title())
        page.close()
    assert titles[0].startswith("small: Use ")
    assert titles[1] == "taken"  # what the policy of the page prevents
