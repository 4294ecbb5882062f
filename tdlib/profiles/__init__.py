"""Profiles: which runs a study is made of. Each is one TOML file beside this one; `check` says what it may hold.

    main         two teachers, the plain student, the student distilled from each teacher, baselines; and the plain
                 student once more, with weight decay
    trials       rates with weight decays for the plain student, rates with pattern weights for the distilled one;
                 some of both aside, and linear baselines without their data set's settings: these choose
                 nothing
    fair         both students again, each with what its trials chose on validation, as many trials for each
    ablation     one distilled student with parts of its loss left out, alone, or changed
    versatility  more teachers, other students, other sizes and norms of the student, other distillations
    lookback     teacher, plain and distilled student at several look-backs
    sensitivity  one distilled student with the weights, scales, temperature and downsampling of its loss varied
    patient      the student of a committee (`tdlib.patient`), and with pieces of its recipe removed
    channels     a student that is also taught how channels move together (`tdlib.channels`), and its references
    controls     what a teacher is worth and what the MLP is for: teachers that see the future, widths, targets
    foundation   a foundation model, and students that learn from it: only where it is named, since it takes hours and
                 a package of its own

Which runs are "fair" is known once the trials are in a store: `fair.chosen` takes their rows.
`smoke` is for tests, `demo` for a laptop in minutes, `laptop` for days, `paper` for a GPU or a cluster.
Several profiles are read as one when their names are joined by "+".
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tdlib import models, patient, study
from tdlib.checks import one_of
from tdlib.config import DECAY, RunConfig
from tdlib.profiles import fair
from tdlib.profiles.settings import Settings, names
from tdlib.profiles.variants import ABLATIONS, APART, CHANNELS, PARTS, RIVALS
from tdlib.store import Store

__all__ = ["ABLATIONS", "APART", "CHANNELS", "PARTS", "RIVALS", "Profile", "ensure", "fair", "load", "names", "parts"]


class Profile(Settings):
    """The runs of one profile, by part and by page."""

    def main(self) -> list[RunConfig]:
        """The runs of the main table. The student of seed s learns from the teacher of seed s, or goes round."""
        runs = []
        for dataset in self.datasets:
            for horizon in self.horizons:
                build = functools.partial(self.config, dataset, horizon)
                runs += [build(teacher, seed=seed) for teacher in self.teachers for seed in self._of(teacher, dataset)]
                for seed in self.seeds(dataset):
                    runs += [build("mlp", seed=seed)]
                    runs += [self.student(dataset, horizon, teacher, seed) for teacher in self.teachers]
                    runs += [build(model, seed=seed) for model in self.table["baselines"]]
        return list(dict.fromkeys(runs))  # a baseline in closed form is the same with every seed

    def decayed(self) -> list[RunConfig]:
        """The plain students of the main table once more, with weight decay: one number changed, everywhere alike."""
        return [_decayed(run) for run in self.main() if _plain(run)]

    def ablation_teachers(self) -> list[str]:
        """The teachers whose students are ablated: the first on all data sets of the ablation, others on some."""
        return [self.table["ablation"]["teacher"], *self.table["ablation"].get("others", {})]

    def ablation(self, teacher: str | None = None) -> dict[RunConfig, str]:
        """The runs of the ablation, each with the name of its variant, of a teacher's students: by default the first's.

        What has the truth in the teacher's place is the same for two teachers of one weight.
        """
        teacher = teacher or self.ablation_teachers()[0]
        return {
            self.config(*place, "mlp", teacher, seed=seed, **changes): variant
            for place in self._ablated(teacher)
            for variant, changes in ABLATIONS.items()
            for seed in self.table["ablation"]["seeds"]
        }

    def ablations(self) -> dict[RunConfig, str]:
        """`ablation` of all teachers."""
        return {run: name for teacher in self.ablation_teachers() for run, name in self.ablation(teacher).items()}

    def ablation_references(self, teacher: str | None = None) -> list[RunConfig]:
        """What an ablation is read against: the plain student, without and with decay, and the teacher."""
        teacher = teacher or self.ablation_teachers()[0]
        seeds = self.table["ablation"]["seeds"]
        return [
            run
            for place in self._ablated(teacher)
            for run in [
                *(
                    self.config(*place, "mlp", seed=seed, weight_decay=decay)
                    for decay in (0.0, DECAY)
                    for seed in seeds
                ),
                self.config(*place, teacher),
            ]
        ]

    def _ablated(self, teacher: str) -> list[tuple[str, int]]:
        """The data sets and horizons of a teacher's ablation."""
        table = self.table["ablation"]
        datasets = table.get("datasets", self.datasets)
        return list(itertools.product(table.get("others", {}).get(teacher, datasets), table["horizons"]))

    def versatility(self) -> dict[str, list[tuple[str, RunConfig]]]:
        """By question of page 07, the runs that answer it, each with its name: `teachers`, `students`, ..."""
        table = self.table["versatility"]
        dataset, horizon, seeds = self.datasets[0], self.horizons[0], table["seeds"]
        build = functools.partial(self.config, dataset, horizon)
        teacher, other = table["teacher"], table["co_teacher"]

        alpha, beta = build("mlp", teacher).alpha, build("mlp", teacher).beta  # the same for every teacher

        def pairs(teacher: str, model: str = "mlp", seeds: list[int] = seeds, **changes) -> list[RunConfig]:
            weights = {"alpha": alpha, "beta": beta}
            return [
                build(model, source, seed=seed, **given, **changes)
                for seed in seeds
                for source, given in ((None, {}), (teacher, weights))
            ]

        def rival(changes: dict) -> list[RunConfig]:
            several = {"co_teacher": other, **RIVALS["forecasts only (Hinton)"]} if "weighting" in changes else {}
            return [build("mlp", teacher, seed=seed, **several, **changes) for seed in seeds]

        decayed = [build("mlp", seed=seed, weight_decay=DECAY) for seed in seeds]
        sizes = {f"width {width}": {"width": width} for width in table["widths"]}
        sizes |= {f"{layers} layers": {"layers": layers} for layers in table["layers"]}
        runs = {
            "teachers": {name: [build(name), *pairs(name), *decayed] for name in table["teachers"]},
            "students": {name: pairs(table["students_teacher"], name) for name in table["students"]},
            "sizes": {name: pairs(teacher, seeds=seeds[:1], settings=size) for name, size in sizes.items()},
            "norms": {
                f"norm: {norm}": pairs(teacher, seeds=seeds[:1], settings={"norm": norm}) for norm in table["norms"]
            },
            "affine": {
                f"{dataset}, {words}": [
                    self.config(dataset, horizon, "mlp", source, seed=seed, settings={"affine": affine})
                    for seed in self.table["seeds"]
                    for source in (None, teacher)
                ]
                for dataset in table["affine"]
                for affine, words in ((True, "the last pair learns"), (False, "it is idle"))
            },
            "rivals": {name: rival(RIVALS[name]) for name in table["rivals"]},
        }
        return {
            question: [(name, run) for name, found in entries.items() for run in found]
            for question, entries in runs.items()
        }

    def lookback(self) -> list[RunConfig]:
        """The runs of page 08, at each look-back: teacher, plain student (with decay, too), distilled, linear layer."""
        table = self.table["lookback_study"]
        dataset, teacher = self.datasets[0], table["teacher"]
        students = [("mlp", None, 0.0), ("mlp", None, DECAY), ("mlp", teacher, 0.0), ("nlinear", None, 0.0)]
        return [
            run
            for horizon, lookback in itertools.product(table["horizons"], table["lookbacks"])
            for run in [
                self.config(dataset, horizon, teacher, lookback=lookback),
                *(
                    self.config(dataset, horizon, *pair, lookback=lookback, seed=seed, weight_decay=decay)
                    for *pair, decay in students
                    for seed in table["seeds"]
                ),
            ]
        ]

    def sensitivity(self) -> dict[str, list[RunConfig]]:
        """The runs of page 09, by what is varied: `weights`, `scales`, `temperature` and `downsample`."""
        table = self.table["sensitivity"]
        build = functools.partial(self.config, self.datasets[0], self.horizons[0], "mlp", table["teacher"])
        one = {"scales": table["scales"], "temperature": table["temperatures"], "downsample": table["downsamplings"]}
        varied = {"weights": [{"alpha": alpha, "beta": beta} for alpha in table["alphas"] for beta in table["betas"]]}
        varied |= {name: [{name: value} for value in values] for name, values in one.items()}
        return {
            name: [build(seed=seed, **changes) for changes in entries for seed in table["seeds"]]
            for name, entries in varied.items()
        }

    def patient(self) -> dict[RunConfig, str]:
        """The runs of page 12, each with its variant: those of `patient.EVERYWHERE` in all settings."""
        seeds, pieces = self.table["patient"].get("seeds", {}), self.table["patient"]["pieces"]
        recipe = {
            self.patient_student(dataset, horizon, seed, **patient.PIECES[variant]): variant
            for variant in patient.EVERYWHERE
            for dataset in self.datasets
            for horizon in self.horizons
            for seed in seeds.get(dataset, self.seeds(dataset))
        }
        return recipe | {
            self.patient_student(dataset, horizon, seed, **changes): variant
            for dataset, horizon, seed in itertools.product(pieces["datasets"], pieces["horizons"], pieces["seeds"])
            for variant, changes in patient.PIECES.items()
        }

    def channels(self) -> dict[RunConfig, str]:
        """The runs of page 15, each with the name of its variant: `CHANNELS`, teacher, plain student and ridge.

        Variants without any other pattern are there once for each alpha of the profile.
        """
        table, variants = self.table["channels"], {}
        for dataset, horizon in itertools.product(table.get("datasets", self.datasets), table["horizons"]):
            variants[self.config(dataset, horizon, "ridge")] = "ridge"
            for seed in table["seeds"]:
                variants[self.config(dataset, horizon, "mlp", seed=seed)] = "plain"
                for variant, changes in CHANNELS.items():
                    alphas = [{}] if "TimeDistill" in variant else [{"alpha": alpha} for alpha in table["alphas"]]
                    for alpha in alphas:
                        run = self.student(dataset, horizon, table["teacher"], seed, **changes, **alpha)
                        variants |= {run: variant} | {teacher: "teacher" for teacher in run.teacher_configs.values()}
        return variants

    def controls(self) -> dict[str, list[tuple[str, RunConfig]]]:
        """By question of page 17, the runs that answer it, each with its name: `foresight`, `steps`, ...

        All but those of `targets` are the recipe of page 12 with one change; those have the published loss at the level
        of forecasts, with the truth and what is named in the teacher's place.
        """
        table = self.table["controls"]
        alone, width = patient.PIECES["no teacher"], lambda width: {"settings": {"width": width}}
        recipe = {
            "foresight": {f"{p:.0%}": {"foresight": p} for p in table["foresights"]},
            "steps": {f"tilt {tilt:g}": {"tilt": tilt} for tilt in table["tilts"]},
            "widths": {f"{w}": width(w) for w in table["widths"]},
            "widths, no teacher": {f"{w}": width(w) | alone for w in table["widths"]},
            "students": {name: {"model": name} for name in table["students"]},
            "students, no teacher": {name: {"model": name} | alone for name in table["students"]},
        }
        places = list(itertools.product(table["datasets"], table["horizons"], table["seeds"]))
        runs = {
            question: [
                (name, self.patient_student(*place, **changes))
                for name, changes in variants.items()
                for place in places
            ]
            for question, variants in recipe.items()
        }
        runs |= {"targets": [entry for place in places for entry in self._targets(*place)]}
        everywhere = itertools.product(table["datasets"], self.horizons, table["seeds"])
        return runs | {"decay": [entry for place in everywhere for entry in self._decay(*place)]}

    def _decay(self, dataset: str, horizon: int, seed: int) -> list[tuple[str, RunConfig]]:
        """The plain and the distilled MLP of a seed, as published and with weight decay."""
        taught = self.student(dataset, horizon, self.teachers[0], seed)
        runs = {"plain": self.config(dataset, horizon, "mlp", seed=seed), "distilled": taught}
        return [*runs.items(), *((f"{name}, decay", _decayed(run)) for name, run in runs.items())]

    def _targets(self, dataset: str, horizon: int, seed: int) -> list[tuple[str, RunConfig]]:
        """The MLP of a seed with several targets beside the truth, at the weights of the first teacher."""
        build, first = functools.partial(self.config, dataset, horizon, "mlp", seed=seed), self.teachers[0]
        weights = {"alpha": build(first).alpha, "beta": 0.0}
        plain = [self._fields(dataset, "mlp") | {"seed": each} for each in self.seeds(dataset)]
        mean = {"teacher_options": plain[0], "co_teachers": {"mlp": plain[1:]}}
        return [
            ("nothing", build()),
            ("truth", build(first, patterns="truth", **weights)),
            ("truth over 5 steps", build(first, patterns="truth over 5 steps", **weights)),
            ("truth over 25 steps", build(first, patterns="smooth truth", **weights)),
            ("Ridge", build("ridge", **weights)),
            ("mean of plain MLPs", build("mlp", **mean, **weights)),
            (models.title(first), self.student(dataset, horizon, first, seed, **weights)),
        ]

    def foundation(self) -> dict[RunConfig, str]:
        """The runs of page 16, each with the name of its system: a foundation model, whom it teaches, and opponents."""
        table = self.table["foundation"]
        model, runs = table["model"], {}
        title = models.title(model)
        for dataset, horizon in itertools.product(table.get("datasets", self.datasets), table["horizons"]):
            build = functools.partial(self.config, dataset, horizon)
            alpha = build("mlp", self.teachers[0]).alpha  # the weight of a teacher that was trained
            runs |= {build(model): title, build("ridge"): "Ridge"}
            committees = {
                "committee": self.members(dataset),
                f"committee with {title}": [*self.members(dataset), model],
                f"{title} and Ridge": ["ridge", model],
            }
            for seed in self.seeds(dataset):
                runs[build("mlp", seed=seed)] = "MLP"
                runs[build("mlp", model, seed=seed, alpha=alpha, beta=0.0)] = f"MLP from {title}"
                for name, members in committees.items():
                    runs[self.patient_student(dataset, horizon, seed, members)] = f"patient MLP of {name}"
        return runs

    def efficiency(self) -> list[RunConfig]:
        """The runs of page 10, all part of other pages: plain and distilled student, linear layers, every teacher."""
        table = self.table["versatility"]
        build = functools.partial(self.config, self.datasets[0], self.horizons[0])
        pairs = [("mlp", None), ("mlp", table["teacher"]), *((model, None) for model in self.table["baselines"])]
        students = [build(*pair, seed=self.table["seeds"][0]) for pair in pairs]
        return students + [build(name) for name in table["teachers"]]

    def seeds_of_the_method(self) -> list[RunConfig]:
        """The run that `sensitivity` varies, with every seed of the main table: what is noise on page 09."""
        build = functools.partial(self.config, self.datasets[0], self.horizons[0], "mlp")
        return [build(self.table["sensitivity"]["teacher"], seed=seed) for seed in self.table["seeds"]]

    def runs(self, *parts: str) -> list[RunConfig]:
        """All runs of `PARTS`, each once; only those of some parts where any are named, which may be `APART`."""
        found = {
            "main": lambda: [each for run in self.main() for each in ([run, _decayed(run)] if _plain(run) else [run])],
            "trials": lambda: fair.trials(self) + fair.aside(self) + fair.defaults(self),
            "ablation": lambda: list(self.ablations()),
            "versatility": lambda: [run for entries in self.versatility().values() for _, run in entries],
            "lookback": self.lookback,
            "sensitivity": lambda: [run for entries in self.sensitivity().values() for run in entries],
            "patient": lambda: list(self.patient()),
            "channels": lambda: list(self.channels()),
            "controls": lambda: [run for entries in self.controls().values() for _, run in entries],
            "foundation": lambda: list(self.foundation()),
        }
        for part in parts:
            one_of("part", part, (*PARTS, *APART))
        return list(dict.fromkeys(run for part in parts or PARTS for run in found[part]()))

    def anew(self) -> list[RunConfig]:
        """What a reproduction trains itself: the parts and seeds that `[reproduce]` names, else all."""
        table = self.table.get("reproduce", {})
        return [run for run in self.runs(*table.get("parts", ())) if run.seed in table.get("seeds", [run.seed])]


def _plain(run: RunConfig) -> bool:
    return run.model == "mlp" and not run.teacher


def _decayed(run: RunConfig) -> RunConfig:
    return dataclasses.replace(run, weight_decay=DECAY)


def load(name: str) -> list[Profile]:
    """The profiles of a name such as "demo" or "demo+laptop"."""
    return [Profile(part) for part in name.split("+")]


def ensure(profile: Profile, configs: list[RunConfig], *, store: str | Path | Store, **how) -> pd.DataFrame:
    """`study.ensure` for runs of a profile; where all trials of a data set are among them, also for what they chose.

    Of the fair runs those of the data sets and horizons in `configs` are trained.
    """
    runs = study.ensure(configs, store=store, **how)
    places = {(run.dataset, run.horizon) for run in configs}
    more = [run for run in fair.chosen(profile, runs) if (run.dataset, run.horizon) in places and run not in configs]
    return pd.concat([runs, study.ensure(more, store=store, **how)]) if more else runs


def parts(entries: Iterable[Profile], store: Store) -> pd.DataFrame:
    """Which parts of which profiles the rows of a store belong to: a line for each `id`, `profile` and `part`.

    A part has the teachers that its students need, too; "fair" are the runs that trials chose. "none" is what none of
    the profiles has, any more or yet.
    """
    lines, there = [], set(store.ids())
    for entry in entries:
        wanted = {part: entry.runs(part) for part in (*PARTS, *APART)}
        wanted["fair"] = fair.stored(entry, store)
        for part, runs in wanted.items():
            ids = dict.fromkeys(each.id for run in runs for each in (run, *run.needed))
            lines += [(id, entry.name, part) for id in ids if id in there]
    lines += [(id, "none", "none") for id in there.difference(id for id, *_ in lines)]
    return pd.DataFrame(lines, columns=["id", "profile", "part"]).sort_values(["id", "profile", "part"])
