"""Win rate and win keep on cases worked by hand; intervals that know that windows overlap."""

import numpy as np
import pandas as pd
import pytest
import small

from tdlib import analysis, rows
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


def test_the_interval_is_seeded_and_holds_the_estimate():
    random = np.random.default_rng(0)
    a, b = random.random(2000), random.random(2000)
    low, high = analysis.block_interval(analysis.win_rate, a, b, block=20)
    assert (low, high) == analysis.block_interval(analysis.win_rate, a, b, block=20, seed=0)
    assert (low, high) != analysis.block_interval(analysis.win_rate, a, b, block=20, seed=1)
    assert low < analysis.win_rate(a, b) < high


def drawn(count: int, block: int, **options) -> tuple[list[np.ndarray], tuple[float, float]]:
    """What each draw of `block_interval` hands to the statistic, as places, and the interval of 0, 1, 2, ..."""
    draws = []

    def statistic(places, ten_times):
        np.testing.assert_array_equal(ten_times, 10 * places)  # the same windows of each
        draws.append(places.astype(int))
        return len(draws) - 1.0

    places = np.arange(count, dtype=float)
    return draws, analysis.block_interval(statistic, places, 10 * places, block=block, **options)


def test_a_draw_is_as_long_as_the_errors_and_made_of_whole_blocks():
    draws, _ = drawn(11, 4)
    assert len(draws) == 1000
    for places in draws:
        assert len(places) == 11
        for block in (places[:4], places[4:8], places[8:]):
            np.testing.assert_array_equal(np.diff(block), 1)


@pytest.mark.parametrize(("count", "block"), [(11, 4), (8, 4), (3, 1)])
def test_a_block_may_start_anywhere_from_the_first_window_to_the_last_whole_block(count, block):
    draws, _ = drawn(count, block)
    assert {int(places[0]) for places in draws} == set(range(count - block + 1))
    assert {int(place) for places in draws for place in places} == set(range(count))


def test_the_interval_leaves_out_the_same_share_at_both_ends():
    assert drawn(8, 4)[1] == pytest.approx((0.025 * 999, 0.975 * 999))
    assert drawn(8, 4, level=0.5, draws=5)[1] == (1.0, 3.0)


def test_draws_without_a_value_are_left_out_and_no_draw_is_no_interval():
    values = iter([np.nan, 1.0, 2.0, np.nan, 3.0])
    assert analysis.block_interval(lambda _: next(values), [1.0] * 4, block=1, draws=5, level=0) == (2.0, 2.0)
    assert np.isnan(analysis.block_interval(lambda _: np.nan, [1.0] * 4, block=1)).all()


def test_blocks_widen_the_interval_of_errors_that_hang_together():
    random = np.random.default_rng(1)
    slow = np.repeat(random.random(40), 50)  # 2000 windows, 40 independent stretches
    teacher = np.full(2000, 0.5)
    narrow = np.subtract(*analysis.block_interval(analysis.win_rate, slow, teacher, block=1)[::-1])
    wide = np.subtract(*analysis.block_interval(analysis.win_rate, slow, teacher, block=100)[::-1])
    assert wide > 3 * narrow


def test_fewer_than_two_blocks_give_no_interval():
    assert np.isnan(analysis.block_interval(analysis.win_rate, [1.0] * 9, [2.0] * 9, block=5)).all()
    assert analysis.block_interval(analysis.win_rate, [1.0] * 10, [2.0] * 10, block=5) == (100.0, 100.0)


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
        lines.append(line | {"model": model, "teacher": teacher, "seed": seed, "test_scale_mse": [4.0, 1.0 + number]})
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
    errors = [np.array(ERRORS["mlp", "moderntcn", 2]), np.array(ERRORS["moderntcn", None, 1])]
    line = analysis.wins(runs, store).loc[("toy", 1, "ModernTCN", "MLP from ModernTCN")]
    assert (line["low"], line["high"]) == analysis.block_interval(analysis.win_rate, *errors, block=2)


def test_keeps_pair_the_seeds_whatever_their_order(filled):
    table = analysis.keeps(*filled)
    assert table.index.names == ["dataset", "horizon", "teacher"]
    # seed 1: the MLP wins windows 0 and 3, 0 is kept; seed 2: it wins 0 and 1, 1 is kept; seed 3 has no plain MLP
    line = table.loc[("toy", 1, "iTransformer")]
    assert (line["estimate"], line["seeds"]) == (pytest.approx((50 + 50) / 2), 2)
    # seed 2 alone: the MLP wins windows 1 and 3, the distilled one wins 1
    line = table.loc[("toy", 1, "ModernTCN")]
    assert (line["estimate"], line["seeds"]) == (50, 1)
    errors = [np.array(ERRORS[key]) for key in (("mlp", None, 2), ("mlp", "moderntcn", 2), ("moderntcn", None, 1))]
    assert np.isnan(line["low"])
    line = analysis.keeps(filled[0].assign(lookback=1), filled[1]).loc[("toy", 1, "ModernTCN")]
    assert (line["low"], line["high"]) == analysis.block_interval(analysis.win_keep, *errors, block=2)
    assert analysis.keeps(filled[0].assign(lookback=2), filled[1])["low"].isna().all()


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


def test_the_telling_sample_is_where_distillation_gains_most():
    truth = np.zeros((2, 3, 2))
    plain, distilled = {"sample_y": truth}, {"sample_y": truth}
    plain["sample_prediction"] = np.ones((2, 3, 2))
    plain["sample_prediction"][1, :, 0] = 5.0
    distilled["sample_prediction"] = np.ones((2, 3, 2))
    assert analysis.telling_sample(plain, distilled) == (1, 0)
    plain["sample_prediction"][0, :, 1] = distilled["sample_prediction"][0, :, 1] = 9.0  # far off, and no gain
    assert analysis.telling_sample(plain, distilled) == (1, 0)
    distilled["sample_prediction"][:, 0, 1] = -400.0  # a loss, whose square leaves half precision
    halves = [{name: values.astype(np.float16) for name, values in one.items()} for one in (plain, distilled)]
    assert analysis.telling_sample(*halves) == (1, 0)
