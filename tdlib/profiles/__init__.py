"""Profiles: which runs a study is made of. Each is one TOML file beside this one.

    main        every teacher, the plain student, the student distilled from each teacher, linear baselines
    ablation    one distilled student with parts of its loss left out, alone, or changed

`smoke` is for tests, `demo` for a laptop in minutes, `laptop` for hours, `paper` for a GPU or a cluster.
Several profiles are read as one when their names are joined by "+".
"""

import tomllib
from importlib.resources import files

from tdlib.config import RunConfig
from tdlib.distill import TERMS

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
    "textbook KL": {"reduction": "kl"},
    "truth patterns": {"patterns": "truth"},
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
        self.table = tomllib.loads((files(__name__) / f"{name}.toml").read_text())
        self.datasets = list(self.table["datasets"])
        self.horizons, self.teachers = self.table["horizons"], self.table["teachers"]

    def config(self, dataset: str, horizon: int, model: str, teacher: str | None = None, **changes) -> RunConfig:
        """One run with this profile's sizes and weights; `changes` go on top."""
        if dataset not in self.datasets:
            raise ValueError(f"profile {self.name} has no data set {dataset!r}; it has: {', '.join(self.datasets)}")
        fields = self._fields(dataset, model)
        if teacher:
            alpha, beta = self.table["datasets"][dataset].get("weights", {}).get(teacher, (1.0, 1.0))
            options = self._fields(dataset, teacher)
            fields |= {"teacher": teacher, "teacher_options": options, "alpha": alpha, "beta": beta}
        if changes.get("patterns") == "truth":  # the teacher's weight, without the teacher
            fields |= {"teacher": None, "teacher_options": {}, "beta": 0.0}
        return RunConfig(dataset, self.table["lookback"], horizon, **(fields | {"model": model} | changes))

    def _fields(self, dataset: str, model: str) -> dict:
        """The model's own table, changed by the data set's."""
        return self.table.get("models", {}).get(model, {}) | self.table["datasets"][dataset].get(model, {})

    def main(self) -> list[RunConfig]:
        """The runs of the main table."""
        runs = []
        for dataset in self.datasets:
            for horizon in self.horizons:
                runs += [self.config(dataset, horizon, teacher) for teacher in self.teachers]
                for seed in self.table["seeds"]:
                    runs += [self.config(dataset, horizon, "mlp", seed=seed)]
                    runs += [self.config(dataset, horizon, "mlp", teacher, seed=seed) for teacher in self.teachers]
                    runs += [self.config(dataset, horizon, model, seed=seed) for model in self.table["baselines"]]
        return runs

    def ablation(self) -> dict[RunConfig, str]:
        """The runs of the ablation, each with the name of its variant."""
        table = self.table["ablation"]
        return {
            self.config(dataset, horizon, "mlp", table["teacher"], seed=seed, **changes): variant
            for dataset in table.get("datasets", self.datasets)
            for horizon in table["horizons"]
            for variant, changes in ABLATIONS.items()
            for seed in table["seeds"]
        }

    def ablation_references(self) -> list[RunConfig]:
        """What an ablation is read against: the plain student and the teacher, without any distillation."""
        table = self.table["ablation"]
        return [
            run
            for dataset in table.get("datasets", self.datasets)
            for horizon in table["horizons"]
            for run in [
                *(self.config(dataset, horizon, "mlp", seed=seed) for seed in table["seeds"]),
                self.config(dataset, horizon, table["teacher"]),
            ]
        ]

    def runs(self) -> list[RunConfig]:
        """All runs of the profile, each once."""
        return list(dict.fromkeys([*self.main(), *self.ablation()]))


def load(name: str) -> list[Profile]:
    """The profiles of a name such as "demo" or "demo+laptop"."""
    return [Profile(part) for part in name.split("+")]
