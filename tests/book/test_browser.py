"""The built book in a browser without a window, opened from disk: Debian's chromium, driven by Playwright."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import torch

from tdlib import analysis, losses, profiles
from tdlib.store import Store

sync_api = pytest.importorskip("playwright.sync_api", reason="`make test-book` installs Playwright")

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "build/book"
PAGES = sorted(page.relative_to(BOOK) for page in BOOK.rglob("*.html") if "_static" not in page.parts)
if not PAGES:
    pytest.skip("there is no book: `make book` builds it", allow_module_level=True)

PHONE = {"width": 400, "height": 800}
DESK = {"width": 1300, "height": 900}


class Visit:
    """Opens pages in one tab and keeps what went wrong meanwhile."""

    def __init__(self, browser: sync_api.Browser, viewport: dict):
        self.faults: list[str] = []
        self.page = browser.new_page(viewport=viewport)
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("requestfailed", lambda asked: self.faults.append(f"failed: {asked.url}"))
        self.page.on("request", self._asked)

    def _asked(self, request: sync_api.Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.faults.append(f"another host: {request.url}")

    def open(self, place: str | Path) -> sync_api.Page:
        self.page.goto(f"file://{BOOK / place}")
        return self.page


@pytest.fixture
def desk(browser) -> Iterator[Visit]:
    visit = Visit(browser, DESK)
    yield visit
    visit.page.close()
    assert visit.faults == []


@pytest.fixture(scope="module")
def phone(browser) -> Iterator[Visit]:
    visit = Visit(browser, PHONE)
    yield visit
    visit.page.close()


@pytest.mark.parametrize("place", PAGES, ids=str)
def test_a_page_loads_without_an_error_and_is_readable_on_a_small_screen(phone, place):
    phone.faults.clear()
    page = phone.open(place)
    if page.locator("script[src*='tex-svg']").count():
        page.evaluate("MathJax.startup.promise")
        assert page.locator("mjx-merror").count() == 0
    assert phone.faults == []
    assert page.locator("h1").count() >= 1
    broken = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).map(i => i.src)"
    assert page.evaluate(broken) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_formulas_are_drawn(desk):
    page = desk.open("notebooks/01_from_scratch.html")
    page.evaluate("MathJax.startup.promise")
    assert page.locator("mjx-container svg").count() > 10


def test_search_finds_a_word_from_disk(desk):
    page = desk.open("index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("projector")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=projector*")
    found = page.locator("#search-results li a")
    found.first.wait_for()
    assert any("glossary.html" in (link.get_attribute("href") or "") for link in found.all())
    found.first.click()
    assert "projector" in page.locator("main").inner_text()


def test_what_is_nowhere_is_not_found(desk):
    page = desk.open("search.html?q=zyzzyva")
    page.get_by_text("did not match any documents").wait_for()
    assert page.locator("#search-results li").count() == 0


def test_folded_solutions_open_at_a_click_and_with_the_keyboard(desk):
    page = desk.open("notebooks/03_multi_scale.html")
    thought = page.locator("details", has=page.locator("summary", has_text=re.compile("^Solution$")))
    answer = thought.get_by_text("it cannot grow, whoever forecasts")
    assert not answer.is_visible()
    thought.locator("summary").click()
    assert answer.is_visible()
    code = page.locator(".tag_hide-cell details").first
    assert not code.locator("pre").first.is_visible()
    code.locator("summary").focus()
    page.keyboard.press("Enter")
    assert code.locator("pre").first.is_visible()


def test_pages_lead_to_each_other(desk):
    page = desk.open("notebooks/00_quickstart.html")
    page.get_by_title("next page").click()
    assert page.url.endswith("notebooks/00b_claims.html")
    page.get_by_title("previous page").click()
    assert page.url.endswith("notebooks/00_quickstart.html")


# --- the knobs


@pytest.fixture(scope="module")
def window() -> dict[str, torch.Tensor]:
    """The forecasts of the window by name, and those of the grid by (alpha, beta), float64 [C, H], from the rows."""
    profile, store = profiles.Profile("laptop"), Store(ROOT / "results")
    grid = profile.sensitivity()["weights"]

    def of(config, name: str) -> torch.Tensor:
        arrays = store.arrays(config.id)
        return torch.from_numpy(arrays[name][analysis.example(arrays)[0]].T.astype(float))

    main = [run for run in profile.main() if (run.dataset, run.horizon) == (grid[0].dataset, grid[0].horizon)]
    plain = next(run for run in main if (run.model, run.teacher, run.seed) == ("mlp", None, grid[0].seed))
    teacher = next(run for run in main if run.model == grid[0].teacher)
    forecasts = {(run.alpha, run.beta): of(run, "sample_prediction") for run in grid}
    forecasts |= {name: of(run, "sample_prediction") for name, run in {"plain": plain, "teacher": teacher}.items()}
    return forecasts | {"truth": of(teacher, "sample_y")}


SETTINGS = list(product([(0, 32.0), (3, 0.5), (5, 0.03125)], ["avg", "max", "min", "conv"], ["code", "mean", "kl"]))


def test_the_losses_of_the_page_are_those_of_the_library(desk, window):
    page = desk.open("knobs.html")
    for number, ((scales, temperature), downsample, reduction) in enumerate(SETTINGS):
        alpha, beta = list(product([0.1, 0.5, 1, 2], repeat=2))[number * 5 % 16]
        channel = number % 7
        chosen = {"downsample": downsample, "reduction": reduction, "alpha": f"{alpha:g}", "beta": f"{beta:g}"}
        page.locator("#knob-channel").select_option(index=channel)
        for name, value in chosen.items():
            page.locator(f"#knob-{name}").select_option(value)
        power = torch.log2(torch.tensor(temperature / 0.5)).item()
        for name, value in {"scales": scales, "temperature": power}.items():
            page.locator(f"#knob-{name}").fill(f"{value:g}")
        shown = [row.split("\t")[1:] for row in page.locator("#knob-body").inner_text().splitlines()]
        for column, found in enumerate(page.evaluate("compare(settings())")):
            a, b = (window[(alpha, beta) if name == "distilled" else name] for name in found["pair"])
            options = {"dim": -1, "scales": scales, "downsample": downsample}
            periods = {"dim": -1, "temperature": temperature, "reduction": reduction}
            here = slice(channel, channel + 1)
            expected = {
                "scale": losses.multi_scale(a[here], b[here], **options),
                "period": losses.multi_period(a[here], b[here], **periods),
                "all scale": losses.multi_scale(a, b, **options),
                "all period": losses.multi_period(a, b, **periods),
            }
            exact = [found["scale"], found["period"], found["all"]["scale"], found["all"]["period"]]
            wanted = [value.item() for value in expected.values()]
            assert exact == pytest.approx(wanted, abs=1e-6)
            assert [float(row[column]) for row in shown[-4:]] == pytest.approx(wanted, abs=1e-6)
        assert len(shown) == scales + 1 + 4


def test_an_error_may_grow_with_the_scale_only_where_halving_is_no_mean(desk):
    """What the exercise asks for is there."""
    page = desk.open("knobs.html")
    grows = """how => KNOBS.truth.map((_, c) => losses(series(c, settings().student).distilled, KNOBS.truth[c],
        {...settings(), downsample: how}).errors).some(e => e.some((value, m) => m && value > e[m - 1]))"""
    assert not page.evaluate(grows, "avg")
    assert page.evaluate(grows, "max") or page.evaluate(grows, "min")


def test_the_period_loss_vanishes_at_both_ends_of_the_temperature(desk):
    """What the first exercise asks: one end leaves the strongest period alone, the other makes all alike."""
    page = desk.open("knobs.html")
    share = "tau => Math.exp(Math.max(...logPeriods(series(0, settings().student).truth, tau)))"
    assert page.evaluate(share, 0.5 * 2**-4) > 0.999
    assert page.evaluate(share, 1e9) == pytest.approx(1 / 48)
    slider, loss = page.locator("#knob-temperature"), {}
    for end, key in {"least": "Home", "largest": "End"}.items():
        slider.press(key)
        loss[end] = page.evaluate("compare(settings())[0].all.period")
    slider.fill("1")
    between = page.evaluate("compare(settings())[0].all.period")
    assert max(map(abs, loss.values())) < between / 100


@pytest.mark.parametrize(
    ("label", "place", "panels"), [("Coarser scales M", "curves", 5), ("Temperature tau", "periods", 1)]
)
def test_a_slider_moves_the_curves_from_the_keyboard(desk, label, place, panels):
    page = desk.open("knobs.html")
    drawn = f"document.getElementById('knob-{place}').innerHTML"
    page.get_by_label("Channel").select_option(label="7")
    before, said = page.evaluate(drawn), page.locator("#knob-said").inner_text()
    slider = page.get_by_label(label)
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(drawn) != before
    assert page.locator(f"#knob-{place} svg").count() == panels
    assert page.locator("#knob-said[role=status]").inner_text() != said


@pytest.mark.parametrize("label", ["Trained with alpha", "Trained with beta", "Channel"])
def test_another_student_or_channel_is_another_curve(desk, label):
    page = desk.open("knobs.html")
    drawn = "document.getElementById('knob-curves').innerHTML"
    before = page.evaluate(drawn)
    page.get_by_label(label).select_option(index=1)
    assert page.evaluate(drawn) != before


def test_every_knob_and_every_chart_has_a_name(desk):
    page = desk.open("knobs.html")
    knobs = page.locator("#knob-form :is(input, select)")
    assert knobs.count() == 7
    for knob in knobs.all():
        assert page.locator(f"label[for={knob.get_attribute('id')}]").inner_text().strip()
    page.locator("#knob-temperature").press("Home")
    assert page.locator("#knob-temperature").get_attribute("aria-valuetext") == "0.0313"
    for chart in page.locator(".knobs-charts svg").all():
        assert chart.get_attribute("role") == "img" and chart.get_attribute("aria-label")
