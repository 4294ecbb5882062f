"""The rule of the verdicts by hand, and every claim on rows that are there, changed, in part or not at all."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small
import torch

from tdlib import analysis, bootstrap, claims, losses, profiles, rows
from tdlib.claims import Claim, Estimate, exact, statistics, theorems
from tdlib.claims.evidence import FEWEST_SETTINGS, HORIZONS
from tdlib.claims.listed import CLAIMS, HEADLINES
from tdlib.config import DECAY
from tdlib.profiles import fair
from tdlib.report import tables, words
from tdlib.store import Store

ROOT = Path(__file__).parents[1]
BY_NAME = {claim.name: claim for claim in CLAIMS}
PUBLISHED = ROOT / "results/published.csv"
PLACES = {"benchmarks": ROOT / "results/benchmarks"}


@pytest.mark.parametrize(
    ("low", "high", "side", "bound", "expected"),
    [
        (-3, -1, "below", 0, "holds"),
        (1, 3, "below", 0, "does not hold here"),
        (-1, 3, "below", 0, "inconclusive"),
        (0, 0, "below", 0, "does not hold here"),  # equal is not better
        (-1, 0, "below", 0, "inconclusive"),
        (1, 3, "above", 0, "holds"),
        (51, 53, "above", 52, "inconclusive"),
        (7, 7, "at least", 7, "holds"),  # a count: it reaches what is claimed
        (6, 6, "at least", 7, "does not hold here"),
        (5, 8, "at least", 7, "inconclusive"),  # three data sets are missing
        (math.nan, math.nan, "below", 0, "not tested here"),
        (-1, math.nan, "below", 0, "not tested here"),
    ],
)
def test_the_rule(low, high, side, bound, expected):
    assert claims.verdict(low, high, side, bound) == expected


def test_an_unknown_side_is_refused():
    with pytest.raises(ValueError, match="side"):
        claims.verdict(0, 1, "near")
    assert {claim.side for claim in CLAIMS} <= set(claims.SIDES)


# --- a store whose rows are made by hand


def level(config) -> float:
    """The error of a run of the smoke profile: patient, distilled, teacher, baseline and plain MLP, in this order.

    With weight decay the plain MLP is nearly as good as the distilled one, and that is worse.
    """
    if config.weight_decay == DECAY:
        return 0.72 if config.teacher else 0.75
    if config.mixup:
        return 0.6
    if config.teacher:
        return 0.7
    return {"itransformer": 0.8, "moderntcn": 0.8, "mlp": 1.0}.get(config.model, 0.9)


def filled(folder: Path, of=level, profile: str = "smoke", keep=lambda config: True) -> claims.Evidence:
    """All runs of a profile with errors of `of(config)` times a wave that all share, and noise of their own."""
    store, table = Store(folder), profiles.Profile(profile)
    windows = np.arange(300)  # two and a half blocks of 96 + 24

    def write(configs) -> None:
        for config in filter(keep, dict.fromkeys(configs)):
            noise = np.random.default_rng(int(config.id, 16) % 2**32).normal(0, 0.01, len(windows))
            errors = of(config) * (1 + 0.3 * np.sin(windows / 20) + noise)
            mse = float(errors.mean())
            figures = {"test_mse": mse, "test_mae": 0.4, "val_mse": of(config), "test_period_kl": of(config)}
            figures |= {"test_scale_mse": [mse, mse**2]}
            row = small.row(config.id, config=config.to_dict(), metrics=figures)
            store.write(row, small.arrays(errors, horizon=config.horizon))

    write(table.runs() + table.ablation_references())
    write(fair.stored(table, store))
    return claims.Evidence(profile, folder, **PLACES)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("store"))


def line(evidence: claims.Evidence, name: str) -> pd.Series:
    return claims.table([BY_NAME[name]], evidence).iloc[0]


def test_every_claim_has_a_verdict_and_says_over_what(evidence):
    found = claims.table(CLAIMS, evidence)
    assert list(found["claim"]) == list(BY_NAME) and len(BY_NAME) == len(CLAIMS) >= 20
    assert set(found["verdict"]) <= set(claims.VERDICTS)
    tested = found[found["verdict"] != "not tested here"]
    assert len(tested) >= 20
    assert (tested["settings"] >= 1).all()
    assert (tested["low"] <= tested["ours"]).all() and (tested["ours"] <= tested["high"]).all()
    assert tested["words"].str.contains(r"; .*\d+ ").all()
    assert found["words"].isna().equals(found["verdict"] == "not tested here")


def test_a_difference_is_what_the_rows_say(evidence):
    found = line(evidence, "plain, iTransformer")
    assert found["ours"] == pytest.approx(-30, abs=0.5)  # 0.7 against 1.0
    assert (found["settings"], found["rows"], found["verdict"]) == (1, 2, "holds")
    assert line(evidence, "teacher, iTransformer")["ours"] == pytest.approx(-12.5, abs=0.5)
    assert line(evidence, "Ridge")["ours"] == pytest.approx(100 * (0.7 / 0.9 - 1), abs=0.5)
    assert line(evidence, "plain, fair, iTransformer")["ours"] == pytest.approx(-30, abs=0.5)
    assert line(evidence, "patient, published")["ours"] == pytest.approx(100 * (0.6 / 0.7 - 1), abs=0.5)
    assert line(evidence, "patient, baseline by validation")["ours"] == pytest.approx(100 * (0.6 / 0.9 - 1), abs=0.5)
    assert line(evidence, "patient, members")["settings"] == 5
    assert line(evidence, "patient, members")["ours"] == pytest.approx(100 * (0.6 / 0.8 - 1), abs=0.5)  # iTransformer
    assert line(evidence, "any teacher")["settings"] == 8
    assert line(evidence, "any student")["settings"] == 3
    assert line(evidence, "any look-back")["settings"] == 2
    assert line(evidence, "patient, decayed")["ours"] == pytest.approx(100 * (0.6 / 0.75 - 1), abs=0.5)
    assert line(evidence, "plain, decayed")["ours"] == pytest.approx(100 * (0.7 / 0.75 - 1), abs=0.5)
    for name in ("any teacher, decayed", "any look-back, decayed"):
        assert line(evidence, name)["ours"] == pytest.approx(100 * (0.7 / 0.75 - 1), abs=0.5)


def test_with_and_without_a_teacher_and_decay(tmp_path):
    four = {run for _, run in profiles.Profile("laptop").controls()["decay"] if run.horizon == 96}
    evidence = filled(tmp_path, profile="laptop", keep=four.__contains__)
    both, distilled = line(evidence, "decay: on both"), line(evidence, "decay: on the distilled")
    assert both["ours"] == pytest.approx(100 * (0.72 / 0.75 - 1), abs=0.5)
    assert distilled["ours"] == pytest.approx(100 * (0.72 / 0.7 - 1), abs=0.5)
    assert (both["settings"], both["rows"]) == (2, 6)


def test_a_verdict_that_hangs_on_one_setting_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "FEWEST_BLOCKS", 0)  # the rows have 300 windows
    runs = {run for run in profiles.Profile("laptop").main() if run.dataset == "ETTh1" and run.horizon < 720}

    def of(config):  # far better at 96 steps, a little worse elsewhere
        return (0.5 if config.horizon == 96 else 1.01) if config.teacher else 1.0

    found = line(filled(tmp_path / "one", of, "laptop", runs.__contains__), "plain, iTransformer")
    assert (found["settings"], found["verdict"], found["without"]) == (3, "holds", "ETTh1, 96")
    assert found["rest"] == pytest.approx(1, abs=0.2) and found["rest_low"] > 0
    assert found["words"].endswith(f"; without ETTh1, 96: {words.interval(*found[['rest', 'rest_low', 'rest_high']])}")
    alike = filled(tmp_path / "alike", lambda config: 0.5 if config.teacher else 1.0, "laptop", runs.__contains__)
    every = line(alike, "plain, iTransformer")
    assert every["verdict"] == "holds" and "without" not in every["words"]


def test_a_worse_student_turns_the_verdicts(tmp_path):
    worse = filled(tmp_path, lambda config: 1.3 if config.teacher else level(config))
    names = ["plain, iTransformer", "plain, ModernTCN", "plain, fair, iTransformer", "teacher, iTransformer"]
    names += ["Ridge", "Phase ridge", "baseline by validation", "any teacher", "any student", "any look-back"]
    names += ["teacher alone"]
    for name in names:
        assert line(worse, name)["verdict"] == "does not hold here", name


def test_one_bad_teacher_is_enough(tmp_path):
    found = line(filled(tmp_path, lambda config: 1.3 if config.teacher == "micn" else level(config)), "any teacher")
    assert found["verdict"] == "does not hold here"
    assert found["ours"] == pytest.approx(30, abs=0.5)


def test_the_worst_of_several_says_what_it_is_without_one_data_set(evidence, monkeypatch):
    values = {"a": -3.0, "b": 2.0, "c": -1.0}  # of a difference on each data set

    def difference(ours, theirs):
        if ours.empty:
            raise rows.Missing("nothing")
        value = ours["dataset"].map(values).mean() + theirs
        return Estimate(value, value - 0.5, value + 0.5, settings=len(ours), runs=1)

    monkeypatch.setattr(evidence, "difference", difference)
    ours = pd.DataFrame({"dataset": list(values)})
    found = evidence.worst([(ours, 0.0), (ours, -1.0)], 2)
    assert (found.value, found.without, found.rest, found.rest_low) == (pytest.approx(-2 / 3), "b", -2, -2.5)
    assert evidence.worst([(ours[:1], 0.0)], 1).without == ""  # of one data set nothing is left
    assert evidence.worst([(ours, 0.0)], 2) is None


def test_an_ablation_has_a_setting_for_each_teacher_on_one_segment(tmp_path):
    laptop = profiles.Profile("laptop")
    names = ("full", "w/o scale", "w/o feature level", "truth patterns")
    each = {teacher: laptop.ablation(teacher) for teacher in laptop.ablation_teachers()}
    keep = {run for runs in each.values() for run, name in runs.items() if name in names}

    def of(config):
        return {"itransformer": 0.7, "moderntcn": 0.6}.get(config.teacher, 0.8) * (1 + 0.1 * (config.beta == 0))

    ablation = filled(tmp_path, of, "laptop", keep.__contains__)
    scale, truth = line(ablation, "part: scale parts"), line(ablation, "truth's patterns")
    assert (scale["settings"], scale["rows"]) == (truth["settings"], truth["rows"]) == (6, 18)
    teachers = 100 * (np.array([0.7, 0.7, 0.6]) / 0.88 - 1)  # ETTh1, ETTh2; ETTh1 from ModernTCN, at both horizons
    assert truth["ours"] == pytest.approx(teachers.mean(), abs=0.5)
    assert truth["without"].startswith("ETTh1 from ModernTCN, ")
    assert set(ablation.ablation["segment"]) == {"ETTh1", "ETTh2"}


def test_the_period_parts_are_ablated_in_enough_settings_and_any_teacher_is_of_those_that_its_claim_names():
    entries = profiles.load("demo+laptop")
    places = {
        (run.dataset, run.horizon, teacher)
        for entry in entries
        for teacher in entry.ablation_teachers()
        for run in entry.ablation(teacher)
    }
    assert len(places) >= FEWEST_SETTINGS
    first = {(run.dataset, run.horizon) for entry in entries for _, run in entry.versatility()["teachers"]}
    assert first == {("nyc_weather", 96), ("ETTh1", 96)}
    assert all("nyc_weather, in the sizes of demo, and ETTh1" in BY_NAME[f"any {name}"].statistic for name in ANY)


ANY = ("teacher", "teacher, decayed", "student")


def test_a_part_of_the_loss_that_helps(tmp_path):
    def of(config):
        return 0.75 if config.teacher and not any(term.startswith("scale") for term in config.terms) else level(config)

    found = filled(tmp_path, of)
    assert line(found, "part: scale parts")["verdict"] == "holds"
    assert line(found, "part: scale parts")["ours"] == pytest.approx(100 * (0.7 / 0.75 - 1), abs=0.5)
    assert line(found, "part: period parts")["ours"] == pytest.approx(0, abs=0.5)


def test_nothing_is_claimed_without_rows(tmp_path):
    with pytest.raises(rows.Missing, match=r"none of these \d+ runs is in the store; train what is missing with"):
        claims.Evidence("smoke", tmp_path, **PLACES)


@pytest.mark.parametrize("part", ["teacher", "plain", "distilled"])
def test_what_is_not_there_is_not_tested(evidence, part, tmp_path):
    gone = set(evidence.runs.loc[evidence.runs["part"] == part, "id"])
    some = filled(tmp_path, keep=lambda config: config.id not in gone)
    found = claims.table(CLAIMS, some).set_index("claim")["verdict"]
    expected = {
        "teacher": ["teacher, iTransformer", "win keep", "always fewer weights, here", "theorem 4.1"],
        "plain": ["plain, iTransformer", "any teacher", "any look-back", "Ridge", "win keep", "teacher alone"],
        "distilled": ["plain, iTransformer", "teacher, iTransformer", "Ridge", "part: scale parts", "theorem 4.1"],
    }[part]
    assert set(found[expected]) == {"not tested here"}
    assert (found != "not tested here").any()


def test_a_benchmark_that_was_not_taken_is_not_tested(evidence, tmp_path):
    other = claims.Evidence("smoke", evidence.store.place, benchmarks=tmp_path)
    assert line(other, "faster")["verdict"] == "not tested here"
    assert line(evidence, "faster")["verdict"] != "not tested here"


def test_what_is_kept_is_what_page_02_shows_against_the_null_that_keeps_most(tmp_path):
    level = filled(tmp_path, lambda config: 0.8 + 0.002 * (config.model == "ridge"))  # noise decides who wins
    table = analysis.keeps(pd.concat([level.main, level.decayed]), level.store)["estimate"].unstack("system")
    assert "MLP, decay 1" in table
    own = [name for name in table if " from " in name]
    null = line(level, "win keep, best null")
    assert null["ours"] == pytest.approx((table[own].max(axis=1) - table.drop(columns=own).max(axis=1)).mean())
    assert null["low"] < null["ours"] < null["high"]
    seeds = line(level, "win keep, another seed")
    assert seeds["ours"] > null["ours"]  # one of the nulls keeps no more than the one that keeps most
    shown = (table[own].max(axis=1) - table[next(name for name in table if "another seed" in name)]).mean()
    assert seeds["ours"] == pytest.approx(shown)
    shown = (table[own].max(axis=1) - table["Ridge"]).mean()
    assert line(level, "win keep, Ridge")["ours"] == pytest.approx(shown) and shown >= null["ours"]
    assert line(level, f"win keep, {analysis.CHOSEN}")["ours"] >= null["ours"]


def test_the_published_win_keep_is_of_moderntcns_students_at_96_steps(tmp_path):
    level = filled(tmp_path, lambda config: 0.8)
    assert line(level, "win keep")["verdict"] == "not tested here"  # smoke has 24 steps
    level.main = level.main.assign(horizon=96)
    kept = line(level, "win keep")
    table = analysis.keeps(level.main, level.store)["estimate"].unstack("system")
    assert kept["ours"] == pytest.approx(table["MLP from ModernTCN"].dropna().item())
    assert (kept["settings"], kept["rows"]) == (1, 2)  # two seeds of the student
    none = filled(tmp_path / "none")
    none.main = none.main.assign(horizon=96)
    assert line(none, "win keep")["verdict"] == "not tested here"  # the plain MLP wins nowhere


# --- statistics over several settings, on rows that are changed


def changed(evidence: claims.Evidence, main: pd.DataFrame) -> claims.Evidence:
    other = claims.Evidence("smoke", evidence.store.place, **PLACES)
    other.main = main
    return other


def test_scales_and_periods_want_five_settings(evidence):
    alike = [evidence.main.assign(dataset=f"number {place}") for place in range(5)]
    four, five = (changed(evidence, pd.concat(alike[:count])) for count in (4, 5))
    assert line(four, "coarse scales")["verdict"] == line(four, "periods")["verdict"] == "not tested here"
    found = line(five, "coarse scales")
    assert found["ours"] == pytest.approx(100 * (0.7 - 0.7**2), abs=1)  # the coarse errors are squares of the fine
    assert (found["settings"], found["verdict"]) == (5, "holds")
    assert line(five, "periods")["ours"] == pytest.approx(-30)


def test_settings_count_alike_however_many_seeds_they_have(evidence):
    """Four settings with two seeds, 30% nearer, beside four with one seed, 40% nearer."""
    one = evidence.main[evidence.main["seed"] == evidence.main["seed"].min()]
    taught = one["part"] == "distilled"
    one = one.assign(test_period_kl=one["test_period_kl"].where(~taught, 0.6))
    kinds = {"a": evidence.main, "b": one}
    parts = [part.assign(dataset=f"{name}{place}") for name, part in kinds.items() for place in range(4)]
    found = line(changed(evidence, pd.concat(parts)), "periods")
    assert found["ours"] == pytest.approx(-35) and found["rows"] == 12
    assert -40 <= found["low"] < -35 < found["high"] <= -30


def test_horizons_of_a_data_set_are_settings_of_their_own(evidence):
    kl = {24: 0.7, 48: 0.7, 96: 0.7, 192: 0.7, 336: 0.7, 720: 1.3}  # of the distilled student, of that of the plain one
    parts = []
    for horizon, level in kl.items():
        taught = evidence.main["part"] == "distilled"
        told = evidence.main["test_period_kl"].where(~taught, level)
        parts.append(evidence.main.assign(horizon=horizon, test_period_kl=told.where(taught, 1.0)))
    found = line(changed(evidence, pd.concat(parts)), "periods")
    assert (found["settings"], found["without"]) == (6, "synthetic, 720")
    assert found["ours"] == pytest.approx(-20) and found["rest"] == pytest.approx(-30)
    assert found["words"].endswith("; without synthetic, 720: -30.0")


def test_a_difference_says_in_how_many_settings_it_has_that_sign(evidence):
    assert "; lower for 1 of 1 setting, " in line(evidence, "plain, iTransformer")["words"]
    assert "; lower for 8 of 8 teachers, " in line(evidence, "any teacher")["words"]
    assert "lower" not in line(evidence, "faster")["words"]  # no difference, no sign


def table_of(wins: list[str], losses: list[str]) -> pd.DataFrame:
    """Distilled and ridge rows of data sets where the distilled one wins and where it loses."""
    lines = []
    for dataset in (*wins, *losses):
        for system, part, mse in (
            ("MLP from X", "distilled", 1.0),
            ("MLP from Y", "distilled", 0.1),
            ("iTransformer", "teacher", 3.0),
            ("Ridge", "plain", 0),
        ):
            error = mse or (2.0 if dataset in wins else 0.5)
            line = {"dataset": dataset, "system": system, "part": part, "test_mse": error}
            lines += [
                line | {"horizon": h, "val_mse": 1 + (system == "MLP from Y")} for h in HORIZONS
            ]  # X by validation
    return pd.DataFrame(lines)


def test_best_on_seven_of_eight_counts_what_is_missing_both_ways(evidence):
    claim = BY_NAME["best of all, linear maps too"]

    def found(wins, losses):
        return claims.table([claim], changed(evidence, table_of(wins, losses))).iloc[0]

    three = found(["ETTh1", "ETTh2"], ["ETTm1"])
    assert (three["ours"], three["low"], three["high"], three["settings"]) == (2, 2, 7, 3)
    assert three["verdict"] == "inconclusive"
    assert found(["ETTh1"], ["ETTm1", "ETTm2"])["verdict"] == "does not hold here"
    seven = ["ECL", "ETTh1", "ETTh2", "ETTm1", "ETTm2", "Solar", "Traffic"]
    assert found(seven, ["Weather"])["verdict"] == "holds"
    assert found(["own"], [])["verdict"] == "not tested here"
    cut = table_of(seven, ["Weather"])
    cut = cut[(cut["dataset"] != "ETTh1") | (cut["horizon"] != 96)]
    assert claims.table([claim], changed(evidence, cut)).iloc[0]["verdict"] == "inconclusive"


def test_best_of_all_of_the_papers_kind_leaves_linear_maps_out_and_waits_for_every_student(evidence):
    paper, every = BY_NAME["best of all"], BY_NAME["best of all, linear maps too"]
    rows = table_of([], ["ETTh1", "ETTh2"])  # lost to Ridge alone
    found = claims.table([paper, every], changed(evidence, rows))[["ours", "low", "high", "settings"]]
    assert found.to_numpy().tolist() == [[2, 2, 8, 2], [0, 0, 6, 2]]
    one = rows[(rows["dataset"] != "ETTh2") | (rows["system"] != "MLP from Y")]  # which is best is not known there
    found = claims.table([paper, every], changed(evidence, one))[["ours", "low", "high", "settings"]]
    assert found.to_numpy().tolist() == [[1, 1, 8, 1], [0, 0, 7, 1]]


def test_weights_are_set_against_each_teacher(evidence):
    main = evidence.main.assign(parameters=5)  # page 07's other teachers have 7
    main.loc[main["model"] == "itransformer", "parameters"] = 6
    main.loc[main["model"] == "moderntcn", "parameters"] = 650
    assert line(changed(evidence, main), "always fewer weights, here")[["ours", "verdict"]].tolist() == [1.2, "holds"]
    main.loc[main["model"] == "itransformer", "parameters"] = 3
    assert line(changed(evidence, main), "always fewer weights, here")["verdict"] == "does not hold here"
    main = evidence.main.assign(parameters=10)  # the least is one of page 07's
    assert line(changed(evidence, main), "always fewer weights, here")["ours"] == 0.7


def test_speed_and_size_are_those_of_published_sizes(evidence, tmp_path):
    columns = ["ECL, ours: times the latency", "ECL, ours: times the parameters"]
    table = pd.DataFrame([["a", 8.0, 2.0], ["b", 0.5, 130.0]], columns=["teacher", *columns])
    table.to_csv(tmp_path / "ratios.csv", index=False)
    found = claims.Evidence("smoke", evidence.store.place, benchmarks=tmp_path)
    expected = {"faster": [8, "holds"], "fewer weights": [130, "holds"], "always fewer weights": [2, "holds"]}
    assert {name: line(found, name)[["ours", "verdict"]].tolist() for name in expected} == expected
    table.iloc[:1].to_csv(tmp_path / "ratios.csv", index=False)
    assert line(found, "fewer weights")["verdict"] == "does not hold here"


def test_the_batch_that_a_claim_names_is_that_of_page_10():
    page = (ROOT / "notebooks/py/10_efficiency.py").read_text()
    assert f"\npublished_batch = {exact.BATCH}\n" in page
    table = pd.read_csv(PLACES["benchmarks"] / "ratios.csv")
    assert (table["ECL, ours: batch"] == exact.BATCH).all()
    assert f"batches of {exact.BATCH} on one thread of a CPU, published: of 16 on a GPU" in BY_NAME["faster"].statistic


# --- theorems


def test_the_inequalities_by_hand():
    y, t, s = (torch.tensor([series], dtype=torch.float64) for series in ([0, 0], [2, 2], [1, 1]))
    for pooled in (False, True):
        assert theorems.scales(y, t, s, coarser=1, pooled=pooled).item() == math.inf  # the mixture is the student
    fine = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    # sup 1 + scale (1 + 0) / 2 = 1.5, mixture 1: above the paper's bound, below the tighter one of 1 + eta
    assert theorems.scales(y, y, fine, coarser=1, pooled=True).item() == 1.5
    assert theorems.scales(y, y, fine, coarser=1).item() == 2
    # pooling cancels the details, and the mixture of them and nothing is 1/2 away: 0 / ((0 + 1/4) / 2)
    assert theorems.scales(fine, fine, fine, coarser=1, pooled=True).item() == 0
    assert theorems.scales(fine, fine, fine, coarser=1).item() == 4
    noise = torch.randn(3, 50, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (theorems.periods(*noise) > 0).all() and (theorems.scales(*noise) >= 2).all()
    q_y, q_t, q_s = (losses.log_period_distribution(x, dim=1).exp() for x in noise)
    for eta in (1.0, 3.0):
        mixture = (q_y + eta * q_t) / (1 + eta)
        apart = [(q * (q / q_s).log()).sum(1) for q in (q_y, q_t, mixture)]
        expected = apart[0] + eta * apart[1] - (1 + eta) * apart[2]
        torch.testing.assert_close(theorems.periods(*noise, eta=eta), expected)
    waves = (torch.sin(torch.arange(16) * torch.pi / 4) * torch.tensor([[0.1], [0.0]])).double()
    near = waves + 0.05 * torch.cos(torch.arange(16) * torch.pi / 2)
    assert theorems.error_over_divergence(near[:1], near[:1]).item() == 0
    assert theorems.error_over_divergence(waves[:1], near[:1] - waves[:1]).item() < 0


# --- what is committed


def test_published_figures_are_those_of_the_table():
    def figure(**chosen):
        return tables.published(PUBLISHED, **chosen)["value"].item()

    for name, teacher in (("iTransformer", "iTransformer"), ("ModernTCN", "ModernTCN")):
        for against in ("MLP", "teacher"):
            claim = BY_NAME[f"{'plain' if against == 'MLP' else against}, {name}"]
            gain = figure(
                table="teachers (T9)", dataset="mean of 8", teacher=teacher, metric=f"MSE gain over {against} %"
            )
            assert claim.published == -gain
    gains = tables.published(PUBLISHED, table="teachers (T9)", metric="MSE gain over MLP %", dataset="mean of 8")
    assert BY_NAME["any teacher"].published == -gains["value"].min()
    assert BY_NAME["any student"].published == -tables.published(PUBLISHED, table="students (T3)")["value"].min()
    assert BY_NAME["largest gain"].published == -figure(table="teachers (T9)", dataset="ETTm2")
    assert BY_NAME["win keep"].published == figure(table="win keep (T5)", dataset="mean of 8")
    wins = tables.published(PUBLISHED, table="win rate (F3)", teacher="iTransformer").set_index("dataset")["value"]
    claim = BY_NAME["win rate, plain"]
    assert claim.published == claim.bound == pytest.approx(wins[list(statistics.FIGURE_3)].mean(), abs=1e-6)
    ablated = tables.published(PUBLISHED, table="ablation (T4)").set_index("model")["value"]
    parts = [claim for name, claim in BY_NAME.items() if name.startswith("part: ")]
    assert len(parts) == 6
    assert BY_NAME["part: coarser scales"].published is None  # the paper has no such variant
    for claim in parts:
        if claim.published is None:
            continue
        variant = next(name for name in ablated.index if f"to {name}," in claim.statistic)
        assert claim.published == pytest.approx(100 * (ablated["full"] / ablated[variant] - 1), abs=0.01)
    assert BY_NAME["teacher alone"].published == pytest.approx(
        100 * (ablated["w/o supervised"] / ablated["MLP"] - 1), abs=0.01
    )
    cost = tables.published(PUBLISHED, table="efficiency (T11)").pivot(index="model", columns="metric", values="value")
    ratios = (cost / cost.loc["MLP"]).drop(["MLP", "TimeDistill"])
    assert BY_NAME["faster"].published == pytest.approx(ratios["inference ms per batch of 16"].max(), abs=0.01)
    assert BY_NAME["fewer weights"].published == pytest.approx(ratios["million parameters"].max(), abs=0.1)
    assert BY_NAME["always fewer weights"].published == pytest.approx(ratios["million parameters"].min(), abs=0.01)


def test_the_committed_table_in_words_and_the_readmes_are_the_same():  # test_notebooks makes it anew from the rows
    committed, words = (pd.read_csv(ROOT / f"results/{name}.csv") for name in ("claims", "tables/claims"))
    assert list(words.columns) == ["claim", "published", "ours", "verdict"]
    fixed = ["claim", "statement", "published", "source", "ours", "low", "high", "verdict", "rows"]
    assert list(committed.columns)[: len(fixed)] == fixed  # other programs read it
    assert words["verdict"].tolist() == committed["verdict"].tolist()
    assert list(committed["claim"][committed["main"]]) == [claim.name for claim in CLAIMS if claim.name in HEADLINES]
    assert committed.columns[-1] == "main"
    headlines = pd.read_csv(ROOT / "results/tables/claims_headlines.csv")
    assert headlines["claim"].tolist() == [claim.sentence for claim in CLAIMS if claim.name in HEADLINES]
    assert set(HEADLINES) <= set(BY_NAME)
    pd.testing.assert_frame_equal(words.merge(headlines), headlines)
    counts = pd.read_csv(ROOT / "results/tables/claims_counts.csv", index_col=0)
    assert counts.loc["all", claims.VERDICTS].to_dict() == committed["verdict"].value_counts().to_dict()
    assert counts.loc["of the paper", "all"] == (committed["source"] != "this study").sum()
    for name in ("claims_headlines", "claims_counts"):
        assert (ROOT / f"results/tables/{name}.md").read_text().strip() in (ROOT / "README.md").read_text()


def test_counts_tell_the_papers_claims_from_ours_and_name_a_verdict_that_none_has():
    sources, verdicts = ["Table 1", "this study", "this study"], ["holds", "holds", "inconclusive"]
    given = pd.DataFrame({"source": sources, "verdict": verdicts})
    found = claims.counts(given)
    assert list(found.columns) == [*claims.VERDICTS, "all"] and not found[claims.VERDICTS[1]].any()
    assert found.loc["of this study"].tolist() == [1, 0, 1, 0, 2] and found.loc["all", "all"] == 3


def test_a_claim_without_an_estimate_is_said_in_the_table(evidence):
    nothing = Claim("a", "A", "of nothing", lambda evidence: None)
    something = replace(nothing, test=lambda evidence: Estimate(-2.0, -3.0, -1.0, 1, 4), published=-1.5)
    found = claims.short(claims.table([nothing, something], evidence))
    assert found["verdict"].tolist() == ["not tested here", "holds"]
    assert found["ours"].tolist()[1] == "-2.0 [-3.0, -1.0] % MSE; 1 setting, 4 runs"
    assert found["published"].tolist()[1] == "-1.5 % MSE"
    assert found.loc[0, ["published", "ours"]].isna().all()
