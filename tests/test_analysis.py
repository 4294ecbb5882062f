"""Win rate and win keep on cases worked by hand; intervals that know that windows overlap."""

import numpy as np
import pandas as pd
import pytest
import small

from tdlib import analysis, bootstrap, rows
from tdlib.store import Store


def test_win_rate_counts_strict_wins_and_ties_apart():
    student, teacher = [1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 2.0, 2.0, 5.0, 5.0]
    assert analysis.win_rate(student, teacher) == 40.0  # windows 0 and 3; 1 and 4 are ties
    assert analysis.tie_rate(student, teacher) == 40.0
    assert analysis.win_rate(teacher, student) == 20.0


def test_win_keep_is_the_share_of_the_mlps_wins_that_the_distilled_student_wins_too():
    teacher = [5.0, 5.0, 5.0, 5.0, 5.0]
    mlp = [4.0, 4.0, 4.0, 5.0, 6.0]  # wins 0, 1, 2
    distilled = [3.0, 5.0, 6.0, 1.0, 1.0]  # of these wins 0; a tie on 1 is not kept
    assert analysis.win_keep(mlp, distilled, teacher) == pytest.approx(100 / 3)


def test_win_keep_is_nan_where_the_mlp_wins_nowhere():
    assert np.isnan(analysis.win_keep([2.0, 1.0], [0.0, 0.0], [1.0, 1.0]))


@pytest.mark.parametrize(
    ("student", "teacher", "words"),
    [
        ([1.0, 2.0], [1.0], "same windows, got 2, 1"),
        ([], [], "there must be a window"),
        ([[1.0]], [[1.0]], "one number per window"),
        ([1.0, np.nan], [1.0, 1.0], "finite"),
        ([1.0, 1.0], [1.0, np.inf], "finite"),
    ],
)
def test_errors_that_do_not_fit_are_refused(student, teacher, words):
    for measure in (analysis.win_rate, analysis.tie_rate):
        with pytest.raises(ValueError, match=words):
            measure(student, teacher)
    with pytest.raises(ValueError, match=words):
        analysis.win_keep(student, teacher, teacher)


ERRORS = {  # (model, teacher, seed) -> the error of each of four windows
    ("itransformer", None, 1): [2.0, 2.0, 2.0, 2.0],
    ("moderntcn", None, 1): [0.5, 2.0, 2.0, 9.0],
    ("mlp", None, 2): [1.0, 1.0, 3.0, 2.0],
    ("mlp", None, 1): [1.0, 3.0, 3.0, 1.5],
    ("mlp", "itransformer", 1): [1.0, 1.0, 1.0, 3.0],
    ("mlp", "itransformer", 2): [3.0, 1.0, 1.0, 1.0],
    ("mlp", "itransformer", 3): [3.0, 3.0, 3.0, 3.0],
    ("mlp", "moderntcn", 2): [9.0, 1.0, 9.0, 9.0],
    ("dlinear", None, 1): [0.0, 0.0, 0.0, 0.0],
}


@pytest.fixture
def filled(tmp_path):
    """Rows with errors chosen by hand: two teachers, students of several seeds in no order, a linear layer."""
    store = Store(tmp_path)
    lines = []
    for number, ((model, teacher, seed), values) in enumerate(ERRORS.items()):
        store.write(small.row(f"{number:016x}"), small.arrays(values))
        line = {"id": f"{number:016x}", "dataset": "toy", "lookback": 9, "horizon": 1}
        line |= {"model": model, "teacher": teacher, "seed": seed, "test_scale_mse": [4.0, 1.0 + number]}
        lines.append(line | {"teacher_options": {"seed": 1} if teacher else {}})
    return rows.with_systems(pd.DataFrame(lines)), store


def test_wins_are_means_over_seeds_of_each_student_against_each_teacher(filled):
    table = analysis.wins(*filled)
    assert table.index.names == ["dataset", "horizon", "teacher", "system"]
    expected = {  # estimate, ties: means over the seeds, in percent
        ("iTransformer", "MLP"): ((50 + 50) / 2, (25 + 0) / 2),
        ("iTransformer", "MLP from iTransformer"): ((75 + 75 + 0) / 3, 0),
        ("ModernTCN", "MLP"): ((50 + 25) / 2, 0),
        ("ModernTCN", "MLP from ModernTCN"): (25, 25),
    }
    found = {
        index[2:]: tuple(line) for index, line in zip(table.index, table[["estimate", "ties"]].values, strict=True)
    }
    assert found == {key: pytest.approx(values) for key, values in expected.items()}
    assert table["seeds"].groupby("system").first().to_dict() == {
        "MLP": 2,
        "MLP from iTransformer": 3,
        "MLP from ModernTCN": 1,
    }
    assert list(found) == [
        ("iTransformer", "MLP"),
        ("ModernTCN", "MLP"),
        ("iTransformer", "MLP from iTransformer"),
        ("ModernTCN", "MLP from ModernTCN"),
    ]
    assert table["low"].isna().all()  # four windows are less than two blocks of 9 + 1


def test_wins_have_an_interval_of_blocks_of_look_back_and_horizon(filled):
    runs, store = filled[0].assign(lookback=1), filled[1]  # four windows are two blocks of 1 + 1
    assert analysis.wins(runs.assign(lookback=2), store)["low"].isna().all()
    wins = np.array(ERRORS["mlp", "moderntcn", 2]) < ERRORS["moderntcn", None, 1]
    line = analysis.wins(runs, store).loc[("toy", 1, "ModernTCN", "MLP from ModernTCN")]
    _, drawn = bootstrap.draws(wins[None, None], [1], lambda means: means[..., 0, 0], block=2, segment="toy")
    assert (line["low"], line["high"]) == bootstrap.interval(100 * drawn)


def test_the_plain_mlp_with_weight_decay_is_a_null_of_keeps_and_no_line_of_wins(filled):
    runs, store = filled
    plain = (runs["model"] == "mlp") & (runs["part"] == "plain")
    both = pd.concat([runs, runs[plain].assign(part="decayed", system="MLP, decay 1")])
    pd.testing.assert_frame_equal(analysis.wins(both, store), analysis.wins(runs, store))
    assert (analysis.keeps(both, store).xs("MLP, decay 1", level="system")["estimate"] == 100).all()  # itself


def test_keeps_pair_the_seeds_whatever_their_order(filled):
    table = analysis.keeps(*filled)
    assert table.index.names == ["dataset", "horizon", "teacher", "system"]
    # seed 1: the MLP wins windows 0 and 3, 0 is kept; seed 2: it wins 0 and 1, 1 is kept; seed 3 has no plain MLP
    line = table.loc[("toy", 1, "iTransformer", "MLP from iTransformer")]
    assert (line["estimate"], line["seeds"]) == (pytest.approx((50 + 50) / 2), 2)
    # seed 2 alone: the MLP wins windows 1 and 3, the distilled one wins 1
    line = table.loc[("toy", 1, "ModernTCN", "MLP from ModernTCN")]
    assert (line["estimate"], line["seeds"]) == (50, 1)
    assert np.isnan(line["low"])
    mlp, student, teacher = (
        np.array(ERRORS[key]) for key in (("mlp", None, 2), ("mlp", "moderntcn", 2), ("moderntcn", None, 1))
    )
    line = analysis.keeps(filled[0].assign(lookback=1), filled[1])
    line = line.loc[("toy", 1, "ModernTCN", "MLP from ModernTCN")]
    quantities = np.stack([(mlp < teacher) & (student < teacher), mlp < teacher])[None]
    _, drawn = bootstrap.draws(
        quantities, [1], lambda means: means[..., 0, 0] / means[..., 0, 1], block=2, segment="toy"
    )
    assert (line["low"], line["high"]) == bootstrap.interval(100 * drawn)
    assert analysis.keeps(filled[0].assign(lookback=2), filled[1])["low"].isna().all()


def test_what_never_saw_the_teacher_is_the_null_of_win_keep(filled):
    table = analysis.keeps(*filled).xs(("toy", 1), level=("dataset", "horizon"))
    assert table.loc[("iTransformer", "DLinear"), "estimate"] == 100  # its error is 0 everywhere
    assert table.loc[("iTransformer", "DLinear"), "seeds"] == 2  # one run stands beside both plain seeds
    # against iTransformer: seed 1 wins windows 0 and 3, of which seed 2 wins 0; seed 2 wins 0 and 1, seed 1 keeps 0
    assert table.loc[("iTransformer", "MLP, another seed"), "estimate"] == 50
    # against ModernTCN: seed 1 wins 3 alone, seed 2 wins it; seed 2 wins 1 and 3, seed 1 keeps 3
    assert table.loc[("ModernTCN", "MLP, another seed"), "estimate"] == pytest.approx((100 + 50) / 2)
    one = filled[0][~((filled[0]["model"] == "mlp") & filled[0]["teacher"].isna() & (filled[0]["seed"] == 1))]
    assert "MLP, another seed" not in analysis.keeps(one, filled[1]).index.get_level_values("system")


def test_nothing_won_leaves_nothing_to_keep(filled):
    runs = filled[0]
    none = analysis.keeps(runs.assign(id=runs["id"].where(runs["model"] != "dlinear", runs["id"].iloc[0])), filled[1])
    assert none["estimate"].notna().all()
    lost = runs.assign(id=runs["id"].where(runs["model"] != "mlp", runs["id"].iloc[0]))  # the teacher's own errors
    assert analysis.keeps(lost, filled[1]).xs("iTransformer", level="teacher")["estimate"].isna().all()


# --- one system against another


def compared(filled, ours: dict, theirs: dict, **changes) -> pd.DataFrame:
    runs, store = filled[0].assign(**changes), filled[1]
    chosen = [runs[(runs[list(keys)] == pd.Series(keys)).all(axis=1)] for keys in (ours, theirs)]
    return analysis.compare(*chosen, store)


PLAIN, TAUGHT = {"model": "mlp", "part": "plain"}, {"model": "mlp", "teacher": "itransformer"}


def test_students_are_compared_seed_by_seed(filled):
    table = compared(filled, TAUGHT, PLAIN)
    line = table.loc[("toy", 1)]
    ours, theirs = 1.5, (8.5 + 7) / 8  # seeds 1 and 2; seed 3 has no partner
    assert line["difference"] == pytest.approx(100 * (ours / theirs - 1))
    # seed 1: tie, win, win, loss; seed 2: loss, tie, win, win
    assert line["win rate"] == pytest.approx(100 * (2.5 + 2.5) / 8)
    assert line["improvement"] == 100  # 1.5 < 2.125 and 1.5 < 1.75
    assert (line["runs"], line["blocks"], line["lookback"]) == (2, 0.4, 9)
    assert np.isnan(line["low"])  # fewer than two blocks
    back = compared(filled, PLAIN, TAUGHT).loc[("toy", 1)]
    assert back["win rate"] == pytest.approx(100 - line["win rate"])
    assert back["improvement"] == 0


def test_a_student_is_compared_with_the_run_of_the_teacher_that_it_learned_from(filled):
    runs = filled[0]
    another = runs[runs["model"] == "moderntcn"].assign(model="itransformer", seed=2)
    teachers = pd.concat([runs[runs["model"] == "itransformer"], another])
    learned = runs[runs["teacher"] == "itransformer"]
    first = analysis.pairs(learned, teachers)
    assert list(first["theirs"]) == [teachers["id"].iloc[0]] * 3
    assert list(first["group"]) == [1, 1, 1]
    mixed = analysis.pairs(learned.assign(teacher_seed=[2, 1, 7]), teachers)
    assert list(mixed["theirs"]) == [teachers["id"].iloc[1], teachers["id"].iloc[0]]  # nobody stands in for teacher 7
    alone = analysis.pairs(learned.assign(teacher_seed=[2, 1, 7]), teachers[:1])
    assert list(alone["ours"]) == [learned["id"].iloc[1]]  # nor does the only one that is left
    other = analysis.pairs(learned.assign(teacher="moderntcn", teacher_seed=7), teachers[:1])
    assert len(other) == 3  # who learned from another model
    plain = analysis.pairs(runs[(runs["model"] == "mlp") & (runs["part"] == "plain")], teachers)
    assert list(plain["theirs"]) == [teachers["id"].iloc[1], teachers["id"].iloc[0]]  # by its own seed


def test_of_a_seed_there_is_one_run_to_be_compared_with(filled):
    runs = filled[0]
    learned, others = runs[runs["teacher"] == "itransformer"], runs[runs["seed"] == 1]
    with pytest.raises(ValueError, match=r"of a seed there may be one run to be compared with, got .*MLP"):
        analysis.pairs(learned, others)


def test_the_last_line_is_the_mean_over_settings_drawn_together(filled):
    runs, store = filled[0].assign(lookback=1), filled[1]
    ours, theirs = runs[runs["teacher"] == "itransformer"], runs[runs["model"] == "dlinear"]
    theirs = theirs.assign(id=runs["id"].iloc[0])  # the teacher's errors: 2 everywhere
    alone = analysis.compare(ours, theirs, store)
    assert list(alone.index) == [("toy", 1), ("all", "all")]
    for column in ("difference", "low", "high", "win rate", "win low", "win high", "improvement", "improvement low"):
        assert alone[column].iloc[0] == alone[column].iloc[1]
    both = [pd.concat([frame, frame.assign(horizon=3, lookback=1)]) for frame in (ours, theirs)]
    table = analysis.compare(*both, store)
    assert list(table.index) == [("toy", 1), ("toy", 3), ("all", "all")]
    assert table.loc[("all", "all"), "difference"] == pytest.approx(table["difference"].iloc[:2].mean())
    assert (table.loc[("all", "all"), "runs"], table.loc[("all", "all"), "blocks"]) == (6, 2)  # one segment
    # one segment, one time; runs are drawn apart in each setting (together the mean would be 7/8 as wide)
    assert np.isnan(table["low"].iloc[1])
    width = table["high"] - table["low"]
    assert width.iloc[2] == pytest.approx(0.75 * width.iloc[0])


def test_the_setting_that_moves_the_mean_most_is_named_and_left_out(filled):
    runs, store = filled[0].assign(lookback=1), filled[1]
    ours, theirs = runs[runs["teacher"] == "itransformer"], runs[runs["model"] == "dlinear"]
    level, far = runs["id"].iloc[0], runs.loc[runs["teacher"] == "moderntcn", "id"].iloc[0]
    own = pd.concat([ours, ours.assign(horizon=3), ours.assign(dataset="far", id=far)])
    theirs = theirs.assign(id=level)
    other = pd.concat([theirs, theirs.assign(horizon=3), theirs.assign(dataset="far")])
    table = analysis.compare(own, other, store)
    line, rest = table.loc[("all", "all")], analysis.compare(own[: -len(ours)], other[:-1], store).loc[("all", "all")]
    assert line["without"] == "far, 1"
    assert [line["rest"], line["rest low"], line["rest high"]] == list(rest[["difference", "low", "high"]])
    assert abs(table.loc[("far", 1), "difference"] - line["difference"]) > abs(line["rest"] - line["difference"]) > 0
    assert table["without"].iloc[:-1].isna().all()
    alone = analysis.compare(ours, theirs, store).loc[("all", "all")]
    assert alone["without"] == "" and np.isnan(alone["rest"])


def test_the_strongest_baseline_is_chosen_on_validation_by_setting(filled):
    runs = filled[0].assign(val_mse=1.0, test_mse=1.0)
    extra = runs[runs["model"] == "dlinear"].assign(model="ridge", system="Ridge", id="r", val_mse=0.5, test_mse=9.0)
    other = extra.assign(model="sparsetsf", system="SparseTSF")
    seeds = other.assign(seed=[1], val_mse=0.1), other.assign(seed=2, val_mse=2.0)
    elsewhere = runs[runs["model"] == "dlinear"].assign(horizon=7)
    best = analysis.strongest(pd.concat([runs, extra, *seeds, elsewhere]))
    assert best.set_index("horizon")["model"].to_dict() == {1: "ridge", 7: "dlinear"}  # means over seeds, not the best
    assert "mlp" not in set(analysis.strongest(runs.assign(val_mse=range(len(runs))))["model"])
    assert analysis.best(runs[:0]).empty


def test_the_best_system_is_chosen_on_validation():
    runs = pd.DataFrame(
        [("a", 0.5, 9.0), ("a", 0.7, 9.0), ("b", 0.5, 1.0), ("b", 0.8, 1.0)], columns=["system", "val_mse", "test_mse"]
    )
    chosen = analysis.best(runs.assign(dataset="toy", lookback=9, horizon=1))
    assert list(chosen["system"]) == ["a", "a"]  # though b is better on test


def test_every_distilled_student_is_compared_with_plain_teacher_and_the_baseline_of_validation(filled):
    runs, store = filled[0].assign(val_mse=1.0), filled[1]
    table = analysis.comparisons(runs, store)
    lines = table[table["dataset"] == "toy"].set_index(["system", "against"])
    opponents = {"plain": "MLP", "its teacher": "iTransformer", analysis.CHOSEN: "DLinear"}
    found = lines.loc["MLP from iTransformer", "opponent"].to_dict()
    assert found == opponents
    assert lines.loc[("MLP from ModernTCN", "its teacher"), "opponent"] == "ModernTCN"
    ours, theirs = runs[runs["teacher"] == "moderntcn"], runs[runs["model"] == "moderntcn"]
    line = analysis.compare(ours, theirs, store).loc[("toy", 1)]
    assert lines.loc[("MLP from ModernTCN", "its teacher"), "difference"] == line["difference"]
    assert lines.loc[("MLP from iTransformer", "plain"), "runs"] == 2
    decayed = runs[(runs["model"] == "mlp") & (runs["part"] == "plain")].assign(part="decayed", system="MLP, decay 1")
    beside = analysis.comparisons(pd.concat([runs, decayed]), store)
    beside = beside[beside["dataset"] == "toy"].set_index(["system", "against"]).loc["MLP from iTransformer"]
    assert beside["opponent"].to_dict() == opponents | {analysis.DECAYED: "MLP, decay 1"}
    assert beside.loc[analysis.DECAYED, "difference"] == beside.loc["plain", "difference"]
    some = analysis.comparisons(runs[runs["part"] != "teacher"], store)
    assert "its teacher" not in set(some["against"])
    apart = runs[(runs["teacher"] == "moderntcn") | (runs["part"] == "plain") & (runs["seed"] == 1)]  # seeds 2 and 1
    assert "plain" not in set(analysis.comparisons(apart, store)["against"])
    with pytest.raises(ValueError, match="no distilled MLP with another system beside it is in the store"):
        analysis.comparisons(runs[runs["part"] != "distilled"], store)


def test_beside_every_difference_stands_that_of_validation(filled):
    runs, store = filled[0], filled[1]
    val = runs["seed"].map({1: 1.0, 2: 3.0, 3: 100.0}) * (1 + (runs["part"] == "distilled"))
    table = analysis.comparisons(runs.assign(val_mse=val), store).set_index(["system", "against"])
    line = table.sort_index().loc[("MLP from iTransformer", "plain")]
    assert line["validation"].tolist() == [100, 100]  # seeds 1 and 2, (2 + 6) / (1 + 3); seed 3 has no partner
    assert (line["difference"] < 0).all()


def test_skill_is_what_a_system_saves_of_the_seasonal_naive_error(filled):
    runs, store = filled[0].assign(lookback=1), filled[1]
    named = {"model": "seasonal_naive", "system": "Seasonal naive"}
    runs = pd.concat([runs.iloc[1:], runs.iloc[:1].assign(part="plain", **named)])  # an error of 2 everywhere
    table = analysis.skill(runs, store)
    assert table.loc["DLinear", ["skill", "settings"]].tolist() == [100, 1]
    line = table.loc["MLP from iTransformer"]
    assert line["skill"] == pytest.approx(100 * (1 - (1.5 + 1.5 + 3) / 6))
    assert line["low"] <= line["skill"] <= line["high"]
    assert "Seasonal naive" not in table.index and table["skill"].is_monotonic_decreasing
    assert analysis.skill(runs.iloc[:-1], store).empty


def test_a_data_set_under_two_names_is_one_segment_with_one_fate(filled):
    runs, store = filled[0].assign(lookback=1, segment="toy"), filled[1]
    ours, theirs = runs[runs["teacher"] == "itransformer"].head(1), runs[runs["model"] == "dlinear"]  # time is drawn
    theirs = theirs.assign(id=runs["id"].iloc[0])
    alone = analysis.compare(ours, theirs, store).loc[("all", "all")]
    several = [pd.concat([frame.assign(dataset=f"toy from {name}") for name in "ABCDEFGH"]) for frame in (ours, theirs)]
    together = analysis.compare(*several, store).loc[("all", "all")]
    for column in ("difference", "low", "high", "blocks"):
        assert together[column] == alone[column]
    apart = analysis.compare(*(frame.drop(columns="segment") for frame in several), store).loc[("all", "all")]
    assert apart["high"] - apart["low"] < alone["high"] - alone["low"] and apart["blocks"] == 8 * alone["blocks"]


def test_a_student_is_compared_with_the_committee_whose_errors_its_own_row_holds(filled, tmp_path):
    runs, store = filled[0], Store(tmp_path / "copy")
    students = runs[(runs["teacher"] == "itransformer") & (runs["model"] == "mlp")]
    for id in students["id"]:
        store.copy(id, filled[1])
    with pytest.raises(rows.Missing, match="no pair of runs to compare is in the store"):
        analysis.against_committee(students, store)
    for id in students["id"].iloc[:1]:
        arrays = store.arrays(id)
        store.write(small.row(id), arrays | {"committee_errors": 2 * arrays["errors"]})
    line = analysis.against_committee(students, store).loc[("toy", 1)]
    assert line["difference"] == pytest.approx(-50)
    assert (line["runs"], line["win rate"]) == (1, 100)


def test_nothing_to_compare_is_said(filled):
    with pytest.raises(ValueError, match="no pair of runs to compare is in the store"):
        compared(filled, {"seed": 3, "teacher": "itransformer"}, PLAIN)


def test_settings_are_kept_apart(filled):
    runs, store = filled
    both = pd.concat([runs, runs.assign(horizon=2), runs[runs["model"] == "mlp"].assign(dataset="other")])
    for measure in (analysis.wins, analysis.keeps):
        table, alone = measure(both, store), measure(runs, store)
        assert set(table.index.droplevel([2, *range(3, table.index.nlevels)])) == {("toy", 1), ("toy", 2)}
        pd.testing.assert_frame_equal(table.xs(1, level="horizon"), alone.droplevel("horizon"))


@pytest.mark.parametrize("gone", ["teacher", "plain", "distilled"])
def test_what_is_not_there_is_left_out_and_said_where_nothing_remains(filled, gone):
    runs, store = filled
    some = runs[~((runs["part"] == gone) & (runs["teacher"].fillna(runs["model"]) != "moderntcn"))]
    runs = runs[runs["part"] != gone]
    if gone == "teacher":
        assert set(analysis.wins(some, store).index.get_level_values("teacher")) == {"ModernTCN"}
    if gone != "plain":
        assert set(analysis.keeps(some, store).index.get_level_values("teacher")) == {"ModernTCN"}
    with pytest.raises(
        ValueError, match="no teacher with a plain and a distilled MLP of the same seed is in the store"
    ):
        analysis.keeps(runs, store)
    if gone == "teacher":
        with pytest.raises(ValueError, match="no teacher with an MLP beside it is in the store; train what is missing"):
            analysis.wins(runs, store)


def test_scale_table_has_a_line_a_run_and_scale(filled):
    table = analysis.scale_table(filled[0])
    assert len(table) == len(ERRORS) * 2
    here = table[(table["system"] == "MLP") & (table["seed"] == 2)]
    assert here[["scale", "MSE"]].values.tolist() == [[0, 4.0], [1, 3.0]]
    assert set(table.columns) == {"setting", "system", "seed", "scale", "MSE"}
    assert table.index.is_unique
    both = pd.concat([filled[0].assign(variant=name) for name in ("full", "without")])
    assert (analysis.scale_table(both, "variant").groupby("variant")["scale"].max() == table["scale"].max()).all()


def test_the_setting_is_chosen_on_the_mean_over_seeds():
    grid = pd.DataFrame(
        [(0.1, 1.0, 5.0, 1.0), (0.1, 1.0, 7.0, 3.0), (1.0, 1.0, 4.0, 4.0), (1.0, 2.0, 9.0, 9.0)],
        columns=["alpha", "beta", "val_mse", "test_mse"],
    )
    chosen = analysis.chosen_on(grid)
    assert list(chosen.columns) == ["cell", "alpha", "beta", "val_mse", "test_mse"]
    assert list(chosen.index) == [0, 1, 2]
    chosen = chosen.set_index("cell")
    assert chosen.loc["chosen on validation"].tolist() == [1.0, 1.0, 4.0, 4.0]
    assert chosen.loc["chosen on test"].tolist() == [0.1, 1.0, 6.0, 2.0]
    assert chosen.loc["worst on test"].tolist() == [1.0, 2.0, 9.0, 9.0]


@pytest.mark.parametrize("kept, expected", [(4, (1, 0)), (1, (0, 0))])
def test_the_example_does_not_depend_on_any_forecast(kept, expected):
    assert analysis.example({"sample_y": np.zeros((kept, 8, 3))}) == expected


def test_a_kept_window_at_scales_is_halved_with_its_truth():
    arrays = small.arrays(horizon=8)
    parts = analysis.at_scales({"MLP": arrays}, 1, 0, scales=2)
    assert list(parts) == [0, 1, 2]
    assert [len(series["truth"]) for series in parts.values()] == [8, 4, 2]
    np.testing.assert_allclose(parts[0]["MLP"], arrays["sample_prediction"][1, :, 0])
    np.testing.assert_allclose(parts[2]["truth"], arrays["sample_y"][1, :, 0].reshape(2, 4).mean(1), rtol=1e-3)
