"""Rows: what they are called, how they are chosen, and what is said where one is not there."""

import pandas as pd
import pytest
import small

from tdlib import models, profiles, rows
from tdlib.config import RunConfig
from tdlib.store import Store

RUNS = rows.with_systems(
    pd.DataFrame(
        [
            ("moderntcn", None, 1),
            ("itransformer", None, 1),
            ("mlp", None, 3),
            ("mlp", None, 2),
            ("mlp", "itransformer", 1),
            ("mlp", "itransformer", 2),
            ("mlp", "itransformer", 3),
            ("mlp", "moderntcn", 9),
            ("tsmixer", "moderntcn", 3),
            ("dlinear", float("nan"), 3),
            ("seasonal_naive", None, 3),
        ],
        columns=["model", "teacher", "seed"],
    ).assign(dataset="toy", horizon=96)
)


def test_a_system_is_a_model_and_whom_it_learned_from():
    assert rows.system("mlp") == models.title("mlp") == "MLP"
    assert rows.system("tsmixer", "timesnet") == "TSMixer from TimesNet"
    assert rows.system("mlp", decay=0.5) == "MLP, decay 0.5"
    with pytest.raises(ValueError, match="unknown model 'nothing'"):
        rows.system("nothing")


def test_a_column_says_who_teaches_and_who_is_distilled():
    names = dict(zip(RUNS["system"], RUNS["part"], strict=True))
    assert names == {
        "ModernTCN": "teacher",
        "iTransformer": "teacher",
        "MLP": "plain",
        "MLP from iTransformer": "distilled",
        "MLP from ModernTCN": "distilled",
        "TSMixer from ModernTCN": "distilled",
        "DLinear": "plain",
        "Seasonal naive": "plain",
    }
    assert set(RUNS["setting"]) == {"toy, 96 steps"}


def test_weight_decay_makes_another_system_unless_it_is_a_setting_that_is_chosen():
    decays = RUNS["model"].map({"mlp": 1.0, "itransformer": 0.1}).fillna(0.0)
    runs = rows.with_systems(RUNS.assign(weight_decay=decays))
    names = dict(zip(runs["system"], runs["part"], strict=True))
    assert names["MLP, decay 1"] == "decayed"
    assert names["MLP from iTransformer, decay 1"] == "distilled"
    assert names["iTransformer, decay 0.1"] == "teacher"
    assert names["DLinear"] == "plain"
    chosen = rows.with_systems(runs, by_decay=False)
    pd.testing.assert_frame_equal(chosen.drop(columns="weight_decay"), RUNS)
    assert (chosen["weight_decay"] == decays).all()


def test_select_names_what_is_there():
    assert len(rows.select(RUNS, dataset="toy", model="mlp")) == 6
    with pytest.raises(
        ValueError, match=r"no run with horizon 7 \(there is: 96\) is in the store; train what is missing with"
    ):
        rows.select(RUNS, dataset="toy", horizon=7)
    with pytest.raises(ValueError, match="no run with teacher 'moderntcn' is in the store"):
        rows.select(RUNS, model="dlinear", teacher="moderntcn")
    with pytest.raises(ValueError, match="no run is in the store; train what is missing"):
        rows.select(pd.DataFrame(), dataset="toy")


def test_taught_students_have_the_first_seed_that_both_have():
    place = {"dataset": "toy", "horizon": 96, "teacher": "itransformer"}
    three = rows.taught(RUNS.assign(teacher_seed=1), **place)
    assert list(three.index) == ["iTransformer", "MLP", "MLP from iTransformer"]
    assert three["seed"].tolist() == [1, 2, 2]
    with pytest.raises(rows.Missing, match="not every run"):  # the teacher of seed 1 has not taught the student
        rows.taught(RUNS.assign(teacher_seed=2), **place)


def test_who_was_taught_is_a_student_whatever_its_model_and_ridge_knows_no_decay():
    runs = pd.DataFrame([("itransformer", "ridge", 1)], columns=["model", "teacher", "seed"])
    assert rows.with_systems(runs.assign(dataset="toy", horizon=96))["part"].item() == "distilled"
    plain, decayed = (RunConfig("synthetic", 96, 24, "ridge", weight_decay=decay) for decay in (0.0, 1.0))
    assert plain.id == decayed.id


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (
            {"teacher": "moderntcn"},
            "toy, 96 steps: not every run of teacher, plain and distilled student of one seed is",
        ),
        (
            {"teacher": "nothing"},
            "no run with teacher 'nothing' \\(there is: itransformer, moderntcn\\) is in the store",
        ),
        ({"dataset": "other"}, "no run with dataset 'other' \\(there is: toy\\) is"),
    ],
)
def test_a_setting_that_is_not_whole_is_refused(chosen, words):
    with pytest.raises(ValueError, match=words):
        rows.taught(RUNS, **{"dataset": "toy", "horizon": 96, "teacher": "itransformer"} | chosen)


def test_reading_nothing_names_the_command_that_trains_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted = profiles.Profile("smoke").main()
    train = "`python -m tdlib runs --profile smoke --part main --part ablation --store results`"
    for store, command in [("../results", train), (tmp_path / "other", train.replace("results", f"{tmp_path}/other"))]:
        with pytest.raises(ValueError) as caught:
            rows.read(wanted, "smoke", "main", "ablation", store=store)
        assert (
            str(caught.value)
            == f"none of these {len(wanted)} runs is in the store; train what is missing with {command}"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("horizon", "teacher"), [(97, None), (24, "patchtst")])
def test_reading_what_no_command_trains_says_what_the_profile_has(horizon, teacher, tmp_path):
    wanted = [profiles.Profile("smoke").config("synthetic", horizon, "mlp", teacher)]
    has = "profile smoke has no such run (it has data sets synthetic; horizons 24; teachers itransformer, moderntcn)"
    with pytest.raises(rows.Missing) as caught:
        rows.read(wanted, "smoke", "main", store=tmp_path)
    assert str(caught.value) == f"{has}; train_missing=True trains other runs"


def test_reading_a_part_says_how_many_are_there_and_refusals_name_the_command_later(tmp_path, capsys):
    wanted = profiles.Profile("smoke").main()
    store = Store(tmp_path)
    for config in wanted[:2]:
        store.write(small.row(config.id, config=config.to_dict()), small.arrays())
    runs = rows.read([*wanted, *wanted], "smoke+demo", "main", store=tmp_path)
    assert runs["system"].tolist() == ["iTransformer", "ModernTCN"]
    commands = [f"`python -m tdlib runs --profile {name} --part main --store {tmp_path}`" for name in ("smoke", "demo")]
    trained = " and ".join(commands)
    assert capsys.readouterr().out == f"2 of {len(wanted)} runs are in the store; train the rest with {trained}\n"
    with pytest.raises(
        ValueError, match=r"no run with part 'plain' \(there is: teacher\) .* --profile smoke .* --profile demo"
    ):
        rows.select(runs[runs["seed"] == 2021].rename(columns={"test_mse": "MSE"}), part="plain")
    rows.read(wanted[:2], "smoke", "main", store=tmp_path)
    assert capsys.readouterr().out == "2 of 2 runs are in the store\n"


@pytest.mark.parametrize(
    "chosen", [{"dataset": "ECL"}, {"horizon": 7}, {"dataset": "synthetic", "teacher": "patchtst"}]
)
def test_what_no_profile_lists_is_not_to_be_trained(chosen, tmp_path):
    wanted = profiles.Profile("smoke").main()
    for config in wanted:
        Store(tmp_path).write(small.row(config.id, config=config.to_dict()), small.arrays())
    runs = rows.read(wanted, "smoke", "main", store=tmp_path)
    has = "profile smoke has no such run (it has data sets synthetic; horizons 24; teachers itransformer, moderntcn)"
    with pytest.raises(rows.Missing, match=r"^no run with ") as caught:
        rows.select(runs[runs["seed"] == 2021], **chosen)
    assert str(caught.value).endswith(f" is in the store; {has}")
    rest = runs[runs["teacher"] != "moderntcn"]
    with pytest.raises(rows.Missing, match=r"is in the store; train what is missing with `.* --profile smoke"):
        rows.select(rest, teacher="moderntcn")  # listed, and not there yet


def test_settings_of_teachers_alone_are_left_out_and_named(capsys):
    lines = [("a", "itransformer", None), ("b", "itransformer", None), ("b", "mlp", None), ("b", "mlp", "itransformer")]
    runs = pd.DataFrame(lines, columns=["dataset", "model", "teacher"]).assign(horizon=96, seed=1)
    runs = rows.with_systems(runs)
    assert list(rows.with_students(runs)["dataset"]) == ["b", "b", "b"]
    assert capsys.readouterr().out == "without a student, left out here: a, 96 steps\n"
    alone = runs[:2]
    assert rows.with_students(alone).equals(alone)
    assert capsys.readouterr().out == ""
