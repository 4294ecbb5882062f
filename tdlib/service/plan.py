"""What to train on a series within a given time: look-back and horizon, the models, their epochs.

    rows, period --> horizon, look-back --> seconds of an epoch of each model, measured --> epochs within the time

Shapes: T rows, C channels, L look-back, H horizon.
"""

import contextlib
import functools
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tdlib import models, patient
from tdlib.compute import Compute, cores
from tdlib.config import DECAY, RunConfig
from tdlib.config import period as period_of
from tdlib.data import Series
from tdlib.distill import TERMS
from tdlib.files import write_atomically
from tdlib.models.ridge import Ridge
from tdlib.rows import system
from tdlib.run import build
from tdlib.train import Supervised, train_epoch, window_errors
from tdlib.windows import Windows, split

PART = 0.42  # of the time that is given, for the honest training; the final one takes as much, scoring the rest
DISTILLED = " distilled"  # behind the student's name
LONGEST_LOOKBACK = 720  # the study's own
SHARES = {  # of the time for training: the teacher takes most of it, the student must get enough
    "itransformer": 0.35,
    "distilled": 0.25,
    "plain": 0.1,
    "decayed": 0.1,
    "cyclenet": 0.08,
    "sparsetsf": 0.06,
    "dlinear": 0.06,
}
EPOCHS = {"itransformer": 10, "distilled": 20} | dict.fromkeys(
    ("plain", "decayed", "cyclenet", "sparsetsf", "dlinear"), 30
)
FEWEST_EPOCHS = 3  # a model that would get fewer is left out; a student gets these all the same
BASELINES = ("naive", "seasonal_naive", "ridge", "phase_ridge", "dlinear")
PERIODIC = ("seasonal_naive", "phase_ridge", "sparsetsf", "cyclenet", "fits")
PENALISED = ("ridge", "phase_ridge")  # by what suits the number of rows (`least_squares.candidates`)


class Plan(NamedTuple):
    """The runs by what a table calls them, the seconds that they are expected to take, and what was decided.

    `ids` are those of the rows that `kept` has noted: an id covers the path of a CSV, and a store may be moved.
    """

    runs: dict[str, RunConfig]
    seconds: dict[str, float]
    remarks: list[str]
    ids: dict[str, str] = {}  # noqa: RUF012, never changed


def find_period(values: np.ndarray, known: int) -> int:
    """Steps in which a series repeats itself: `known` where the calendar knows it, else by autocorrelation; 1 for none.

    The lag, of at most a quarter of the rows, at which the autocorrelation, mean over channels less their trends, has
    its highest peak. It must be above .2 and stand out by .3: a random walk has peaks as well.
    """
    if known > 1:
        return known
    if len(values) < 16:
        return 1

    from scipy import signal  # half a second, which most programs that come by here need not wait

    rest = signal.detrend(values.astype(float), axis=0)
    rest = rest[:, rest.std(0) > 1e-9 * (1 + np.abs(values).max(0))]
    if not rest.size:
        return 1
    spectrum = np.abs(np.fft.rfft(rest / rest.std(0), 2 * len(rest), axis=0)) ** 2
    correlation = np.fft.irfft(spectrum, axis=0)[: len(rest) // 4].mean(1)
    peaks, _ = signal.find_peaks(correlation / correlation[0], height=0.2, prominence=0.3)
    return int(peaks[np.argmax(correlation[peaks])]) if len(peaks) else 1


def find_horizon(rows: int, period: int) -> int:
    """Steps to forecast where none are asked for: two periods of up to 24 steps, else one, as far as the rows allow.

    Validation has a tenth of the rows and must hold several forecasts that do not overlap: where it would not, a half,
    a third or a quarter of a period will do, or else a fortieth of the rows.
    """
    most = max(1, rows // 40)
    if period < 2:
        return min(24, most)
    wanted = [2 * period] if period <= 24 else []
    wanted += [period // parts for parts in (1, 2, 3, 4)]
    return next((steps for steps in wanted if 0 < steps <= most), most)


def find_lookback(series: Series, horizon: int, period: int) -> int:
    """The look-back with which ridge errs least on validation, of a few whole numbers of periods.

    Longer ones must leave three times as many training windows as they have steps. ValueError where not even the
    shortest fits.
    """
    step = period if period > 1 else max(4, horizon)
    most = min(LONGEST_LOOKBACK, (int(0.7 * len(series.values)) - horizon) // 4)
    tried = sorted({count * step for count in (2, 4, 7, 14, 28, most // step) if 0 < count * step <= most})
    if not tried:
        tried = [max(1, min(most, 2 * step))]
    return min(tried, key=lambda lookback: _ridge_error(series, lookback, horizon))


def _ridge_error(series: Series, lookback: int, horizon: int) -> float:
    splits = split(series, lookback, horizon)
    model = Ridge(lookback=lookback, horizon=horizon, channels=len(series.channels), relative=True)
    model.solve(splits)
    return float(window_errors(model, splits.val).mean(dtype=torch.float64))


def fastest(series: Series, lookback: int, horizon: int) -> Compute:
    """One thread, or one a core: what takes less time for the student here, now. A busy machine is faster with one."""
    splits, times = split(series, lookback, horizon), {}
    config = RunConfig("synthetic", lookback, horizon, "mlp")  # a model's time does not depend on the data
    for threads in {1, cores()}:
        compute = Compute(threads)
        times[compute] = _seconds_of_an_epoch(config, splits.train, compute)
    return min(times, key=times.get)


def make(
    series: Series,
    dataset: str,
    lookback: int,
    horizon: int,
    period: int,
    *,
    teacher: str = "committee",
    student: str = "mlp",
    seconds: float,
    seed: int = 2021,
    epochs: int | None = None,
    compute: Compute = Compute(),
) -> Plan:
    """Baselines, the teacher or the committee, and students, with epochs that fit into `seconds`.

    The student is there without a teacher, the same with weight decay, and distilled.

    `dataset` is the path of `series`. With `epochs` every model that learns by gradient gets that many, however long
    it takes.
    """
    shape = (dataset, lookback, horizon)
    own = {name: period_of(name, period, lookback) for name in PERIODIC}
    own |= {name: own.get(name, {}) | {"relative": True} for name in PENALISED}
    splits = split(series, lookback, horizon, compute.place)
    remarks = []

    def settings(model: str) -> dict:
        return {"settings": own[model]} if own.get(model) else {}

    @functools.cache
    def cost(model: str, distilled: bool = False) -> float:
        """Seconds of an epoch, measured once a model; what is in closed form has none."""
        if models.closed_form(model):
            return 0.0
        if distilled:
            return 1.5 * cost(model)  # its loss has more parts
        return _seconds_of_an_epoch(RunConfig(*shape, model, **settings(model)), splits.train, compute)

    def options(model: str, role: str | None = None) -> dict | None:
        """Settings and epochs; None where the time is too short for the model, unless it is a student (`role`)."""
        given = settings(model)
        if models.closed_form(model):
            return given
        must, role = role is not None, role or model
        usual, share = EPOCHS.get(role, EPOCHS["itransformer"]), SHARES.get(role, SHARES["itransformer"])
        if epochs is not None:
            return given | {"epochs": epochs, "seed": seed}
        most = int(share * seconds / cost(model, role == "distilled"))
        found = max(min(usual, most), FEWEST_EPOCHS if must else 0)
        return given | {"epochs": found, "seed": seed} if found >= FEWEST_EPOCHS else None

    names = list(patient.MEMBERS) if teacher == "committee" else [teacher]
    members = {}
    for name in names:
        found = options(name)
        if found is None:
            remarks.append(f"{models.title(name)} is left out: {seconds:.0f} s of training are too few for it")
        else:
            members[name] = found
    runs = {models.title(name): RunConfig(*shape, name, **given) for name, given in members.items()}
    for name in BASELINES:
        if name == "seasonal_naive" and period > lookback:  # it would be of another period than its name says
            continue
        if name not in members and (found := options(name)) is not None:
            runs[models.title(name)] = RunConfig(*shape, name, **found)
    title, scales = models.title(student), min(3, horizon.bit_length() - 1)
    taught, plain, decayed = (options(student, role) for role in ("distilled", "plain", "decayed"))
    runs[title] = RunConfig(*shape, student, **plain)
    runs[system(student, decay=DECAY)] = RunConfig(*shape, student, weight_decay=DECAY, **decayed)
    if teacher == "committee":
        runs[f"{title}{DISTILLED}"] = patient.student(*shape, model=student, members=members, scales=scales, **taught)
    elif members:
        terms = TERMS if horizon > 1 else ("supervised", "scale_forecast")  # one step has no period
        more = {"teacher": teacher, "teacher_options": members[teacher], "scales": scales, "terms": terms}
        runs[f"{title}{DISTILLED}"] = RunConfig(*shape, student, **more, **taught)
    expected = {name: run.epochs * cost(run.model, run.teacher is not None) for name, run in runs.items()}
    return Plan(runs, expected, remarks)


def kept(path: Path, asked: dict, make: Callable[[], Plan]) -> Plan:
    """The plan that was made first for what is `asked` of the series at `path`: a fit that was stopped goes on with it.

    It measures times, and would come out otherwise now. Kept beside the series, wherever that has been moved; a damaged
    one, or one for other rows, is made anew.
    """
    place = path.with_suffix(".plan.json")
    key = hashlib.sha256(path.read_bytes() + json.dumps(asked, sort_keys=True).encode()).hexdigest()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(place.read_bytes())
        if found["key"] == key:
            here = {"dataset": str(path)}
            runs = {name: RunConfig.from_dict(values | here) for name, values in found["runs"].items()}
            return Plan(runs, found["seconds"], found["remarks"], found.get("ids", {}))
    plan = make()
    plan = plan._replace(ids={name: run.id for name, run in plan.runs.items()})
    runs = {name: run.to_dict() for name, run in plan.runs.items()}
    whole = {"key": key, "runs": runs, "seconds": plan.seconds, "remarks": plan.remarks, "ids": plan.ids}
    write_atomically((place, json.dumps(whole, indent=1).encode()))
    return plan


def _seconds_of_an_epoch(config: RunConfig, windows: Windows, compute: Compute) -> float:
    """Measured on a few batches of random weights; the second of two measurements, since the first warms up."""
    model = build(config, windows.channels).to(compute.place)
    count = min(len(windows), 4 * config.batch_size)
    lookback, horizon = windows.lookback, windows.horizon
    few = Windows(windows.values[:, : lookback + horizon + count - 1], lookback, horizon)
    optimizer = torch.optim.Adam(model.parameters())
    with compute.limit_threads(), torch.random.fork_rng(devices=compute.generators):
        for _ in range(2):
            started = time.perf_counter()
            train_epoch(model, Supervised(), few, optimizer, config.batch_size, compute)
            passed = time.perf_counter() - started
    return passed * len(windows) / count
