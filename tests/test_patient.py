"""The recipe is a run like any other: its settings, its committee's place in the row, the same bits again."""

import numpy as np
import outside
import pandas as pd
import pytest
import small
import torch

from tdlib import committee, data, patient, rows, study
from tdlib.distill import TERMS
from tdlib.run import build, load_model
from tdlib.store import Store
from tdlib.windows import halved, split

MEMBERS = {"ridge": {}, "phase_ridge": {}, "nlinear": [{"epochs": 1, "seed": 1}, {"epochs": 1, "seed": 2}]}
SMALL = {"epochs": 2, "settings": {"width": 16}, "members": MEMBERS}


def student(**changes):
    return patient.student("synthetic", 50, 16, **(SMALL | changes))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    store = Store(tmp_path_factory.mktemp("patient"))
    study.ensure(student(), store=store, executor=outside.Inline())
    return store


def test_the_recipe_is_what_page_12_says():
    run = patient.student("ETTh1", 720, 96)
    assert list(run.teacher_configs) == ["itransformer", "ridge", "phase_ridge", "sparsetsf", "cyclenet"]
    assert (run.model, run.weighting, run.terms, run.alpha, run.beta) == ("mlp", "held out", ("scale_forecast",), 2, 0)
    assert (run.learning_rate, run.rate_hold, run.rate_decay) == (3e-3, 3, 0.8)
    assert (run.weight_average, run.mixup) == (0.999, 0.4)
    assert patient.student("ETTh1", 720, 96, model="rlinear", seed=7, alpha=1.0).seed == 7


def test_every_variant_differs_from_the_recipe_in_what_its_name_says():
    pieces = {name: dict(changes) for name, changes in patient.PIECES.items()}
    assert pieces.pop("w/o its Transformer") == {"members": ["ridge", "phase_ridge", "sparsetsf", "cyclenet"]}
    runs = {name: student(**changes) for name, changes in pieces.items() if name != "ridge alone"}
    assert len({run.id for run in runs.values()}) == len(runs)
    assert runs["recipe"] == student()
    assert (runs["first teacher alone"].teacher, runs["first teacher alone"].co_teachers) == ("ridge", {})
    alone = runs["no teacher"]
    assert (alone.distilled, alone.terms, alone.mixup, alone.weight_average) == (False, TERMS, 0.4, 0.999)
    usual = {name: getattr(student(model="mlp", members=MEMBERS), name) for name in ("rate_hold", "rate_decay")}
    assert usual == {"rate_hold": 3, "rate_decay": 0.8}


@pytest.mark.parametrize(("members", "who"), [({}, "none"), ({"ridge": {}}, "ridge"), ({"ridge": [{}]}, "ridge")])
def test_a_committee_of_fewer_than_two_is_refused(members, who):
    with pytest.raises(ValueError, match=f"^a committee has at least two members, got {who}$"):
        student(members=members)


def test_the_row_has_the_members_and_what_each_weighting_makes_of_them(store):
    row, config = store.read(student().id), student()
    kept = row["committee"]
    assert kept["members"] == {name: member.id for name, member in config.teacher_configs.items()}
    assert list(kept["members"]) == ["ridge", "phase_ridge", "nlinear", "nlinear 2"]
    alone = [store.read(id)["metrics"]["val_mse"] for id in kept["members"].values()]
    assert kept["val_mse"] == pytest.approx(alone, rel=1e-5)
    assert list(kept["weightings"]) == list(committee.SCORED)
    splits = split(data.synthetic(), 50, 16)
    members = [load_model(id, store)[0] for id in kept["members"].values()]
    test = committee.error_moments(members, splits.test)
    for found in kept["weightings"].values():
        assert sum(found["weights"]) == pytest.approx(1)
        assert found["test_mse"] == pytest.approx(committee.errors(test, np.array(found["weights"])).mean())
    held = {how: found["held_out_mse"] for how, found in kept["weightings"].items() if how != "held out"}
    chosen = kept["weightings"][min(held, key=held.get)]
    assert kept["weightings"]["held out"]["weights"] == chosen["weights"]
    own = committee.errors(test, np.array(chosen["weights"]))
    assert store.arrays(student().id)["committee_errors"] == pytest.approx(own)
    logged = [row["epochs"][-1][f"weight_{name}"] for name in kept["members"]]
    assert logged == pytest.approx(chosen["weights"], abs=1e-6)


def test_members_are_weighed_on_the_half_of_training_that_they_did_not_see(tmp_path):
    place, config = Store(tmp_path), student(weighed_on="halves", epochs=1)
    study.ensure(config, store=place, executor=outside.Inline())
    splits, moments = split(data.synthetic(), 50, 16), []
    for half in ("second", "first"):
        runs = config.half_configs[half]
        assert [place.read(run.id)["config"]["half"] for run in runs] == [half] * 4
        seen, unseen = halved(splits, half)
        ridge = build(runs[0], 4)
        ridge.solve(seen)
        torch.testing.assert_close(load_model(runs[0].id, place)[0].weight, ridge.weight)
        moments.append(committee.error_moments([load_model(run.id, place)[0] for run in runs], unseen))
    kept = place.read(config.id)["committee"]
    assert kept["halves_mse"] == pytest.approx(np.diag(np.concatenate(moments).mean(0)))
    members = [load_model(id, place)[0] for id in kept["members"].values()]
    moments.append(committee.error_moments(members, splits.val))
    assert kept["val_mse"] == pytest.approx(np.diag(moments[-1].mean(0)))
    everything = np.concatenate(moments)
    for how, found in kept["weightings"].items():
        assert found["weights"] == pytest.approx(committee.weigh(how, everything))
        assert found["held_out_mse"] == pytest.approx(committee.held_out(how, everything))
        assert found["val_mse"] == pytest.approx(committee.errors(moments[-1], np.array(found["weights"])).mean())
    who = patient.members(rows.with_systems(study.ensure(config, store=place)), place)
    assert who["halves"].tolist() == kept["halves_mse"]
    assert who["test"].tolist() == [place.read(id)["metrics"]["test_mse"] for id in kept["members"].values()]


def test_halves_that_hold_no_window_are_refused_before_anything_is_trained(tmp_path):
    lookback = int(0.35 * len(data.synthetic().values))
    long = patient.student("synthetic", lookback, 16, **SMALL, weighed_on="halves")
    with pytest.raises(ValueError, match="training rows holds no window of"):
        study.ensure(long, store=tmp_path, executor=outside.Inline())
    assert not list(tmp_path.glob("runs/*"))


def test_a_half_and_a_committee_that_is_weighed_on_halves_are_runs_of_their_own():
    ridge, halves = next(iter(student().teacher_configs.values())), student(weighed_on="halves")
    assert len({ridge.id, *(runs[0].id for runs in halves.half_configs.values())}) == 3
    assert halves.id != student().id
    assert halves.teacher_configs == student().teacher_configs


def test_a_second_training_has_the_same_bits_and_a_second_asking_trains_nothing(store, tmp_path):
    again = Store(tmp_path)
    study.ensure(student(), store=again, executor=outside.Inline())
    assert again.read(student().id)["metrics"] == store.read(student().id)["metrics"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()}
    assert len(study.ensure(student(), store=again)) == 1
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").iterdir()} == before


def test_a_study_that_lost_a_member_trains_it_again_with_the_student(store, tmp_path):
    again = Store(tmp_path)
    study.ensure(list(student().teacher_configs.values())[1:], store=again, executor=outside.Inline())
    study.ensure(student(), store=again, executor=outside.Inline())
    assert again.read(student().id)["metrics"] == store.read(student().id)["metrics"]


@pytest.mark.parametrize("field", ["val_mse", "weights", "halves_mse"])
def test_a_committee_of_another_size_is_not_written(field, store, tmp_path):
    kept = store.read(student().id)["committee"]
    if field == "val_mse":
        kept["val_mse"] = kept["val_mse"][:-1]
    elif field == "halves_mse":
        kept["halves_mse"] = [1.0]
    else:
        kept["weightings"]["half"]["weights"] = [0.5, 0.5]
    with pytest.raises(ValueError, match=r"it has 4 members, and its (val_mse|halves_mse|half) differs"):
        Store(tmp_path / "new").write(small.row(student().id, committee=kept), small.arrays())


def test_a_row_of_one_teacher_has_no_committee(store):
    assert "committee" not in store.read(next(iter(student().teacher_configs.values())).id)


def test_students_stand_together_where_all_of_them_are():
    one = pd.DataFrame({"dataset": "toy", "lookback": 9, "horizon": [1, 1, 2], "seed": [1, 2, 1], "system": "one"})
    other = one.iloc[[0, 2]].assign(system="other")
    found = patient.together([one, other])
    assert found["system"].value_counts().to_dict() == {"one": 2, "other": 2}
    assert set(found["seed"]) == {1}


def test_a_page_reads_weightings_and_members_of_rows(store):
    runs = rows.with_systems(study.ensure(student(), store=store, train_missing=False))
    table = patient.weightings(runs, store)
    assert list(table["weighting"]) == list(committee.SCORED)
    assert list(table.loc[table["chosen"], "weighting"]) == ["held out"]
    kept = store.read(student().id)["committee"]
    assert table["test"].tolist() == [found["test_mse"] for found in kept["weightings"].values()]
    assert set(table["setting"]) == {"synthetic, 16 steps"}
    who = patient.members(runs, store)
    assert who["weight"].tolist() == kept["weightings"]["held out"]["weights"]
    assert who["member"].str.replace(" ", "_").str.lower().tolist() == [n.replace(" ", "_") for n in kept["members"]]
    assert who["validation"].tolist() == kept["val_mse"]
