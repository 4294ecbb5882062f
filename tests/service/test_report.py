"""The report of a small fit: every section, figures that equal the scores, names of any sign, no address outside."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import matplotlib
import matplotlib.style
import numpy as np
import pandas as pd
import PIL.Image
import pytest

from tdlib import data
from tdlib.service import Forecaster, report, score

NAMES = ['load "A" <script>alert(1)</script> & $\\frac', "_wind 'B' 風\n$x$"]
COMMANDS = ["tdlib distill 'my <b>.csv' --horizon 8", "tdlib forecast 'my <b>.csv'"]
SECTIONS = ["verdict", "models", "series", "forecast", "baselines", "errors", "coverage", "worst", "data"]
SECTIONS += ["settings", "commands"]


class Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text by section."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.found, self.section = [], {}, ""
        self.rows: list[list[str]] = []
        self.in_cell = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.section = dict(attrs)["id"]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and dict(attrs).get("class") != "group":
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in ("td", "th")
        self.section = "" if tag == "section" else self.section

    def handle_data(self, data):
        self.found[self.section] = self.found.get(self.section, "") + data
        if self.in_cell:
            self.rows[-1][-1] += data.replace("\n", "")

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


def fitted(folder, names: list[str], **given) -> Forecaster:
    series = data.synthetic(rows=300, channels=len(names))
    frame = pd.DataFrame(series.values.astype(float), series.index, names)
    return Forecaster(24, 8, period=12, epochs=1, folder=folder, **given).fit(frame, "small")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Forecaster:
    return fitted(tmp_path_factory.mktemp("made"), NAMES)


@pytest.fixture(scope="module")
def text(made) -> str:
    return report.html(made, COMMANDS)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_every_section_has_a_heading_a_sentence_and_a_figure(page):
    assert [section["id"] for section in page.of("section")] == SECTIONS
    assert len(page.of("h2")) == len(SECTIONS)
    assert len(page.of("img")) == len(SECTIONS) - 1  # the commands need none
    links = [link["href"] for link in page.of("a")]
    assert links == [f"#{name}" for name in SECTIONS]


def test_it_needs_nothing_from_outside(text, page):
    assert "//" not in re.sub("data:image/png;base64,[A-Za-z0-9+/=]+", "", text).replace("</", "")
    assert not {"script", "link", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    assert "default-src 'none'" in page.of("meta")[2]["content"]


def test_pictures_are_whole_and_said_in_words(page):
    words = [picture["alt"] for picture in page.of("img")]
    assert len(set(words)) == len(words)
    assert min(map(len, words)) > 60
    for picture in page.of("img"):
        blob = base64.b64decode(picture["src"].removeprefix("data:image/png;base64,"), validate=True)
        image = PIL.Image.open(io.BytesIO(blob))
        assert image.size == (int(picture["width"]), int(picture["height"]))
        assert len(image.convert("L").getcolors()) > 5  # something is drawn
        assert len(blob) < 150_000


def test_names_of_any_sign_are_text(text, page):
    assert "<script" not in text
    assert NAMES[0] in page.found["series"] or NAMES[0] in page.found["forecast"]
    assert any(NAMES[0] in picture["alt"] and NAMES[1] in picture["alt"] for picture in page.of("img"))
    assert page.found["commands"].strip().endswith("\n".join(COMMANDS))


def test_the_table_holds_the_scores(made, page):
    names = list(made.scores_["val", "MSE"].sort_values().index)
    lines = [(row[0].removesuffix(" chosen"), row[1:]) for row in page.rows]
    rows = {name: cells for name, cells in lines if name in names and len(cells) > 2}
    assert list(rows) == names
    assert {name: cells[0] for name, cells in lines if name in names and len(cells) == 2} == made.runs_
    for name, cells in rows.items():
        numbers = [float(cell.replace(",", "")) for cell in cells]
        line = made.scores_.loc[name]
        expected = [line[segment, measure] for segment in ("test", "val") for measure in report.MEASURES]
        assert numbers[:10] == pytest.approx(expected, rel=1e-3, abs=5e-4)
        assert numbers[10] == made.costs_.loc[name, "weights"]
        assert numbers[11] == pytest.approx(made.costs_.loc[name, "microseconds"], abs=0.51)
    marked = [row[0] for row in page.rows if row[0].endswith(" chosen")]
    assert marked == [f"{made.chosen_} chosen"]
    assert f"{made.windows_['test']} test windows" in page.found["models"]


def test_the_verdict_comes_first_and_coverage_is_that_of_the_fit(made, page):
    assert page.found["verdict"].split()[: len(made.verdict_.words.split()) + 2] == [
        *("Use", *made.chosen_.split()),
        *made.verdict_.words.split(),
    ]
    for level, share in made.coverage_.items():
        assert f"{share:.1%} lie within the {level:g}% band" in page.found["coverage"]


def test_what_is_said_of_steps_and_channels_is_so(made, page):
    own, naive = (np.square(made.residuals_[name].test) for name in (made.chosen_, score.SEASONAL))
    steps = (own.mean((0, 2)) < naive.mean((0, 2))).sum()
    channels = (own.mean((0, 1)) < naive.mean((0, 1))).sum()
    assert f"at {steps} of 8 steps and on {channels} of 2 channels" in page.found["errors"]


def test_errors_by_channel_are_in_own_units(made, page):
    rows = {
        row[0]: [float(cell.replace(",", "")) for cell in row[1:]] for row in page.rows if row[0].startswith("load")
    }
    assert list(rows) == [NAMES[0]]
    test = made.residuals_[made.chosen_].test[:, :, 0]
    deviation = made.table_.iloc[:210, 0].std(ddof=0)
    cells = rows[NAMES[0]]
    assert cells[0] == pytest.approx(np.square(test).mean(), rel=1e-3)
    assert cells[2] == pytest.approx(np.abs(test).mean() * deviation, rel=1e-3)
    naive = made.residuals_[score.SEASONAL].test[:, :, 0]
    assert cells[1] == pytest.approx(np.square(naive).mean(), rel=1e-3)
    assert cells[3] == pytest.approx(np.abs(naive).mean() * deviation, rel=1e-3)


def test_the_worst_windows_are_dated_and_do_not_overlap(made, page):
    errors = np.square(made.residuals_[made.chosen_].test).mean((1, 2))
    first = 240 + int(errors.argmax())  # of 300 rows the last fifth are test rows
    stamp = made.table_.index[first]
    assert f"{stamp:%Y-%m-%d %H:%M} to {made.table_.index[first + 7]:%Y-%m-%d %H:%M}: MSE" in page.found["worst"]
    assert page.found["worst"].count("times the mean") == 3


def test_worst_takes_the_largest_that_are_apart():
    errors = np.array([1.0, 9.0, 8.0, 2.0, 7.0, 7.5, 0.0, 3.0])
    assert report.worst(errors, 3) == [1, 5]
    assert report.worst(errors, 2) == [1, 5, 7]
    assert report.worst(errors, 1) == [1, 2, 5]


def test_every_setting_of_the_chosen_one_is_there(made, page):
    rows = {row[0]: row[1] for row in page.rows if len(row) == 2}
    for name, value in made.configs_[made.chosen_].to_dict().items():
        shown = "small.csv" if name == "dataset" else value
        assert rows[name] == (shown if isinstance(shown, str) else json.dumps(shown))
    assert rows["step"] == "median 01:00:00, h in pandas"
    assert rows["time stamps missing"] == "0"
    assert rows["test rows"] == "60"


def test_the_drift_is_that_of_the_rows(made, page):
    train, test = made.table_.iloc[:210], made.table_.iloc[240:]
    far = (test.mean() - train.mean()) / train.std(ddof=0)
    assert f"{far[far.abs().idxmax()]:+.2f} deviations" in page.found["data"].replace("\n", " ")


def test_it_is_written_whole_and_leaves_matplotlib_as_it_was(made, tmp_path):
    before = dict(matplotlib.rcParams)
    report.write(made, tmp_path / "new" / "report.html", COMMANDS)
    assert dict(matplotlib.rcParams) == before
    assert Page((tmp_path / "new" / "report.html").read_text()).found["verdict"]
    with pytest.raises(ValueError, match="cannot write"):
        report.write(made, tmp_path / "new", COMMANDS)


def test_a_loaded_forecaster_is_refused(made, tmp_path):
    made.save(tmp_path / "kept")
    with pytest.raises(ValueError, match="has just been trained: call fit"):
        report.html(Forecaster.load(tmp_path / "kept"), COMMANDS)


def test_a_missing_package_is_named(made, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ValueError, match=r"jinja2, which is not installed: pip install '.\[pages\]'"):
        report.html(made, COMMANDS)


def test_one_step_many_channels_and_a_time_zone(tmp_path):
    """A panel in long form, by the hour of a time zone, one channel that never moves."""
    values = data.synthetic(rows=300, channels=14).values.astype(float)
    values[:, 3] = 5.0
    index = pd.date_range("2020-03-20", periods=300, freq="h", tz="Asia/Tokyo")
    table = pd.DataFrame(values, index, [f"meter {place}" for place in range(14)])
    long = table.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    made = Forecaster(24, 1, period=12, epochs=1, level=(50, 99), folder=tmp_path).fit(long, "panel")
    page = Page(report.html(made, COMMANDS))
    assert [section["id"] for section in page.of("section")] == SECTIONS
    assert "(10 more channels not drawn)" in page.found["forecast"]
    assert "There is no finite band of 99%: 30 validation windows are too few" in page.found["forecast"]
    assert page.found["coverage"].count("lie within") == 1  # an infinite band holds everything
    assert "(2 more channels not drawn)" in page.found["errors"]
    rows = {row[0]: row[1] for row in page.rows if len(row) == 2}
    assert (rows["constant channels"], rows["time stamps missing"]) == ("meter 3", "0")
    assert "2020-03-20 00:00+09:00 to " in page.found[""]


def test_a_drawn_window_shows_a_models_forecast_in_own_units(made):
    panel, start = report._Seen(made).panel(5, 1, [score.SEASONAL], ""), 240 + 5
    ((_, drawn),) = panel.forecasts
    np.testing.assert_allclose(drawn, made.table_.iloc[start - 12 : start - 4, 1], atol=1e-4)  # a period before
