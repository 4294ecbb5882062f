"""What a run is: everything that changes its result, and nothing else."""

import collections
import dataclasses
import functools
import itertools
import json
import math
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from tdlib import channels, committee, data, losses, models
from tdlib.checks import as_float, one_of, require
from tdlib.distill import ALL_TERMS, TERMS, weights
from tdlib.store import run_id
from tdlib.windows import HALVES, LONGEST

TRAINING = {  # the published protocol; baselines that learn by gradient follow the student's
    "student": {"learning_rate": 1e-2, "batch_size": 32, "epochs": 100, "patience": 5},
    "teacher": {"learning_rate": 1e-4, "batch_size": 32, "epochs": 10, "patience": 5},
    "baseline": {"learning_rate": 1e-2, "batch_size": 32, "epochs": 100, "patience": 5},
}
MOST = {  # what no run passes: the loops, the memory and torch's generator end there
    "lookback": LONGEST,
    "horizon": LONGEST,
    "batch_size": 1_000_000,
    "epochs": 1_000_000,
    "patience": 1_000_000,
    "rate_hold": 1_000_000,
    "scales": 63,
    "seed": 2**63 - 1,
}
MOST_OF_A_SETTING = 100_000  # widths, layers, lengths of patches
WEIGHED_ON = ("validation", "halves")
# By `patterns`: steps of an average. 25 are the student's own, and take the day out of hours; 5 leave it.
SMOOTH = {"teacher": 1, "truth": 1, "smooth truth": 25, "truth over 5 steps": 5}
PATIENCE = ("weight_average", "mixup", "rate_hold", "rate_decay")
DECAY = 1.0  # at the published rate the plain MLP with it is within 2% of its best trial, on validation, everywhere


@dataclass(frozen=True)
class RunConfig:
    """One run. What is left None takes the published protocol's value for its model.

    A model's `period` that is not given is that of the data set (`data.period`), or as much of it as the look-back
    holds; where the model cannot have that, such as 1 for none that is known, it is the model's own. A model in closed
    form has no training: its seed, rate, batch, epochs and patience are the defaults.

    With `teacher`, the student is distilled from that model, whose own run is `teacher_config`:
    its fields are this config's where they describe the data, the protocol's where they do not, and
    `teacher_options` changes any of them. `co_teachers` are further teachers, each with options of its
    own, or a list of such where a model teaches more than once; the student then learns from the mean of their
    forecasts, weighted as `weighting` says (`tdlib.committee`; beta is 0).
    With `patterns="truth"` the truth takes the teacher's place, with "smooth truth" a moving average of it (`SMOOTH`).
    `foresight` and `tilt` are controls: see `distill.Distillation`.
    The weighting is fitted to the members' errors on validation, or, `weighed_on` "halves", also to those on each half
    of the training rows of members that were trained on the other: runs of their own, with that `half`.
    `weight_average`, `mixup`, `rate_hold` and `rate_decay` are those of `train.fit`.
    `dataclasses.replace` keeps what was resolved: with another model, teacher or data set give the period, rate,
    epochs, alpha and beta anew.
    Raises ValueError for a value of the wrong type, or one that no run can have.
    """

    dataset: str
    lookback: int
    horizon: int
    model: str
    teacher: str | None = None
    seed: int = 2021
    settings: dict = field(default_factory=dict)
    learning_rate: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    patience: int | None = None
    weight_decay: float = 0.0
    alpha: float | None = None
    beta: float | None = None
    terms: tuple[str, ...] = TERMS
    patterns: str = "teacher"
    scales: int = 3
    downsample: str = "avg"
    temperature: float = 0.5
    reduction: str = "code"
    foresight: float = 0.0
    tilt: float = 0.0
    teacher_options: dict = field(default_factory=dict)
    co_teachers: dict = field(default_factory=dict)
    weighting: str = "mean"
    weight_average: float = 0.0
    mixup: float = 0.0
    rate_hold: int = 2
    rate_decay: float = 0.5
    half: str = "both"
    weighed_on: str = "validation"

    def __post_init__(self):
        set_ = functools.partial(object.__setattr__, self)
        require(isinstance(self.model, str), f"model must be str, got {self.model!r}")
        require(isinstance(self.settings, dict), f"settings must be a dict, got {self.settings!r}")
        own_period = "period" in self.settings
        set_("settings", models.settings(self.model, self.settings))
        set_("terms", tuple(self.terms) if isinstance(self.terms, list) else self.terms)
        _check_types(self)
        for name, value in TRAINING[models.role(self.model)].items():
            if getattr(self, name) is None:
                set_(name, value)
        set_("alpha", float(self.distilled) if self.alpha is None else self.alpha)
        set_("beta", float(self.teacher is not None) if self.beta is None else self.beta)
        if "period" in self.settings and not own_period:
            set_("settings", self.settings | period(self.model, data.period(self.dataset), self.lookback))
        self._check_values()
        if models.closed_form(self.model):  # nor do fields of a training that is not there
            unused = _defaults("seed", "weight_decay", *PATIENCE) | TRAINING[models.role(self.model)]
            for name, value in unused.items():
                set_(name, value)
        if not self.distilled:  # fields of a distillation that is not there do not change a result
            for name, value in _defaults("terms", "scales", "downsample", "temperature", "reduction", "tilt").items():
                set_(name, value)
        if self.teacher:
            first, *others = self.teacher_configs.values()
            set_("teacher_options", _options(first))
            set_("co_teachers", by_model((config.model, _options(config)) for config in others))

    def _check_values(self):
        data.check_name(self.dataset)
        known = self.teacher is None or self.teacher in models.names()
        require(known, f"unknown model {self.teacher!r} as teacher; known: {', '.join(models.names())}")
        for name in ("lookback", "horizon", "batch_size", "epochs", "patience", "learning_rate"):
            require(getattr(self, name) > 0, f"{name} must be positive, got {getattr(self, name)}")
        coldest = f"temperature must be at least {losses.COLDEST:g}, got {self.temperature}"
        require(self.temperature >= losses.COLDEST, coldest)
        for name in ("learning_rate", "weight_decay", "temperature", "alpha", "beta"):
            require(getattr(self, name) != math.inf, f"{name} must be finite, got inf")
        for name in ("weight_decay", "alpha", "beta", "scales", "seed", "rate_hold"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, got {getattr(self, name)}")
        average, decay = self.weight_average, self.rate_decay
        most = 0.99999  # nearer to 1 the share of a step is lost in single precision
        require(0 <= average <= most, f"weight_average must be at least 0 and at most {most}, got {average}")
        require(0 < decay <= 1, f"rate_decay must be above 0 and at most 1, got {decay}")
        require(0 <= self.foresight <= 1, f"foresight must lie between 0 and 1, got {self.foresight}")
        require(abs(self.tilt) <= 10, f"tilt must lie between -10 and 10, got {self.tilt}")
        drawn = self.mixup == 0 or 1e-3 <= self.mixup <= 1e3  # of a Beta outside, shares are 0, 1/2 or 1
        require(drawn, f"mixup must be 0, or lie between 0.001 and 1000, got {self.mixup}")
        for name, most in MOST.items():
            require(getattr(self, name) <= most, f"{name} must be at most {most:,}, got {getattr(self, name)}")
        for name, value in self.settings.items():
            words = f"{self.model}: settings are numbers or text, got {name}={value!r}"
            require(isinstance(value, str | int | float), words)
            if not isinstance(value, str):
                most = f"{self.model}: {name} must be a number up to {MOST_OF_A_SETTING:,}, got {value}"
                require(abs(value) <= MOST_OF_A_SETTING, most)
        one_of("downsample", self.downsample, losses.DOWNSAMPLINGS)
        one_of("reduction", self.reduction, losses.REDUCTIONS)
        one_of("patterns", self.patterns, SMOOTH)
        one_of("weighting", self.weighting, committee.WEIGHTINGS)
        several = bool(self.co_teachers) or self.weighting == "mean"
        require(several, f"weighting {self.weighting!r} is for a committee of at least two members: name co_teachers")
        one_of("weighed_on", self.weighed_on, WEIGHED_ON)
        several = bool(self.co_teachers) or self.weighed_on == "validation"
        require(several, 'weighed_on "halves" is for a committee of at least two members: name co_teachers')
        one_of("half", self.half, ("both", *HALVES))
        require(
            self.half == "both" or not self.distilled,
            "half is for members of a committee: a student learns from all rows",
        )
        for term in self.terms:
            one_of("terms", term, ALL_TERMS)
        require(len(self.terms) > 0, "terms must name at least one part of the loss")
        object.__setattr__(self, "terms", tuple(term for term in ALL_TERMS if term in self.terms))
        truth = self.patterns != "teacher"
        require(not (truth and self.teacher), f'patterns="{self.patterns}" takes no teacher')
        require(not (truth and self.beta), f'patterns="{self.patterns}" has no features: beta must be 0')
        taught = bool(self.teacher) or truth
        require(taught or not (self.alpha or self.beta), 'alpha and beta need a teacher, or patterns="truth"')
        for name in ("teacher_options", "co_teachers", "foresight"):
            require(bool(self.teacher) or not getattr(self, name), f"{name} need a teacher")
        configs = list(self.teacher_configs.values())
        for place, config in enumerate(configs):
            which = f"{config.model!r}, the teacher," if config == configs[0] else repr(config.model)
            require(config not in configs[:place], f"co_teachers name {which} again with the same options")
        no_width = "the features of several teachers have no common width: with co_teachers beta must be 0"
        require(not (self.co_teachers and self.beta), no_width)
        learns = not (self.distilled and models.closed_form(self.model))
        require(learns, f"{self.model} is fitted in closed form, without a loss: it can teach, but it cannot be taught")
        if self.distilled:
            self.check_length("forecast", self.horizon, "horizon")
            taught = bool(self.weights.keys() - {"supervised"})
            require(taught, "no part of the loss with a pattern to learn has a weight: see terms, alpha and beta")

    @property
    def distilled(self) -> bool:
        """Whether patterns, a teacher's or the truth's, are part of the loss."""
        return self.teacher is not None or self.patterns != "teacher"

    @functools.cached_property
    def teacher_configs(self) -> "dict[str, RunConfig]":
        """The runs of this student's teachers, by model; of one model, "dlinear", then "dlinear 2", ..."""
        if not self.teacher:
            return {}
        options = [(self.teacher, self.teacher_options)]
        for name, given in self.co_teachers.items():
            options += [(name, each) for each in (given if given and isinstance(given, list) else [given])]
        configs, count = {}, collections.Counter()
        for name, given in options:
            count[name] += 1
            configs[name if count[name] == 1 else f"{name} {count[name]}"] = _teacher_config(self, name, given)
        return configs

    @functools.cached_property
    def half_configs(self) -> "dict[str, list[RunConfig]]":
        """By half of the training rows, this committee's members trained on it alone, where they are weighed on it."""
        if self.weighed_on != "halves":
            return {}
        members = self.teacher_configs.values()
        return {half: [dataclasses.replace(member, half=half) for member in members] for half in HALVES}

    @property
    def needed(self) -> "list[RunConfig]":
        """The runs that must be there before this one: teachers, and members trained on halves."""
        return [*self.teacher_configs.values(), *itertools.chain(*self.half_configs.values())]

    @property
    def weights(self) -> dict[str, float]:
        """The parts of a distilled student's loss and their weights."""
        return weights(self.terms, self.alpha, self.beta)

    def check_length(self, level: str, length: int, what: str) -> None:
        """ValueError where the parts of a level, "forecast" or "feature", cannot work on `length` steps."""
        if f"scale_{level}" in self.weights:
            losses.check_scales(length, self.scales, what)
        if f"period_{level}" in self.weights:
            losses.check_period(length, what)

    def check_channels(self, count: int) -> None:
        """ValueError where a part of the loss cannot work on `count` channels, or on this horizon."""
        if "channel_forecast" in self.weights:
            channels.check(count, self.horizon)

    @property
    def teacher_config(self) -> "RunConfig | None":
        """The run of this student's teacher, the first one where there are several."""
        return next(iter(self.teacher_configs.values())) if self.teacher else None

    def to_dict(self) -> dict:
        """Plain JSON values, every field resolved."""
        return json.loads(self._json)

    @functools.cached_property
    def _json(self) -> str:  # the values never change, and pages ask thousands of times
        return json.dumps({entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)})

    @classmethod
    def from_dict(cls, values: dict) -> "RunConfig":
        """The inverse of `to_dict`; ValueError for a key that no config has, with the valid ones."""
        valid = [entry.name for entry in dataclasses.fields(cls)]
        for key in values:
            require(key in valid, f"unknown config key {key!r}; known: {', '.join(valid)}")
        for key in ("dataset", "lookback", "horizon", "model"):
            require(key in values, f"the config key {key!r} is missing")
        return cls(**values)

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        return hash(json.dumps(self.to_dict(), sort_keys=True))  # a dictionary has none of its own

    @property
    def id(self) -> str:
        """The name of this run's row; it covers the data's checksum, and follows a CSV that is edited."""
        return self._id if self.dataset in data.names() else self.id_of(data.checksum(self.dataset))

    @functools.cached_property
    def _id(self) -> str:
        return self.id_of(data.checksum(self.dataset))

    def id_of(self, sha256: str) -> str:
        """The name of the row of this run on data of that checksum (`data.Series.sha256`)."""
        return run_id(self._identity(), sha256)

    def _identity(self) -> dict:
        """What differs from the defaults: a field added later leaves the names of earlier rows alone."""
        defaults = {entry.name: entry.default for entry in dataclasses.fields(self)} | {"co_teachers": {}}
        kept = {name: value for name, value in self.to_dict().items() if value != _plain(defaults[name])}
        if self.reduction == "code" and any(term.startswith("period") for term in self.weights):
            kept["floor"] = losses.FLOOR  # rows from before 2026-11-25, whose period loss lacked it, are other runs
        usual = models.settings(self.model)
        kept["settings"] = {name: value for name, value in self.settings.items() if value != usual[name]}
        kept["settings"] |= models.content(self.model, self.settings)
        if self.teacher:
            whole = [(config.model, config._identity()) for config in self.teacher_configs.values()]
            options = [(name, {field: teacher.get(field) for field in _TEACHER_FIELDS}) for name, teacher in whole]
            kept["teacher_options"] = options.pop(0)[1]
            kept |= {"co_teachers": by_model(options)} if options else {}
        return kept


@functools.cache
def period(model: str, steps: int, lookback: int) -> dict[str, int]:
    """The setting `period` of a model for a series that repeats itself after `steps`; none where it cannot have it."""
    found = {"period": min(steps, lookback)}
    try:
        with torch.device("meta"):  # shapes without numbers
            models.build(model, lookback=min(lookback, LONGEST), horizon=1, channels=1, **found)
    except ValueError:
        return {}
    return found


def _defaults(*names: str) -> dict:
    return {name: RunConfig.__dataclass_fields__[name].default for name in names}


def by_model(options: Iterable[tuple[str, dict]]) -> dict[str, dict | list[dict]]:
    """Options of teachers as `co_teachers` has them: a list where a model has several."""
    found: dict[str, list[dict]] = {}
    for name, given in options:
        found.setdefault(name, []).append(given)
    return {name: given if len(given) > 1 else given[0] for name, given in found.items()}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


_TEACHER_FIELDS = ("seed", "settings", "learning_rate", "batch_size", "epochs", "patience")


def _teacher_config(student: RunConfig, model: str, options: dict) -> RunConfig:
    require(isinstance(options, dict), f"the options of the teacher {model} must be a dict, got {options!r}")
    for key in options:
        one_of("teacher_options", key, _TEACHER_FIELDS)
    return RunConfig(student.dataset, student.lookback, student.horizon, model, **options)


def _options(teacher: RunConfig) -> dict:
    return {name: getattr(teacher, name) for name in _TEACHER_FIELDS}


@functools.cache
def _hints() -> dict[str, type]:
    return typing.get_type_hints(RunConfig)


def _check_types(config: RunConfig) -> None:
    for name, hint in _hints().items():
        value = getattr(config, name)
        wanted = (tuple,) if typing.get_origin(hint) is tuple else typing.get_args(hint) or (hint,)
        if float in wanted and type(value) in (int, float):
            object.__setattr__(config, name, as_float(name, value) + 0.0)  # -0.0 is 0.0, and of the same id
        elif type(value) not in wanted:
            expected = " or ".join(kind.__name__ for kind in wanted if kind is not type(None))
            raise ValueError(f"{name} must be {expected}, got {value!r}")
