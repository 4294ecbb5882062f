"""What a run is: its defaults, what it refuses, and an id that follows what changes a result and nothing else."""

import dataclasses
import functools
import inspect
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tdlib import channels, data, models, rivals
from tdlib.config import MOST, RunConfig
from tdlib.distill import TERMS
from tdlib.store import Store

BASE = {"dataset": "nyc_weather", "lookback": 96, "horizon": 24, "model": "mlp"}
FIELDS = [field.name for field in dataclasses.fields(RunConfig)]


def plain(**changes) -> RunConfig:
    return RunConfig(**(BASE | changes))


def distilled(**changes) -> RunConfig:
    return plain(**({"teacher": "itransformer"} | changes))


def refusal(**changes) -> str:
    with pytest.raises(ValueError) as caught:
        plain(**changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- defaults


@pytest.mark.parametrize("model", ["mlp", "dlinear", "nlinear"])
def test_a_student_takes_the_published_training_of_students(model):
    config = plain(model=model)
    assert (config.learning_rate, config.batch_size, config.epochs, config.patience) == (0.01, 32, 100, 5)
    assert (config.seed, config.alpha, config.beta, config.teacher) == (2021, 0.0, 0.0, None)
    assert not config.distilled
    assert config.teacher_config is None


@pytest.mark.parametrize("model", ["itransformer", "moderntcn"])
def test_a_teacher_takes_the_published_training_of_teachers(model):
    config = plain(model=model)
    assert (config.learning_rate, config.batch_size, config.epochs, config.patience) == (1e-4, 32, 10, 5)
    assert (config.alpha, config.beta, config.distilled) == (0.0, 0.0, False)


def test_a_distilled_student_takes_the_published_patterns():
    config = distilled()
    assert (config.learning_rate, config.batch_size, config.epochs, config.patience) == (0.01, 32, 100, 5)
    assert (config.alpha, config.beta, config.scales, config.temperature) == (1.0, 1.0, 3, 0.5)
    assert (config.downsample, config.reduction, config.patterns) == ("avg", "code", "teacher")
    assert config.terms == TERMS
    assert config.distilled


@pytest.mark.parametrize("patterns", ["truth", "smooth truth", "truth over 5 steps"])
def test_the_truth_in_the_teachers_place_has_its_weight_and_no_features(patterns):
    config = plain(patterns=patterns)
    assert (config.alpha, config.beta) == (1.0, 0.0)
    assert config.id == plain(patterns=patterns, alpha=1.0).id != plain().id


@pytest.mark.parametrize("model", ["fits", "seasonal_naive", "phase_ridge"])
def test_a_period_is_that_of_the_data_unless_it_is_given(model, monkeypatch):
    monkeypatch.setenv("TDLIB_DATA", "/nowhere")  # no file of a named series is read
    config = functools.partial(RunConfig, lookback=720, horizon=96, model=model)
    periods = {"nyc_weather": 24, "ETTh1": 24, "ETTm1": 96, "ETTm2": 96, "Weather": 144, "Solar": 144, "ECL": 24}
    for dataset, period in periods.items():
        assert config(dataset).settings["period"] == period
        assert config(dataset, settings={"period": 12}).settings["period"] == 12
        assert RunConfig.from_dict(config(dataset).to_dict()) == config(dataset)
    assert config("Weather", lookback=96).settings["period"] == 96  # as much of it as there is
    assert config("ETTh1").id == config("ETTh1", settings={"period": 24}).id
    taught = RunConfig("Weather", 720, 96, "mlp", teacher=model)
    assert taught.teacher_config.settings["period"] == 144


def test_a_period_is_that_of_a_csv_by_its_time_stamps(tmp_path):
    days = pd.DataFrame({"a": np.arange(50.0)}, index=pd.date_range("2020-01-01", periods=50, name="date"))
    days.to_csv(tmp_path / "days.csv")
    assert RunConfig(str(tmp_path / "days.csv"), 14, 7, "seasonal_naive").settings["period"] == 7
    with pytest.raises(ValueError, match=r"^cannot read .*gone\.csv: No such file or directory$"):
        RunConfig(str(tmp_path / "gone.csv"), 14, 7, "seasonal_naive")


@pytest.mark.parametrize(("lookback", "own"), [(48, 24), (2, 24), (1, 24)])
def test_a_period_that_a_model_cannot_have_is_its_own(lookback, own, tmp_path):
    pd.DataFrame({"a": np.arange(50.0)}).to_csv(tmp_path / "undated.csv", index=False)
    undated = functools.partial(RunConfig, str(tmp_path / "undated.csv"), lookback, 8)
    assert undated("fits").settings["period"] == own
    assert undated("fits").id == undated("fits", settings={"period": 24}).id
    assert undated("seasonal_naive").settings["period"] == 1  # as often as it likes
    assert undated("mlp", teacher="fits").teacher_config.settings["period"] == own
    models.build("fits", lookback=lookback, horizon=8, channels=1, **undated("fits").settings)


@pytest.mark.parametrize("model", [name for name in models.names() if models.closed_form(name)])
def test_a_fit_in_closed_form_has_neither_seed_nor_training_and_cannot_be_taught(model):
    one = plain(model=model)
    assert one == plain(model=model, seed=7, learning_rate=0.5, batch_size=3, epochs=2, patience=1)
    assert one.id == plain(model=model, seed=7, epochs=2).id
    assert refusal(model=model, seed=-1) == "seed must not be negative, got -1"
    cannot = f"{model} is fitted in closed form, without a loss: it can teach, but it cannot be taught"
    assert refusal(model=model, teacher="itransformer") == cannot
    assert refusal(model=model, patterns="truth", alpha=1.0, beta=0.0) == cannot
    assert distilled(teacher=model).teacher_config == one
    assert distilled(teacher=model, teacher_options={"seed": 7}).id == distilled(teacher=model).id


def test_given_values_go_before_the_defaults():
    config = distilled(learning_rate=1e-3, batch_size=8, epochs=3, patience=2, alpha=0.0, beta=0.5, seed=0)
    assert (config.learning_rate, config.batch_size, config.epochs, config.patience) == (1e-3, 8, 3, 2)
    assert (config.alpha, config.beta, config.seed) == (0.0, 0.5, 0)


def test_settings_are_the_models_own_changed_by_the_given():
    usual = {"width": 512, "average": 25, "norm": "mean", "layers": 1, "affine": True}
    assert plain().settings == usual
    assert plain(settings={"width": 64}).settings == usual | {"width": 64}
    assert plain(model="itransformer").settings == {
        "width": 256,
        "hidden": 256,
        "layers": 2,
        "heads": 8,
        "dropout": 0.1,
    }


def test_whole_numbers_stand_for_floats():
    config = distilled(alpha=2, temperature=1, learning_rate=1)
    assert [type(value) for value in (config.alpha, config.temperature, config.learning_rate)] == [float] * 3
    assert config.id == distilled(alpha=2.0, temperature=1.0, learning_rate=1.0).id


def test_another_teacher_by_replace_is_no_plain_student_under_its_name():
    with pytest.raises(ValueError, match="no part of the loss with a pattern to learn has a weight"):
        dataclasses.replace(plain(), teacher="itransformer")
    assert dataclasses.replace(plain(), teacher="itransformer", alpha=None, beta=None) == distilled()


def test_terms_are_put_in_order_each_once():
    assert distilled(terms=["period_feature", "supervised", "supervised"]).terms == ("supervised", "period_feature")


# --- what is refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": 5}, "dataset must be str, got 5"),
        ({"lookback": 96.0}, "lookback must be int, got 96.0"),
        ({"lookback": "96"}, "lookback must be int, got '96'"),
        ({"horizon": None}, "horizon must be int, got None"),
        ({"model": None}, "model must be str, got None"),
        ({"model": ["mlp"]}, "model must be str, got ['mlp']"),
        ({"teacher": 5}, "teacher must be str, got 5"),
        ({"seed": True}, "seed must be int, got True"),
        ({"seed": "2021"}, "seed must be int, got '2021'"),
        ({"settings": 3}, "settings must be a dict, got 3"),
        ({"settings": {"width": "wide"}}, "mlp: width must be int, got 'wide'"),
        ({"settings": {"width": 0.5}}, "mlp: width must be int, got 0.5"),
        ({"learning_rate": "0.1"}, "learning_rate must be float, got '0.1'"),
        ({"batch_size": 1.5}, "batch_size must be int, got 1.5"),
        ({"epochs": "many"}, "epochs must be int, got 'many'"),
        ({"patience": 1e3}, "patience must be int, got 1000.0"),
        ({"weight_decay": "0"}, "weight_decay must be float, got '0'"),
        ({"teacher": "itransformer", "alpha": "1"}, "alpha must be float, got '1'"),
        ({"teacher": "itransformer", "beta": True}, "beta must be float, got True"),
        ({"teacher": "itransformer", "terms": 5}, "terms"),
        ({"teacher": "itransformer", "terms": None}, "terms"),
        ({"teacher": "itransformer", "terms": "supervised"}, "terms"),
        ({"patterns": {}}, "patterns must be str, got {}"),
        ({"patterns": np.array([1, 2])}, "patterns must be str, got array([1, 2])"),
        ({"teacher": "itransformer", "scales": 3.0}, "scales must be int, got 3.0"),
        ({"teacher": "itransformer", "downsample": None}, "downsample must be str, got None"),
        ({"teacher": "itransformer", "temperature": "warm"}, "temperature must be float, got 'warm'"),
        ({"teacher": "itransformer", "reduction": 1}, "reduction must be str, got 1"),
        ({"teacher": "itransformer", "teacher_options": 3}, "teacher_options must be dict, got 3"),
        ({"teacher": "itransformer", "teacher_options": {"seed": "a"}}, "seed must be int, got 'a'"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(changes, words):
    assert words in refusal(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "ETTh9"}, "unknown data set 'ETTh9'; known: nyc_weather, synthetic, ETTh1"),
        ({"model": "giant"}, "unknown model 'giant'; known: mlp, dlinear, nlinear, rlinear, fits, tsmixer"),
        ({"teacher": "giant"}, "unknown model 'giant'"),
        ({"teacher": ""}, "teacher"),
        ({"settings": {"depth": 3}}, "mlp has no setting 'depth'; it has: width, average, norm"),
        ({"teacher": "itransformer", "teacher_options": {"settings": {"depth": 3}}}, "itransformer has no setting"),
        (
            {"teacher": "itransformer", "teacher_options": {"epoch": 3}},
            "teacher_options knows seed, settings, learning_rate, batch_size, epochs, patience; got 'epoch'",
        ),
        ({"teacher": "itransformer", "teacher_options": {"epochs": 0}}, "epochs must be positive, got 0"),
        ({"teacher_options": {"seed": 1}}, "teacher_options need a teacher"),
        *(
            ({name: value}, f"{name} must be positive, got {value}")
            for name in ("lookback", "horizon", "batch_size", "epochs", "patience")
            for value in (0, -3)
        ),
        *(
            ({"learning_rate": value}, f"learning_rate must be positive, got {value}")
            for value in (0.0, -0.1, math.nan)
        ),
        *(
            ({"teacher": "itransformer", "temperature": value}, f"temperature must be at least 1e-06, got {value}")
            for value in (0.0, -0.1, 9e-7, math.nan)
        ),
        *(
            ({"teacher": "itransformer", name: 10**400}, f"{name} must be finite, and a whole number beyond 1e308 is")
            for name in ("alpha", "beta", "learning_rate", "temperature", "tilt", "mixup")
        ),
        (
            {"model": "itransformer", "settings": {"dropout": 10**400}},
            "itransformer: dropout must be finite, and a who",
        ),
        ({"teacher": "itransformer", "alpha": 0.0, "beta": 0.0}, "no part of the loss with a pattern to learn has a"),
        ({"teacher": "itransformer", "terms": ("supervised",)}, "no part of the loss with a pattern to learn has a"),
        *(
            ({"teacher": "itransformer", name: value}, f"{name} must not be negative, got {value}")
            for name in ("alpha", "beta")
            for value in (-0.1, math.nan)
        ),
        *(
            ({"teacher": "itransformer", name: math.inf}, f"{name} must be")
            for name in ("alpha", "beta", "learning_rate", "temperature")
        ),
        ({"teacher": "itransformer", "scales": -1}, "scales must not be negative, got -1"),
        ({"seed": -1}, "seed must not be negative, got -1"),
        ({"teacher": "itransformer", "downsample": "mean"}, "downsample knows avg, max, min, conv; got 'mean'"),
        ({"teacher": "itransformer", "reduction": "sum"}, "reduction knows code, kl, mean; got 'sum'"),
        ({"patterns": "student"}, "patterns knows teacher, truth, smooth truth, truth over 5 steps; got 'student'"),
        ({"teacher": "itransformer", "terms": ()}, "terms must name at least one part of the loss"),
        (
            {"teacher": "itransformer", "terms": ("scale",)},
            f"terms knows {', '.join((*TERMS, *rivals.TERMS, *channels.TERMS))}; got 'scale'",
        ),
        ({"alpha": 1.0}, 'alpha and beta need a teacher, or patterns="truth"'),
        ({"beta": 1.0}, 'alpha and beta need a teacher, or patterns="truth"'),
        ({"patterns": "truth", "teacher": "itransformer"}, 'patterns="truth" takes no teacher'),
        ({"patterns": "truth", "alpha": 1.0, "beta": 1.0}, 'patterns="truth" has no features: beta must be 0'),
        ({"patterns": "smooth truth", "teacher": "itransformer"}, 'patterns="smooth truth" takes no teacher'),
        ({"teacher": "itransformer", "foresight": 1.1}, "foresight must lie between 0 and 1, got 1.1"),
        ({"teacher": "itransformer", "foresight": math.nan}, "foresight must lie between 0 and 1, got nan"),
        ({"foresight": 0.5}, "foresight need a teacher"),
        ({"half": "third"}, "half knows both, first, second; got 'third'"),
        ({"teacher": "itransformer", "half": "first"}, "half is for members of a committee: a student learns from all"),
        ({"teacher": "itransformer", "weighed_on": "test"}, "weighed_on knows validation, halves; got 'test'"),
        ({"teacher": "itransformer", "weighed_on": "halves"}, 'weighed_on "halves" is for a committee of at least two'),
        ({"teacher": "itransformer", "tilt": -11}, "tilt must lie between -10 and 10, got -11"),
        ({"teacher": "itransformer", "tilt": math.nan}, "tilt must lie between -10 and 10, got nan"),
    ],
)
def test_a_value_that_no_run_can_have_is_refused(changes, words):
    assert words in refusal(**changes)


@pytest.mark.parametrize("name", ["lookback", "horizon", "batch_size", "epochs", "patience", "scales", "seed"])
@pytest.mark.parametrize("value", [10**18, 10**20, 10**400])
def test_a_number_that_no_run_passes_is_refused_at_once(name, value):
    if value > MOST[name]:
        assert refusal(teacher="itransformer", **{name: value}).startswith(
            f"{name} must be at most {MOST[name]:,}, got"
        )
    assert distilled(teacher_options={"seed": MOST["seed"]}, seed=MOST["seed"]).seed == 2**63 - 1


@pytest.mark.parametrize("value", [10**9, 10**18, 10**20])
def test_a_setting_that_no_model_passes_is_refused_at_once(value):
    assert "mlp: width must be a number up to 100,000" in refusal(settings={"width": value})
    options = {"settings": {"hidden": value}}
    assert "itransformer: hidden must be" in refusal(teacher="itransformer", teacher_options=options)
    for rate in (math.nan, math.inf):
        assert "itransformer: dropout must be" in refusal(model="itransformer", settings={"dropout": rate})


@pytest.mark.parametrize("options", [3, None, "seed", [], [1], [{}, 1]])
def test_options_of_a_further_teacher_that_are_no_dict_are_refused(options):
    words = f"the options of the teacher moderntcn must be a dict, got {1 if options in ([1], [{}, 1]) else options!r}"
    assert refusal(teacher="itransformer", beta=0.0, co_teachers={"moderntcn": options}) == words


COMMITTEE = {"beta": 0.0, "co_teachers": {"itransformer": [{"seed": 1}, {"seed": 2}], "ridge": {}}}


def test_a_model_may_teach_several_times_with_other_seeds():
    config = distilled(**COMMITTEE)
    assert [(name, run.seed) for name, run in config.teacher_configs.items()] == [
        ("itransformer", 2021),
        ("itransformer 2", 1),
        ("itransformer 3", 2),
        ("ridge", 2021),
    ]
    assert [options["seed"] for options in config.co_teachers["itransformer"]] == [1, 2]
    assert RunConfig.from_dict(config.to_dict()) == config
    others = [
        distilled(beta=0.0, co_teachers={"itransformer": {"seed": 1}, "ridge": {}}),
        distilled(beta=0.0, co_teachers={"itransformer": [{"seed": 1}], "ridge": {}}),
        distilled(beta=0.0, co_teachers={"itransformer": [{"seed": 1}, {"seed": 3}], "ridge": {}}),
        distilled(**COMMITTEE, weighting="half"),
    ]
    assert others[0] == others[1]
    assert len({run.id for run in [config, *others]}) == 4


@pytest.mark.parametrize("options", [{"seed": 2021}, [{"seed": 1}, {"seed": 1}]])
def test_the_same_run_cannot_teach_twice(options):
    words = refusal(teacher="itransformer", beta=0.0, co_teachers={"itransformer": options})
    the_teacher = ", the teacher," if isinstance(options, dict) else ""
    assert words == f"co_teachers name 'itransformer'{the_teacher} again with the same options"


def test_a_weighting_is_refused_where_there_is_one_teacher():
    words = "weighting 'half' is for a committee of at least two members: name co_teachers"
    assert refusal(teacher="itransformer", weighting="half") == refusal(weighting="half") == words


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("weight_average", 1.0, "weight_average must be at least 0 and at most 0.99999, got 1.0"),
        ("weight_average", 1 - 1e-8, "weight_average must be at least 0 and at most 0.99999, got 0.99999999"),
        ("weight_average", -0.1, "weight_average must be at least 0 and at most 0.99999, got -0.1"),
        ("weight_average", math.nan, "weight_average must be at least 0 and at most 0.99999, got nan"),
        ("rate_decay", 0.0, "rate_decay must be above 0 and at most 1, got 0.0"),
        ("rate_decay", 1.5, "rate_decay must be above 0 and at most 1, got 1.5"),
        ("rate_hold", -1, "rate_hold must not be negative, got -1"),
        ("rate_hold", 0.5, "rate_hold must be int, got 0.5"),
        ("mixup", -0.4, "mixup must be 0, or lie between 0.001 and 1000, got -0.4"),
        ("mixup", 1e-320, "mixup must be 0, or lie between 0.001 and 1000, got 1e-320"),
        ("mixup", math.inf, "mixup must be 0, or lie between 0.001 and 1000, got inf"),
        ("mixup", math.nan, "mixup must be 0, or lie between 0.001 and 1000, got nan"),
        ("mixup", "much", "mixup must be float, got 'much'"),
    ],
)
def test_a_patience_that_no_run_can_have_is_refused(name, value, words):
    assert refusal(**{name: value}) == words


def test_patience_is_no_part_of_a_model_in_closed_form():
    patient = {"weight_average": 0.9, "mixup": 0.4, "rate_hold": 3, "rate_decay": 0.8}
    assert plain(model="ridge", **patient) == plain(model="ridge")
    assert len({plain(**{name: value}).id for name, value in patient.items()} | {plain().id}) == 5


@pytest.mark.parametrize(("horizon", "scales"), [(7, 3), (1, 1), (15, 4)])
def test_a_horizon_too_short_for_the_scales_is_refused_when_there_are_patterns(horizon, scales):
    words = f"a horizon of {horizon} cannot be halved {scales} times: it must be at least {2**scales}"
    assert refusal(teacher="itransformer", horizon=horizon, scales=scales) == words
    assert refusal(patterns="truth", alpha=1.0, horizon=horizon, scales=scales) == words
    assert plain(horizon=horizon).horizon == horizon
    assert distilled(horizon=2**scales, scales=scales).scales == scales


def test_an_unknown_key_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError) as caught:
        RunConfig.from_dict(BASE | {"learningrate": 0.1})
    assert str(caught.value) == f"unknown config key 'learningrate'; known: {', '.join(FIELDS)}"


@pytest.mark.parametrize("missing", list(BASE))
def test_a_missing_key_is_named(missing):
    with pytest.raises(ValueError, match=f"^the config key '{missing}' is missing$"):
        RunConfig.from_dict({key: value for key, value in BASE.items() if key != missing})


def test_a_path_of_a_csv_is_a_data_set():
    assert plain(dataset="folder/own.csv").dataset == "folder/own.csv"


# --- frozen, hashable, the same after a round trip


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_can_be_changed(name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(plain(), name, None)


def test_a_callers_dict_can_change_without_changing_the_config():
    settings, options = {"width": 64}, {"settings": {"width": 32}}
    config = distilled(settings=settings, teacher_options=options)
    before = config.to_dict()
    settings["width"], options["seed"] = 1, 7
    options["settings"]["width"] = 1
    assert config.to_dict() == before


def test_equal_configs_are_one_key_and_others_are_not():
    rows = {distilled(): "a", plain(): "b"}
    assert rows[distilled(alpha=1)] == "a"
    assert rows[plain(seed=2021)] == "b"
    assert distilled(seed=1) not in rows
    assert rows[plain(weight_decay=-0.0)] == "b"
    assert hash(distilled()) == hash(distilled(terms=list(TERMS), teacher_options={"seed": 2021}))


VARIANTS = [
    plain(),
    plain(model="moderntcn", settings={"dim": 8, "dropout": 0}),
    distilled(alpha=0.1, beta=2, terms=["supervised", "scale_feature"], teacher_options={"seed": 3, "epochs": 2}),
    plain(patterns="truth", alpha=2.0, reduction="kl", downsample="conv", temperature=0.1, scales=0),
]


@pytest.mark.parametrize("config", VARIANTS, ids=["plain", "teacher", "distilled", "truth"])
def test_a_config_survives_the_way_through_json(config):
    values = config.to_dict()
    assert list(values) == FIELDS
    assert None not in [value for name, value in values.items() if name != "teacher"]  # every field resolved
    again = RunConfig.from_dict(json.loads(json.dumps(values)))
    assert again == config
    assert again.id == config.id
    assert hash(again) == hash(config)
    assert again.to_dict() == values


# --- the id


def test_an_id_is_sixteen_hexadecimal_digits():
    assert len(plain().id) == 16
    assert int(plain().id, 16) >= 0


DISTILLED_CHANGES = {
    "dataset": "synthetic",
    "lookback": 97,
    "horizon": 25,
    "model": "dlinear",
    "teacher": "moderntcn",
    "seed": 2022,
    "settings": {"width": 511},
    "learning_rate": 0.02,
    "batch_size": 31,
    "epochs": 99,
    "patience": 6,
    "weight_decay": 0.1,
    "alpha": 0.5,
    "beta": 0.5,
    "terms": TERMS[:-1],
    "scales": 2,
    "downsample": "max",
    "temperature": 0.6,
    "reduction": "kl",
    "foresight": 0.5,
    "tilt": 1.0,
    "teacher_options": {"seed": 2022},
    "weight_average": 0.99,
    "mixup": 0.4,
    "rate_hold": 3,
    "rate_decay": 0.8,
}
OPTION_CHANGES = {
    "seed": 2022,
    "settings": {"layers": 1},
    "learning_rate": 1e-3,
    "batch_size": 16,
    "epochs": 9,
    "patience": 4,
}


def test_the_id_changes_with_every_field_of_a_distilled_run():
    elsewhere = {"patterns", "co_teachers", "weighting", "weighed_on", "half"}  # see test_rivals, test_patient
    assert set(DISTILLED_CHANGES) == set(FIELDS) - elsewhere
    ids = {distilled(**{name: value}).id for name, value in DISTILLED_CHANGES.items()}
    assert len(ids | {distilled().id}) == len(DISTILLED_CHANGES) + 1


def test_the_id_changes_with_every_option_of_the_teacher():
    assert set(OPTION_CHANGES) == set(distilled().teacher_options)
    ids = {distilled(teacher_options={name: value}).id for name, value in OPTION_CHANGES.items()}
    assert len(ids | {distilled().id}) == len(OPTION_CHANGES) + 1


def test_the_id_changes_with_every_field_of_a_plain_run():
    names = [
        "dataset",
        "lookback",
        "horizon",
        "model",
        "seed",
        "settings",
        "learning_rate",
        "batch_size",
        "epochs",
        "patience",
        "weight_decay",
    ]
    ids = {plain(**{name: DISTILLED_CHANGES[name]}).id for name in names}
    assert len(ids | {plain().id, distilled().id}) == len(names) + 2


def test_patterns_of_the_truth_are_a_run_of_their_own():
    truth = plain(patterns="truth", alpha=2)
    assert truth.distilled
    assert truth.teacher_config is None
    assert (truth.alpha, truth.beta, truth.teacher_options) == (2.0, 0.0, {})
    others = {plain().id, distilled(alpha=2, beta=0).id, plain(patterns="truth", alpha=2, scales=2).id}
    others |= {plain(patterns=patterns, alpha=2).id for patterns in ("smooth truth", "truth over 5 steps")}
    assert len(others | {truth.id}) == 6


def test_fields_of_a_distillation_that_is_not_there_change_nothing():
    changed = plain(terms=["supervised"], scales=1, downsample="min", temperature=0.1, reduction="kl", tilt=1.0)
    assert changed == plain()
    assert changed.id == plain().id
    assert changed.terms == TERMS


def test_the_id_is_the_same_with_the_defaults_spelled_out():
    assert plain(settings={"width": 512, "average": 25, "norm": "mean"}, seed=2021, alpha=0.0).id == plain().id
    assert plain(learning_rate=0.01, batch_size=32, epochs=100, patience=5).id == plain().id
    options = {
        "seed": 2021,
        "settings": {"width": 256, "heads": 8},
        "learning_rate": 1e-4,
        "batch_size": 32,
        "epochs": 10,
        "patience": 5,
    }
    spelled = distilled(teacher_options=options, alpha=1, beta=1, terms=TERMS[::-1], scales=3, temperature=0.5)
    assert spelled == distilled()
    assert spelled.id == distilled().id


def test_the_id_follows_the_checksum_of_the_data(monkeypatch, tmp_path):
    before = plain().id
    monkeypatch.setattr(data, "_NYC_SHA256", "0" * 64)
    assert plain().id != before
    path = tmp_path / "own.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    first = plain(dataset=str(path)).id
    assert plain(dataset=str(path)).id == first
    config = plain(dataset=str(path))
    assert config.id == first
    path.write_text("a,b\n1,2\n3,5\n")
    assert config.id == plain(dataset=str(path)).id != first  # also of an object that was there before


@pytest.mark.parametrize("model", ["mlp", "itransformer"])
def test_a_setting_that_a_model_gains_later_leaves_the_ids_alone(model, monkeypatch):
    before = distilled().id, plain(model=model).id
    inspected = inspect.signature(models._MODELS[model])
    extra = inspect.Parameter("gate", inspect.Parameter.KEYWORD_ONLY, default=False)

    class Grown(models._MODELS[model]):
        __signature__ = inspected.replace(parameters=[*inspected.parameters.values(), extra])

    monkeypatch.setitem(models._MODELS, model, Grown)
    assert plain(model=model).settings["gate"] is False
    assert (distilled().id, plain(model=model).id) == before
    changed = (
        distilled(settings={"gate": True})
        if model == "mlp"
        else distilled(teacher_options={"settings": {"gate": True}})
    )
    assert changed.id != before[0]


# --- the teacher's own run


def test_the_teachers_run_is_on_the_same_data_with_the_protocols_own_values():
    student = distilled(seed=7, learning_rate=0.5, batch_size=3, epochs=2, patience=1, settings={"width": 8})
    assert student.teacher_config == plain(model="itransformer")
    assert student.teacher_config.id == plain(model="itransformer").id


def test_teacher_options_change_the_teachers_run_alone():
    options = {"seed": 5, "settings": {"layers": 1}, "learning_rate": 1e-3, "epochs": 2}
    student = distilled(teacher_options=options)
    assert student.teacher_config == plain(
        model="itransformer", seed=5, settings={"layers": 1}, learning_rate=1e-3, epochs=2
    )
    assert (student.seed, student.learning_rate, student.epochs) == (2021, 0.01, 100)


def test_a_resolved_teacher_shows_all_its_options():
    assert distilled().teacher_options == {
        "seed": 2021,
        "settings": plain(model="itransformer").settings,
        "learning_rate": 1e-4,
        "batch_size": 32,
        "epochs": 10,
        "patience": 5,
    }


# --- names that outlive a change


def published(**changes) -> RunConfig:
    """The student that learns from iTransformer on ETTh1 at published settings."""
    settings = {"width": 256, "hidden": 256}
    return RunConfig(
        "ETTh1", 720, 96, "mlp", "itransformer", alpha=2.0, beta=2.0, teacher_options={"settings": settings}, **changes
    )


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"reduction": "kl"}, "393fb15d4cc9eb73"),
        ({"terms": ["supervised", "scale_feature"]}, "c9b585607eff4314"),
        ({"terms": ["supervised", "scale_forecast", "scale_feature"]}, "8aa5d66b38f8f4bf"),
    ],
)
def test_rows_without_the_floor_in_their_loss_keep_the_names_of_before_it(changes, name):
    assert published(**changes).id == name


def test_a_row_whose_period_loss_lacked_the_floor_is_not_taken_for_one_that_has_it():
    assert published().id != "0862f9ac73e46af5"
    # alpha 0 leaves the period loss on features alone, and there it has the floor too
    for term in ("period_forecast", "period_feature"):
        assert published(terms=["supervised", term])._identity()["floor"] == 1e-8
    assert plain(patterns="truth", alpha=1.0)._identity()["floor"] == 1e-8


def test_every_committed_row_is_found_again_under_its_name():
    store = Store(Path(__file__).parents[1] / "results")
    assert len(store.ids()) > 100
    for id in store.ids():
        assert RunConfig.from_dict(store.read(id)["config"]).id == id
