"""What a fit has found, as one page to keep and to send: HTML with its figures inside and no address outside it.

    Forecaster --sections: sentences computed from its figures, pictures, tables--> report.html.jinja --> one file

jinja2 and matplotlib are the extra `pages`, imported where they are used.
Shapes: N windows, H horizon, C channels; windows of one segment overlap, those named as the worst do not.
"""

import itertools
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

import tdlib
from tdlib import calendar, forecast, models
from tdlib.checks import counted, require, require_extra
from tdlib.csvfile import gaps
from tdlib.files import check_place, write_atomically
from tdlib.report.roles import COLOURS, DASHES
from tdlib.service import figures, frames, plan, score
from tdlib.service.figures import Line, Panel, Picture
from tdlib.windows import borders, split

if TYPE_CHECKING:
    from tdlib.service.forecaster import Forecaster

TEMPLATE = "report.html.jinja"
DRAWN = 4  # channels of a figure of lines
LISTED = 12  # channels of a figure with a row for each
LAST = 1500  # rows of the series that are drawn, at most
WORST = 3  # windows
MEASURES = ("MSE", "MAE", "MAE, own units", "MASE", "skill")
SEGMENTS = {"test": "test", "val": "validation"}


class Table(NamedTuple):
    """Rows of cells, the first of which names the row; `groups` span columns: (name, how many)."""

    caption: str
    columns: list[str]
    rows: list[list[str]]
    groups: list[tuple[str, int]] = []  # noqa: RUF012, never changed
    marked: int = -1  # a row

    @property
    def starts(self) -> dict[int, str]:
        """The groups by their first column, those that have a name."""
        firsts = itertools.accumulate((count for _, count in self.groups), initial=0)
        return {first: name for first, (name, _) in zip(firsts, self.groups, strict=False) if name}


class Section(NamedTuple):
    """A heading, what is said under it, and what is shown."""

    id: str
    title: str
    words: list[str]
    picture: Picture | None = None
    tables: list[Table] = []  # noqa: RUF012, never changed
    items: list[str] = []  # noqa: RUF012, never changed
    code: str = ""


def write(made: "Forecaster", path: Path, commands: list[str]) -> None:
    """`html` into a file. ValueError, before anything is drawn, for a place where none can be written."""
    check_place(Path(path))
    write_atomically((Path(path), html(made, commands).encode()))


def html(made: "Forecaster", commands: list[str]) -> str:
    """The report of a forecaster that `fit` has just trained; `commands` are those that lead to it.

    ValueError where the extra `pages` is not installed, and for a forecaster that has been loaded: the errors of its
    windows are not kept.
    """
    require_extra("pages", "jinja2", "matplotlib")
    fresh = hasattr(made, "residuals_") and len(made.table_) == made.rows_[0]
    require(fresh, "a report is made of a forecaster that has just been trained: call fit, then report")
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    rules = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True, "undefined": jinja2.StrictUndefined}
    template = jinja2.Environment(loader=loader, **rules).get_template(TEMPLATE)
    seen = _Seen(made)
    parts = (_verdict, _models, _series, _forecast, _baselines, _errors, _coverage, _worst, _checks, _settings)
    sections = [part(seen) for part in parts]
    again = f"{counted(len(commands), 'command')}, to be called from the folder that this page was made from."
    sections.append(Section("commands", "To do it again", [again], code="\n".join(commands)))
    about = f"{len(seen.values):,} rows, {_stamp(seen.index, 0)} to {_stamp(seen.index, -1)}"
    about += f"; {counted(len(made.channels_), 'channel')}; {made.lookback_} steps read, {made.horizon_} forecast"
    return template.render(name=made.name_, about=about, sections=sections, version=tdlib.__version__)


class _Seen:
    """What the sections share: the series, its segments, every model's colour, forecasts in own units."""

    def __init__(self, made: "Forecaster"):
        self.made, self.index = made, made.table_.index
        self.values = made.table_.to_numpy()  # [T, C]
        series = frames.series(made.table_, made.name_)
        self.splits = split(series, made.lookback_, made.horizon_)
        self.known, self.first, _ = borders(series.name, len(self.values))  # where training ends, where test begins
        self.stamps = (self.index + 1 if series.index is None else series.index.tz_localize(None)).to_numpy()
        self.labels = figures.shortened(made.channels_, figures.LABEL)
        self.titles = figures.shortened(made.channels_, figures.TITLE)
        self.lines = {name: self._line(name) for name in made.configs_}

    def _line(self, name: str) -> Line:
        config = self.made.configs_[name]
        role = "distilled" if config.distilled else models.role(config.model)
        if config.model == self.made.student and not config.distilled:
            role = "decayed" if config.weight_decay else "plain"
        role = role if role in COLOURS else "linear"
        if role == "linear" and name == self.made.chosen_:
            return Line(name, figures.BASELINE, "-")
        dashes = ":" if name == models.title("ridge") else DASHES[role]
        return Line(name, COLOURS[role], dashes)

    def test(self, name: str) -> np.ndarray:
        """Truth less forecast of every test window, scaled units, [N, H, C]."""
        return self.made.residuals_[name].test

    @property
    def by_window(self) -> np.ndarray:
        """The chosen model's MSE of every test window [N], scaled units."""
        return self.made.errors_[self.made.chosen_]

    @property
    def finite(self) -> tuple[float, ...]:
        """The levels that have a band."""
        return tuple(level for level, width in self.made.widths_.items() if np.isfinite(width).all())

    @property
    def too_few(self) -> list[str]:
        """A sentence on the levels that have none."""
        none = [f"{level:g}%" for level in self.made.widths_ if level not in self.finite]
        count = counted(self.made.windows_["validation"], "validation window")
        return [f"There is no finite band of {', '.join(none)}: {count} are too few for it."] if none else []

    def panel(self, window: int, channel: int, names: list[str], title: str) -> Panel:
        """A test window: as many steps before it as it has, or twice as many if they are few; truth and forecasts."""
        start, horizon = self.first + window, self.made.horizon_
        before = min(start, max(horizon, 12))
        rows = slice(start - before, start + horizon)
        truth = self.values[start : start + horizon, channel]
        deviation = self.splits.deviation[channel]
        made = [(self.lines[name], truth - deviation * self.test(name)[window, :, channel]) for name in names]
        return Panel(title, self.stamps[rows], self.values[rows, channel], before, made)

    def span(self, window: int) -> str:
        """The time stamps of a test window's targets."""
        start = self.first + window
        return f"{_stamp(self.index, start)} to {_stamp(self.index, start + self.made.horizon_ - 1)}"


def _verdict(seen: _Seen) -> Section:
    made, chosen = seen.made, seen.made.chosen_
    ratios, block = {}, made.lookback_ + made.horizon_
    if seen.by_window.mean() > 0:
        for name, errors in made.errors_.items():
            share, interval = score.difference(errors, seen.by_window, block)
            if share > -1 and name != chosen:
                low, high = interval or (math.nan, math.nan)
                ratios[name] = {"ratio": 1 + share, "low": 1 + low, "high": 1 + high}
    words = re.split(r"(?<=\.) (?=[A-Z])", made.verdict_.words)  # its sentences
    table = pd.DataFrame.from_dict(ratios, orient="index")
    if len(table) and table["low"].notna().all():
        worse, better = int((table["low"] > 1).sum()), int((table["high"] < 1).sum())
        words.append(
            f"Beyond chance, by 95% intervals over blocks of {counted(block, 'test window')}, {worse} of the "
            f"{len(table)} others are worse than {chosen}, {better} better, {len(table) - worse - better} neither."
        )
    elif len(table):
        words.append(f"Too little to tell differences from chance: {counted(made.windows_['test'], 'test window')}.")
    picture = figures.ratios(table, chosen) if len(table) else None
    return Section("verdict", f"Use {chosen}", words, picture)


def _models(seen: _Seen) -> Section:
    made, scores = seen.made, seen.made.scores_
    order = scores["val", "MSE"].sort_values(kind="stable").index
    columns, rows = ["model"], []
    for _ in SEGMENTS:
        columns += MEASURES
    for name in order:
        cells = [_cell(measure, scores.loc[name, (segment, measure)]) for segment in SEGMENTS for measure in MEASURES]
        cost = made.costs_.loc[name]
        rows.append([name, *cells, f"{int(cost['weights']):,}", f"{cost['microseconds']:,.0f}"])
    groups = [("", 1), *((f"{name} ({made.windows_[name]:,} windows)", 5) for name in SEGMENTS.values()), ("cost", 2)]
    columns += ["weights", "µs a forecast"]
    marked = list(order).index(made.chosen_)
    caption = "Least validation error first; the chosen model is marked."
    table = Table(caption, columns, rows, groups, marked)
    both = pd.DataFrame({segment: scores[segment, "MSE"] for segment in SEGMENTS})
    picture = figures.errors(both, seen.lines, made.chosen_)
    agree = both["val"].corr(both["test"], method="spearman") if len(both) > 2 else math.nan
    counts = f"{made.windows_['test']:,} test windows and {made.windows_['validation']:,} validation windows"
    words = [
        f"Means over {counts}, which overlap, over {counted(made.horizon_, 'step')} "
        f"and {counted(len(made.channels_), 'channel')}. MSE and MAE are in deviations of the training rows; MASE is "
        f"the MAE over what the training rows change by in a period; skill is the share of the MSE of {made.baseline_} "
        "that a model saves."
    ]
    if not math.isnan(agree):
        words.append(f"Validation and test rank the {len(both)} models with a correlation of {agree:.2f} (Spearman).")
    return Section("models", "Models", words, picture, [table])


def _cell(measure: str, value: float) -> str:
    return f"{value:.3f}" if measure == "skill" and math.isfinite(value) else _number(value)


def _series(seen: _Seen) -> Section:
    made = seen.made
    rows = min(len(seen.values), LAST, max(4 * (made.lookback_ + made.horizon_), 8 * made.period_, 200))
    drawn = made.table_.iloc[-rows:, :DRAWN].set_axis(seen.titles[:DRAWN], axis=1)
    periods, power = _spectrum(seen)
    highest = periods[np.argmax(power)]
    words = [f"The last {rows:,} of {len(seen.values):,} rows{_rest(len(made.channels_), DRAWN)}."]
    if made.period_ > 1:
        near = power[np.abs(periods / made.period_ - 1) <= 0.1].sum() / power.sum()
        repeats = f"The series is taken to repeat itself after {made.period_} steps; periods within 10% of that hold"
        words.append(f"{repeats} {near:.0%} of its power, and the strongest single one is {highest:.3g} steps.")
    else:
        words.append(f"No period is known or found; the strongest one of the spectrum is {highest:.3g} steps.")
    picture = figures.series(seen.stamps[-rows:], drawn, periods, power, made.period_)
    return Section("series", "The series and its spectrum", words, picture)


def _spectrum(seen: _Seen) -> tuple[np.ndarray, np.ndarray]:
    """Periods in steps and their shares of power (Welch 1967), mean over the channels that move."""
    from scipy import signal  # half a second, which commands without a report need not wait

    moving = seen.values[:, seen.values.std(0) > 0]
    scaled = (moving - moving.mean(0)) / moving.std(0) if moving.size else np.zeros((len(seen.values), 1))
    segment = min(len(scaled), max(256, 16 * seen.made.period_))
    frequencies, power = signal.welch(scaled, nperseg=segment, detrend="linear", axis=0)
    power = np.maximum(power.mean(1)[1:], np.finfo(float).tiny)
    return 1 / frequencies[1:], power / power.sum()


def _forecast(seen: _Seen) -> Section:
    made = seen.made
    levels = seen.finite
    found = forecast.following(made.model_, made.about_, made.history_, calendar.parsed(made.step_))
    before = min(len(made.history_), max(2 * made.horizon_, 24))
    later = found.index.tz_localize(None).to_numpy() if isinstance(found.index, pd.DatetimeIndex) else None
    later = np.arange(1, made.horizon_ + 1) + seen.stamps[-1] if later is None else later
    stamps = np.concatenate([seen.stamps[-before:], later])
    panels = []
    for place, channel in enumerate(made.channels_[:DRAWN]):
        ahead = found[channel].to_numpy()
        width = {level: made.widths_[level][:, place] for level in levels}
        bands = {level: (ahead - half, ahead + half) for level, half in width.items()}
        known = seen.values[-before:, place]
        panels.append(Panel(seen.titles[place], stamps, known, before, [(seen.lines[made.chosen_], ahead)], bands))
    rows = "all rows" if made.whole_ else "the training rows"
    by = f"{counted(made.horizon_, 'step')} by {made.chosen_}, trained on {rows}"
    words = [f"{by}{_rest(len(made.channels_), DRAWN)}."]
    for level in levels:
        width = made.widths_[level]
        ends = [f"{_number(2 * width[step, 0])}" for step in (0, -1)]
        first = f"The {level:g}% band of {made.channels_[0]} is {ends[0]} wide at the first step"
        words.append(f"{first} and {ends[1]} at the last, in its own units.")
    words += seen.too_few
    return Section("forecast", "What comes next", words, figures.windows(panels))


def _baselines(seen: _Seen) -> Section:
    made = seen.made
    window = int(np.argsort(seen.by_window, kind="stable")[len(seen.by_window) // 2])
    student = f"{models.title(made.student)}{plan.DISTILLED}"
    names = dict.fromkeys([made.chosen_, student, made.baseline_, models.title("ridge")])
    panels, said = [], []
    for name in [name for name in names if name in made.residuals_]:
        error = float(np.square(seen.test(name)[window, :, 0]).mean(dtype=np.float64))
        panels.append(seen.panel(window, 0, [name], f"{name}, MSE {_number(error)}"))
        said.append(f"{name} {_number(error)}")
    words = [
        f"{made.channels_[0]}, {seen.span(window)}: of {len(seen.by_window):,} test windows the one in the middle by "
        f"the error of {made.chosen_}. MSE of this channel there, scaled units: {', '.join(said)}."
    ]
    return Section("baselines", "Beside the baselines", words, figures.windows(panels))


def _errors(seen: _Seen) -> Section:
    made = seen.made
    names = list(dict.fromkeys([made.chosen_, made.baseline_]))
    squares = {name: np.square(seen.test(name)) for name in names}
    steps = {name: square.mean((0, 2), dtype=np.float64) for name, square in squares.items()}
    channels = pd.DataFrame(
        {name: square.mean((0, 1), dtype=np.float64) for name, square in squares.items()}, index=made.channels_
    )
    own, naive = (steps[names[0]], steps[names[-1]])
    words = [f"The MSE of {made.chosen_} is {_number(own[0])} at step 1 and {_number(own[-1])} at step {len(own)}."]
    if len(names) > 1:
        below = channels[names[0]] < channels[names[1]]
        words.append(
            f"It lies below that of {names[1]} at {int((own < naive).sum())} of {counted(len(own), 'step')} and on "
            f"{int(below.sum())} of {counted(len(channels), 'channel')}."
        )
    if len(channels) > 1:
        largest = channels[names[0]].idxmax()
        words.append(f"Largest on {largest}, {_number(channels.loc[largest, names[0]])}{_rest(len(channels), LISTED)}.")
    shown = channels.set_axis(seen.labels).sort_values(names[0], ascending=False).head(LISTED)
    picture = figures.by_step_and_channel(steps, shown, seen.lines)
    return Section("errors", "Error by step and channel", words, picture, [_by_channel(seen, channels)])


def _by_channel(seen: _Seen, channels: pd.DataFrame) -> Table:
    """The channels of largest error, each in its own units: a mean over channels of several units says little."""
    names, deviation = list(channels), seen.splits.deviation
    own = {name: np.abs(seen.test(name)).mean((0, 1), dtype=np.float64) * deviation for name in names}
    rows = []
    for place in np.argsort(-channels[names[0]].to_numpy(), kind="stable")[:LISTED]:
        errors = channels.iloc[place]
        cells = [*(_number(errors[name]) for name in names), *(_number(own[name][place]) for name in names)]
        rows.append([seen.made.channels_[place], *cells])
    columns = [f"{measure}{of}" for measure in ("MSE", "MAE, own units") for of in ("", ", naive")[: len(names)]]
    beside = f" and of {names[1]} (naive)" if len(names) > 1 else ""
    return Table(f"Test errors of {names[0]}{beside}, the largest first.", ["channel", *columns], rows)


def _coverage(seen: _Seen) -> Section:
    shares = {level: seen.made.shares_[level] for level in seen.finite}
    words = [
        f"Of the test values {seen.made.coverage_[level]:.1%} lie within the {level:g}% band{_ends(share)}."
        for level, share in shares.items()
    ]
    words += seen.too_few
    count = counted(seen.made.windows_["validation"], "validation window")
    words.append(
        f"A band is as wide as the errors of {count} say, which overlap: where the series changes after them, its "
        "level is not kept."
    )
    return Section("coverage", "Do the bands hold?", words, figures.coverage(shares) if shares else None)


def _ends(share: np.ndarray) -> str:
    """The smallest and the largest of the shares by step [H], where they differ."""
    if share.min() == share.max():
        return ""
    ends = (f"{share[step]:.1%} at step {step + 1}" for step in (share.argmin(), share.argmax()))
    return ": from " + " to ".join(ends)


def worst(errors: np.ndarray, apart: int, count: int = WORST) -> list[int]:
    """Places of the largest errors [N], each at least `apart` from the others, the largest first."""
    found: list[int] = []
    for place in np.argsort(-errors, kind="stable"):
        if all(abs(place - other) >= apart for other in found):
            found.append(int(place))
        if len(found) == count:
            break
    return found


def _worst(seen: _Seen) -> Section:
    made = seen.made
    places, mean = worst(seen.by_window, made.horizon_), seen.by_window.mean()
    panels, items = [], []
    for window in places:
        channel = int(np.square(seen.test(made.chosen_)[window]).mean(0).argmax())
        name, error = made.channels_[channel], seen.by_window[window]
        names = list(dict.fromkeys([made.chosen_, made.baseline_]))
        start = _stamp(seen.index, seen.first + window)
        panels.append(seen.panel(window, channel, names, f"{seen.labels[channel]}, from {start}"))
        times = f", {error / mean:.1f} times the mean" if mean > 0 else ""
        most = f"; most of it on {name}" if len(made.channels_) > 1 else ""
        items.append(f"{seen.span(window)}: MSE {_number(error)}{times}{most}.")
    rest = seen.by_window.sum() or 1.0
    overlap = np.unique(np.concatenate([_around(window, made.horizon_, len(seen.by_window)) for window in places]))
    share = seen.by_window[overlap].sum() / rest
    words = [
        f"The {counted(len(places), 'test window')} of largest error, no two of which overlap, each on its worst "
        f"channel. The {len(overlap):,} of {len(seen.by_window):,} windows that overlap with one of them hold "
        f"{share:.0%} of all squared error on test."
    ]
    return Section("worst", "Where it fails worst", words, figures.windows(panels), items=items)


def _around(window: int, horizon: int, count: int) -> np.ndarray:
    """The windows whose targets overlap with those of one."""
    return np.arange(max(0, window - horizon + 1), min(count, window + horizon))


def _checks(seen: _Seen) -> Section:
    made, values, splits = seen.made, seen.values, seen.splits
    segments = {"validation": values[seen.known : seen.first], "test": values[seen.first :]}
    far = {name: (part.mean(0) - splits.mean) / splits.deviation for name, part in segments.items()}
    table = pd.DataFrame(far, index=made.channels_)
    place = int(np.abs(far["test"]).argmax())
    many = f"{int((table['test'].abs() > 1).sum())} of {counted(len(table), 'channel')}{_rest(len(table), LISTED)}"
    words = [
        f"From training to test rows the mean moves most on {made.channels_[place]}, by {far['test'][place]:+.2f} "
        f"deviations; it moves by more than one on {many}."
    ]
    still = [name for name, constant in zip(made.channels_, splits.constant, strict=True) if constant]
    rows = [
        ["rows", f"{len(values):,}"],
        ["from", _stamp(seen.index, 0)],
        ["to", _stamp(seen.index, -1)],
        ["step", _step(seen.index)],
        ["time stamps missing", _missing(seen.index)],
        ["constant channels", ", ".join(still) or "none"],
        ["training rows", f"{seen.known:,}"],
        ["validation rows", f"{seen.first - seen.known:,}"],
        ["test rows", f"{len(values) - seen.first:,}"],
    ]
    listed = table.set_axis(seen.labels).sort_values("test", key=np.abs, ascending=False).head(LISTED)
    notes = Table("What was looked at.", ["check", "found"], rows)
    return Section("data", "Data checks", words, figures.shifts(listed), [notes], list(made.remarks_))


def _settings(seen: _Seen) -> Section:
    made = seen.made
    config = made.configs_[made.chosen_].to_dict()
    config["dataset"] = Path(config["dataset"]).name  # not where it lies: a report is sent to others
    rows = [[name, value if isinstance(value, str) else json.dumps(value)] for name, value in config.items()]
    kept = {name: made.store_.read(id) for name, id in made.runs_.items()}
    logs = {
        name: pd.Series({epoch["epoch"]: epoch["val_mse"] for epoch in row["epochs"]})
        for name, row in kept.items()
        if not models.closed_form(made.configs_[name].model)
    }
    row = kept[made.chosen_]
    words = [
        f"{made.chosen_} was trained in {_seconds(row['seconds'])}; all {counted(len(kept), 'run')} took "
        f"{_seconds(sum(row['seconds'] for row in kept.values()))}. The settings are those of tdlib.config.RunConfig."
    ]
    if models.closed_form(made.configs_[made.chosen_].model):
        words.append("It is fitted in closed form: settings of training by epochs do not apply to it.")
    where = ", ".join(f"{name} {value}" for name, value in row["provenance"].items() if value is not None)
    table = Table(f"Settings of {made.chosen_} ({where}).", ["setting", "value"], rows)
    runs = [[name, kept[name]["id"], _seconds(kept[name]["seconds"])] for name in made.runs_]
    ids = Table("The run of each model, as its store names it.", ["model", "run", "trained in"], runs)
    return Section("settings", "Settings", words, figures.training(logs, seen.lines) if logs else None, [ids, table])


def _rest(channels: int, shown: int) -> str:
    """What is said of the channels that a figure leaves out."""
    return f" ({counted(channels - shown, 'more channel')} not drawn)" if channels > shown else ""


def _number(value: float) -> str:
    """Four digits, as one reads them; a dash for what is not defined."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:#.4g}".removesuffix(".")


def _seconds(count: float) -> str:
    """A row keeps tenths."""
    return f"{count:,.1f} s" if count >= 0.1 else "less than 0.1 s"


def _stamp(index: pd.Index, row: int) -> str:
    """A row's time stamp, without hours where no row has any; its number where there is none."""
    if not isinstance(index, pd.DatetimeIndex):
        return f"row {range(1, len(index) + 1)[row]:,}"
    clock = str(index[row].tz_localize(None))
    zone = str(index[row]).removeprefix(clock)
    daily = (index == index.normalize()).all()
    return f"{clock.removesuffix(' 00:00:00') if daily else clock.removesuffix(':00')}{zone}"


def _step(index: pd.Index) -> str:
    if not isinstance(index, pd.DatetimeIndex):
        return "rows without time stamps"
    return f"median {gaps.words(index.to_series().diff().median())}, {calendar.frequency(index).freqstr} in pandas"


def _missing(index: pd.Index) -> str:
    if not isinstance(index, pd.DatetimeIndex):
        return "there are none"
    return f"{len(pd.date_range(index[0], index[-1], freq=calendar.frequency(index))) - len(index):,}"
