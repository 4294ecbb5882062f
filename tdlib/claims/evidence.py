"""The rows that claims are tested on, and the statistics that test them, each with its 95% interval."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tdlib import analysis, bootstrap, models, patient, profiles, rows
from tdlib.claims import theorems
from tdlib.profiles import fair
from tdlib.report import tables
from tdlib.store import Store

PAPER = ("ECL", "ETTh1", "ETTh2", "ETTm1", "ETTm2", "Solar", "Traffic", "Weather")
HORIZONS = (96, 192, 336, 720)
FEWEST_SETTINGS = 5  # for an interval over settings and runs: of fewer it is far too narrow


@dataclass(frozen=True)
class Estimate:
    """A statistic, its interval, and over how many settings and runs (or pairs of runs) it is taken.

    `negative`: of a difference, in how many of the settings it is below 0; `without` is the setting that moves it most,
    or the data set, and `rest` with `rest_low` and `rest_high` what it is without that one.
    """

    value: float
    low: float
    high: float
    settings: int
    runs: int
    negative: int | None = None
    without: str = ""
    rest: float = math.nan
    rest_low: float = math.nan
    rest_high: float = math.nan

    @property
    def interval(self) -> tuple[float, float, float]:
        return self.value, self.low, self.high


class Evidence:
    """All rows of some profiles, by their part; a part that is not there is empty.

    `benchmarks` is the folder with page 10's ratios. ValueError where the store has no row of the profiles.
    """

    def __init__(
        self,
        profile: str,
        store: str | Path,
        *,
        benchmarks: str | Path,
        train_missing: bool = False,
    ):
        self.profiles, self.store = profiles.load(profile), Store(store)
        self.benchmarks = Path(benchmarks)
        chosen = [run for entry in self.profiles for run in fair.stored(entry, store)]
        wanted = [run for entry in self.profiles for run in entry.runs()]
        beside = [run for entry, teacher in self._ablated for run in entry.ablation_references(teacher)]
        self.runs = rows.read([*wanted, *beside, *chosen], profile, store=store, train_missing=train_missing)
        self.fair = rows.with_systems(self._of(chosen), by_decay=False)
        self.main = self._of(run for entry in self.profiles for run in entry.main())
        self.decayed = self._of(run for entry in self.profiles for run in entry.decayed())
        patients = {run: name for entry in self.profiles for run, name in entry.patient().items()}
        students = [
            self._of(run for run, name in patients.items() if name == variant).assign(system=title)
            for variant, title in patient.EVERYWHERE.items()
        ]
        self.patient, self.halves, self.linear = students
        self.patient_choice = analysis.best(patient.together(students))
        self.lookback = self._of(run for entry in self.profiles for run in entry.lookback())

    def _of(self, configs: Iterable) -> pd.DataFrame:
        return self.runs[self.runs["id"].isin({config.id for config in configs})]

    @property
    def _ablated(self) -> list[tuple[profiles.Profile, str]]:
        return [(entry, teacher) for entry in self.profiles for teacher in entry.ablation_teachers()]

    @functools.cached_property
    def ablation(self) -> pd.DataFrame:
        """The ablation's runs with their `variant`; the plain student beside them is "plain".

        A setting for each teacher: where it is not the first one the data set's name has it, too, and `segment` says
        whose test windows they are.
        """
        parts = []
        for entry, teacher in self._ablated:
            names = {run.id: name for run, name in entry.ablation(teacher).items()}
            beside = self._of(entry.ablation_references(teacher))
            names |= dict.fromkeys(beside.loc[beside["part"] == "plain", "id"], "plain")
            found = self.runs[self.runs["id"].isin(names)]
            found = found.assign(variant=found["id"].map(names), segment=found["dataset"])
            if teacher != entry.ablation_teachers()[0]:
                found["dataset"] += f" from {models.title(teacher)}"
            parts.append(found)
        return pd.concat(parts)

    def versatility(self, question: str) -> pd.DataFrame:
        """The runs of a question of page 07, by `name`. `rows.Missing` where there is none."""
        return tables.named([run for entry in self.profiles for run in entry.versatility()[question]], self.runs)

    def controls(self, question: str) -> pd.DataFrame:
        """The runs of a question of page 17, by `name`. `rows.Missing` where there is none."""
        return tables.named([run for entry in self.profiles for run in entry.controls()[question]], self.runs)

    def plain(self, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        runs = self.main if runs is None else runs
        return runs[(runs["model"] == "mlp") & (runs["part"] == "plain")]

    def distilled(self, teacher: str | None = None, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """The MLPs that learned from `teacher` alone; from that of each setting which is best on validation if None."""
        runs = self.main if runs is None else runs
        alone = ~runs["co_teachers"].astype(bool)
        runs = runs[(runs["model"] == "mlp") & (runs["part"] == "distilled") & alone]
        return runs[runs["teacher"] == teacher] if teacher else analysis.best(runs)

    def model(self, name: str, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        runs = self.main if runs is None else runs
        return runs[(runs["model"] == name) & (runs["part"] != "distilled")]

    # --- statistics

    def difference(self, ours: pd.DataFrame, theirs: pd.DataFrame) -> Estimate:
        """`analysis.compare` over all settings: difference in MSE, in percent."""
        return self._difference(analysis.compare(ours, theirs, self.store))

    def against_committee(self, students: pd.DataFrame) -> Estimate:
        """The same, of students and the committees that taught them."""
        return self._difference(analysis.against_committee(students, self.store))

    def win_rate(self, ours: pd.DataFrame, theirs: pd.DataFrame) -> Estimate:
        """Share of windows in percent, ties half."""
        return self._pooled(analysis.compare(ours, theirs, self.store), ("win rate", "win low", "win high"))

    def _difference(self, found: pd.DataFrame) -> Estimate:
        negative = int((found["difference"].iloc[:-1] < 0).sum())
        others = found.iloc[-1][["without", "rest", "rest low", "rest high"]]
        others = dict(zip(("without", "rest", "rest_low", "rest_high"), others, strict=True))
        return dataclasses.replace(self._pooled(found, ("difference", "low", "high")), negative=negative, **others)

    def _pooled(self, found: pd.DataFrame, columns: tuple[str, ...]) -> Estimate:
        line = found.loc[("all", "all")]
        return Estimate(*line[list(columns)].astype(float), settings=len(found) - 1, runs=int(line["runs"]))

    def worst(self, pairs: Iterable[tuple[pd.DataFrame, pd.DataFrame]], fewest: int) -> Estimate | None:
        """The largest of several differences; its ends are the largest ends: below 0 where each of them is.

        `without` is here the data set that moves it most, of those without which every pair can still be compared. None
        where fewer than `fewest` pairs can be.
        """
        pairs = list(pairs)
        found = self._largest(pairs, fewest)
        if found is None:
            return None
        names = pd.concat([ours["dataset"] for ours, _ in pairs]).unique()
        others = {
            name: self._largest([(ours[ours["dataset"] != name], theirs) for ours, theirs in pairs], fewest)
            for name in (names if len(names) > 1 else ())
        }
        others = {
            name: rest
            for name, rest in others.items()
            if rest and rest.settings == found.settings and not math.isnan(rest.low)
        }
        if not others:
            return found
        name = max(others, key=lambda name: abs(others[name].value - found.value))
        left = dict(zip(("rest", "rest_low", "rest_high"), others[name].interval, strict=True))
        return dataclasses.replace(found, without=name, **left)

    def _largest(self, pairs: list[tuple[pd.DataFrame, pd.DataFrame]], fewest: int) -> Estimate | None:
        found = []
        for ours, theirs in pairs:
            with contextlib.suppress(rows.Missing):
                found.append(self.difference(ours, theirs))
        if len(found) < fewest:
            return None
        largest = np.max([one.interval for one in found], 0)  # NaN where one of them has no interval
        negative = sum(one.value < 0 for one in found)
        return Estimate(*largest, settings=len(found), runs=sum(one.runs for one in found), negative=negative)

    def over_runs(self, ours: pd.DataFrame, theirs: pd.DataFrame, value) -> Estimate | None:
        """`value(our row, their row)`, mean over pairs of runs, then over settings; settings, then pairs are drawn.

        None for fewer than `FEWEST_SETTINGS`.
        """
        values = {}
        for place, found in ours.groupby(analysis.SETTING, sort=False):
            there = theirs[(theirs[analysis.SETTING] == list(place)).all(axis=1)]
            pairs = analysis.pairs(found, there) if len(there) else there
            mine, other = (frame.set_index("id").loc for frame in (found, there))
            found = [value(mine[pair.ours], other[pair.theirs]) for pair in pairs.itertuples()]
            values |= {place: found} if found else {}
        if len(values) < FEWEST_SETTINGS:
            return None
        whole = bootstrap.of_groups([*values.values()])
        far = {place: abs(np.mean(found) - whole[0]) for place, found in values.items()}
        dataset, _, horizon = left = max(far, key=far.get)
        rest = bootstrap.of_groups([found for place, found in values.items() if place != left])
        rest = dict(zip(("rest", "rest_low", "rest_high"), rest, strict=True)) | {"without": f"{dataset}, {horizon}"}
        return Estimate(*whole, settings=len(values), runs=sum(map(len, values.values())), **rest)

    def wins_of_data_sets(self, linear: bool) -> Estimate | None:
        """On how many of the paper's data sets the distilled MLP is best of all systems, mean over its four horizons.

        These are teachers and the plain MLP, as in the paper, or with `linear` all baselines, too. Of several students
        of a data set it is the one that is best on validation; where not all are there, nobody knows which one that is:
        `low` counts these data sets as lost, `high` as won. None where no data set is whole.
        """
        runs = self.main[self.main["dataset"].isin(PAPER) & self.main["horizon"].isin(HORIZONS)]
        runs = runs if linear else runs[(runs["part"] != "plain") | (runs["system"] == rows.system("mlp"))]
        means = runs.groupby(["dataset", "system", "horizon"])[["val_mse", "test_mse"]].mean()
        whole = means.groupby(["dataset", "system"]).agg(tables.over_horizons).dropna().reset_index()
        taught = whole["system"].isin(runs.loc[runs["part"] == "distilled", "system"])
        ours = whole[taught].sort_values("val_mse").drop_duplicates("dataset").set_index("dataset")["test_mse"]
        students = whole[taught].groupby("dataset")["system"].nunique()
        ours = ours[students.reindex(ours.index) == students.max()]
        theirs = whole[~taught].groupby("dataset")["test_mse"].min().reindex(ours.index)
        won, there = int((ours < theirs).sum()), int(theirs.notna().sum())
        return Estimate(won, won, won + len(PAPER) - there, settings=there, runs=len(runs)) if there else None

    def weights(self) -> pd.Series:
        """How many times the student's weights each teacher has, by data set, horizon and teacher.

        Teachers of the main table and of page 07.
        """
        student = self.plain().groupby(["dataset", "horizon"])["parameters"].first()
        others = self._of(run for entry in self.profiles for _, run in entry.versatility()["teachers"])
        teachers = pd.concat([self.main, others]).drop_duplicates("id").query("part == 'teacher'")
        teachers = teachers.groupby(["dataset", "horizon", "system"])["parameters"].first()
        return (teachers / student.reindex(teachers.index.droplevel("system")).to_numpy()).dropna()

    def on_ecl(self, what: str) -> pd.Series | None:
        """How many times the student's `what`, "latency" or "parameters", each teacher has on ECL, sizes as published.

        Page 10 measures it; None where it has not.
        """
        path = self.benchmarks / "ratios.csv"
        return pd.read_csv(path).set_index("teacher")[f"ECL, ours: times the {what}"] if path.exists() else None

    def triples(self) -> dict[str, list[torch.Tensor]]:
        """`theorems.triples` of the first distilled row and its teacher."""
        student = rows.select(self.main, part="distilled").iloc[0]
        names = {"model": student["teacher"], **{name: student[name] for name in analysis.SETTING}}
        teacher = rows.select(self.main, part="teacher", **names).iloc[0]
        return theorems.triples(self.store.arrays(teacher["id"]), self.store.arrays(student["id"]))

    def theorem(self, holds) -> Estimate:
        """Share of the triples on which `holds`, in percent: of the real or of the made ones, whichever is less."""
        share = min(100 * holds(*triples).double().mean().item() for triples in self.triples().values())
        return Estimate(share, share, share, settings=1, runs=2)
