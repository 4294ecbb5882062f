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

Which runs are "fair" is known once the trials are in a store: `Profile.fair` takes their rows.
`smoke` is for tests, `demo` for a laptop in minutes, `laptop` for days, `paper` for a GPU or a cluster.
Several profiles are read as one when their names are joined by "+".
"""

import dataclasses
import functools
import itertools
import tomllib
from importlib.resources import files
from pathlib import Path

import pandas as pd

from tdlib import channels, models, patient, rivals, study
from tdlib.checks import one_of
from tdlib.config import DECAY, RunConfig
from tdlib.distill import TERMS
from tdlib.profiles.check import check_table
from tdlib.store import Store

PARTS = ("main", "trials", "ablation", "versatility", "lookback", "sensitivity", "patient", "channels", "controls")
APART = ("foundation",)  # parts that nobody gets unasked
ABLATIONS = {  # the variant's name -> what it changes in the full method
    "full": {},
    "w/o scale": {"terms": [term for term in TERMS if not term.startswith("scale")]},
    "w/o period": {"terms": [term for term in TERMS if not term.startswith("period")]},
    "w/o prediction level": {"terms": [term for term in TERMS if not term.endswith("forecast")]},
    "w/o feature level": {"terms": [term for term in TERMS if not term.endswith("feature")]},
    "w/o supervised": {"terms": [term for term in TERMS if term != "supervised"]},
    "scale, prediction only": {"terms": ["supervised", "scale_forecast"]},
    "period, prediction only": {"terms": ["supervised", "period_forecast"]},
    "scale, feature only": {"terms": ["supervised", "scale_feature"]},
    "period, feature only": {"terms": ["supervised", "period_feature"]},
    "exact KL, summed": {"reduction": "kl"},  # no floor under the student's logarithm, no division by the frequencies
    "truth patterns": {"patterns": "truth"},
}

RIVALS = {  # other distillations: page 07 and `rivals` say what they stand for
    "TimeDistill": {},
    "forecasts only (Hinton)": {"terms": ["supervised", "scale_forecast"], "scales": 0},
    "features only (FitNets)": {"terms": ["supervised", "scale_feature"], "scales": 0},
    "CAKD": {"terms": ["supervised", "scale_forecast", *rivals.TERMS], "scales": 0},
    "mean of two teachers": {"weighting": "mean"},
    "adaptive teachers (LightTS)": {"weighting": "adaptive"},
    "truth patterns": {"patterns": "truth"},
}

CHANNELS = {  # the variant's name -> what it changes in the full method
    "TimeDistill": {},
    "TimeDistill + channels": {"terms": [*TERMS, *channels.TERMS]},
    "TimeDistill, alpha 10": {"alpha": 10.0},  # correlations, at most 2 apart, may want more weight than alpha has
    "TimeDistill + channels, alpha 10": {"alpha": 10.0, "terms": [*TERMS, *channels.TERMS]},
    "channels alone": {"terms": ["supervised", *channels.TERMS], "beta": 0.0},
    "channels of the truth": {"terms": ["supervised", *channels.TERMS], "patterns": "truth"},
}


def names() -> list[str]:
    """The profiles that are there."""
    return sorted(path.name.removesuffix(".toml") for path in files(__name__).iterdir() if path.name.endswith(".toml"))


class Profile:
    """The table of one profile and the runs it stands for."""

    def __init__(self, name: str):
        if name not in names():
            raise ValueError(f"unknown profile {name!r}; known: {', '.join(names())}")
        self.name = name
        file = f"{name}.toml"
        try:
            self.table = tomllib.loads((files(__name__) / file).read_text())
        except ValueError as fault:
            raise ValueError(f"{file}: {fault}") from None
        check_table(self.table, file, parts=(*PARTS, *APART), rivals=tuple(RIVALS))
        self.datasets = list(self.table["datasets"])
        self.horizons, self.teachers = self.table["horizons"], self.table["teachers"]

    def config(
        self, dataset: str, horizon: int, model: str, teacher: str | None = None, teacher_seed: int = 2021, **changes
    ) -> RunConfig:
        """One run with this profile's sizes and weights; `changes` go on top."""
        if dataset not in self.datasets:
            raise ValueError(f"profile {self.name} has no data set {dataset!r}; it has: {', '.join(self.datasets)}")
        fields = {"lookback": self.table["lookback"], "horizon": horizon} | self._fields(dataset, model)
        if teacher:
            alpha, beta = self.table["datasets"][dataset].get("weights", {}).get(teacher, (1.0, 1.0))
            options = self._fields(dataset, teacher) | {"seed": teacher_seed}
            fields |= {"teacher": teacher, "teacher_options": options, "alpha": alpha, "beta": beta}
        if "truth" in changes.get("patterns", ""):  # the teacher's weight, without the teacher
            fields |= {"teacher": None, "teacher_options": {}, "beta": 0.0}
        if co_teacher := changes.pop("co_teacher", None):  # forecasts alone: features share no width
            fields |= {"co_teachers": {co_teacher: self._fields(dataset, co_teacher)}, "beta": 0.0}
        settings = fields.get("settings", {}) | changes.pop("settings", {})
        return RunConfig(dataset, model=model, **(fields | {"settings": settings} | changes))

    def _fields(self, dataset: str, model: str) -> dict:
        """The model's own table, changed by the data set's."""
        return self.table.get("models", {}).get(model, {}) | self.table["datasets"][dataset].get(model, {})

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

    def seeds(self, dataset: str) -> list[int]:
        """The students' seeds on a data set."""
        return self.table["datasets"][dataset].get("seeds", self.table["seeds"])

    def _of(self, teacher: str, dataset: str) -> list[int]:
        """The seeds of a teacher on a data set: the first few of the students'."""
        return self.seeds(dataset)[: self.table["datasets"][dataset].get("teacher_seeds", {}).get(teacher, 1)]

    def student(self, dataset: str, horizon: int, teacher: str, seed: int, **changes) -> RunConfig:
        """The distilled MLP of a seed, and of the teacher's seed that belongs to it."""
        seeds, place = self._of(teacher, dataset), self.seeds(dataset).index(seed)
        return self.config(
            dataset, horizon, "mlp", teacher, seed=seed, teacher_seed=seeds[place % len(seeds)], **changes
        )

    def trials(self) -> list[RunConfig]:
        """What the fair protocol tries: as many plain as distilled students, one seed, the first horizon."""
        return [run for dataset in self.datasets for runs in self._trials(dataset).values() for run in runs]

    def _trials(self, dataset: str) -> dict[str | None, list[RunConfig]]:
        """By teacher, None for the plain student."""
        table = self._tried(dataset)
        rates = table["learning_rates"]
        plain = [self._plain_trial(dataset, *pair) for pair in itertools.product(rates, table["weight_decays"])]
        return {None: plain} | {
            teacher: [
                self._taught_trial(dataset, teacher, *pair) for pair in itertools.product(rates, table["weights"])
            ]
            for teacher in table["teachers"]
        }

    def _tried(self, dataset: str) -> dict:
        return self.table["trials"] | self.table["datasets"][dataset].get("trials", {})

    def _plain_trial(self, dataset: str, rate: float, decay: float) -> RunConfig:
        place = (dataset, self.horizons[0], "mlp")
        return self.config(*place, seed=self.seeds(dataset)[0], learning_rate=rate, weight_decay=decay)

    def _taught_trial(self, dataset: str, teacher: str, rate: float, weight: float) -> RunConfig:
        place = (dataset, self.horizons[0], teacher, self.seeds(dataset)[0])
        return self.student(*place, learning_rate=rate, alpha=weight, beta=weight)

    def aside(self) -> list[RunConfig]:
        """Students beside the trials, which choose nothing: was the best of those only the end of a range?"""
        runs = []
        for dataset in self.datasets:
            tried = self._tried(dataset)
            runs += [self._plain_trial(dataset, *pair) for pair in tried.get("aside", ())]
            pairs = itertools.product(tried["teachers"], tried.get("aside_weights", ()))
            runs += [self._taught_trial(dataset, teacher, *pair) for teacher, pair in pairs]
        return runs

    def defaults(self) -> list[RunConfig]:
        """Baselines in closed form without the settings of their data set, at the first horizon, to judge those by."""
        return [
            RunConfig(dataset, self.table["lookback"], self.horizons[0], model)
            for dataset in self.datasets
            for model in filter(models.closed_form, self.table["baselines"])
            if "settings" in self.table["datasets"][dataset].get(model, {})
        ]

    def fair(self, trials: pd.DataFrame) -> list[RunConfig]:
        """Both students with the settings of their best trial on validation, every horizon and seed.

        `trials` are rows as `study.ensure` returns them; a student whose trials are not all there is left out.
        """
        errors, runs = dict(zip(trials["id"], trials["val_mse"], strict=True)), []
        for dataset in self.datasets:
            for teacher, tried in self._trials(dataset).items():
                if all(run.id in errors for run in tried):
                    best = min(tried, key=lambda run: errors[run.id])
                    names = ("learning_rate", "alpha", "beta") if teacher else ("learning_rate", "weight_decay")
                    changes = {name: getattr(best, name) for name in names}
                    for horizon, seed in itertools.product(self.horizons, self.seeds(dataset)):
                        runs.append(
                            self.student(dataset, horizon, teacher, seed, **changes)
                            if teacher
                            else self.config(dataset, horizon, "mlp", seed=seed, **changes)
                        )
        return runs

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

    def members(self, dataset: str) -> list[str]:
        """The models of the committee on a data set."""
        return self.table["datasets"][dataset].get("committee", self.table["patient"]["members"])

    def patient_student(
        self, dataset: str, horizon: int, seed: int, members: list[str] | None = None, **changes
    ) -> RunConfig:
        """The patient student of a seed: trained members have it too, teachers the one that belongs to it.

        `members` are the models of another committee than the data set's.
        """
        names = self.members(dataset) if members is None else members
        options = {name: self._fields(dataset, name) | self._seed(dataset, name, seed) for name in names}
        fields = {"lookback": self.table["lookback"], "horizon": horizon, "seed": seed}
        own = self._fields(dataset, "mlp")  # of which the recipe has its own rate and epochs
        fields |= {name: own[name] for name in ("settings", "batch_size") if name in own}
        has = models.settings(changes.get("model", "mlp"))  # another student may have no width
        fields["settings"] = {name: value for name, value in fields.get("settings", {}).items() if name in has}
        return patient.student(dataset, members=options, **(fields | changes))

    def _seed(self, dataset: str, member: str, seed: int) -> dict[str, int]:
        if models.closed_form(member):
            return {}
        seeds = self._of(member, dataset) if member in self.teachers else self.seeds(dataset)
        return {"seed": seeds[self.seeds(dataset).index(seed) % len(seeds)]}

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
            ("truth, smooth", build(first, patterns="smooth truth", **weights)),
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
            "trials": lambda: self.trials() + self.aside() + self.defaults(),
            "ablation": lambda: [run for teacher in self.ablation_teachers() for run in self.ablation(teacher)],
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
    fair = [run for run in profile.fair(runs) if (run.dataset, run.horizon) in places and run not in configs]
    return pd.concat([runs, study.ensure(fair, store=store, **how)]) if fair else runs
