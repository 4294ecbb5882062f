"""What a profile is made of: its TOML file, and one run of it."""

import tomllib
from importlib.resources import files

from tdlib import models, patient
from tdlib.config import RunConfig
from tdlib.profiles.check import check_table


def names() -> list[str]:
    """The profiles that are there."""
    return sorted(
        path.name.removesuffix(".toml") for path in files(__package__).iterdir() if path.name.endswith(".toml")
    )


class Settings:
    """The table of one profile, and single runs with its sizes, seeds and weights."""

    def __init__(self, name: str):
        if name not in names():
            raise ValueError(f"unknown profile {name!r}; known: {', '.join(names())}")
        self.name = name
        file = f"{name}.toml"
        try:
            self.table = tomllib.loads((files(__package__) / file).read_text())
        except ValueError as fault:
            raise ValueError(f"{file}: {fault}") from None
        check_table(self.table, file)
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
