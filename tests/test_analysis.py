"""Win rate and win keep on cases worked by hand; intervals that know that windows overlap."""

import numpy as np
import pandas as pd
import pytest
import small

from tdlib import analysis
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
    assert (low, high) == analysis.block_interval(analysis.win_rate, a, b, block=20)
    assert low < analysis.win_rate(a, b) < high


def test_blocks_widen_the_interval_of_errors_that_hang_together():
    random = np.random.default_rng(1)
    slow = np.repeat(random.random(40), 50)  # 2000 windows, 40 independent stretches
    teacher = np.full(2000, 0.5)
    narrow = np.subtract(*analysis.block_interval(analysis.win_rate, slow, teacher, block=1)[::-1])
    wide = np.subtract(*analysis.block_interval(analysis.win_rate, slow, teacher, block=100)[::-1])
    assert wide > 3 * narrow


def test_fewer_than_two_blocks_give_no_interval():
    assert np.isnan(analysis.block_interval(analysis.win_rate, [1.0] * 9, [2.0] * 9, block=5)).all()


@pytest.fixture
def filled(tmp_path):
    """Two seeds of plain and distilled students and one teacher, with errors chosen by hand."""
    store = Store(tmp_path)
    errors = {
        ("itransformer", None, 1): [2.0, 2.0, 2.0, 2.0],
        ("mlp", None, 1): [1.0, 3.0, 3.0, 3.0],
        ("mlp", None, 2): [1.0, 1.0, 3.0, 2.0],
        ("mlp", "itransformer", 1): [1.0, 1.0, 1.0, 3.0],
        ("mlp", "itransformer", 2): [3.0, 1.0, 1.0, 1.0],
    }
    lines = []
    for number, ((model, teacher, seed), values) in enumerate(errors.items()):
        store.write(small.row(f"{number:016x}"), small.arrays(values))
        lines.append({"id": f"{number:016x}", "dataset": "toy", "lookback": 1, "horizon": 1, "model": model,
                      "teacher": teacher, "seed": seed, "test_scale_mse": [4.0, 1.0]})  # fmt: skip
    return pd.DataFrame(lines), store


def test_wins_are_means_over_seeds_against_each_teacher(filled):
    table = analysis.wins(*filled)
    key = ("toy", 1, "iTransformer")
    assert table.loc[(*key, "MLP"), "estimate"] == pytest.approx((25 + 50) / 2)
    assert table.loc[(*key, "MLP"), "ties"] == pytest.approx(12.5)
    assert table.loc[(*key, "MLP from iTransformer"), "estimate"] == 75.0
    assert (table["low"] <= table["estimate"]).all()


def test_keeps_pair_the_seeds(filled):
    table = analysis.keeps(*filled)
    # seed 1: the MLP wins window 0, kept; seed 2: it wins 0 and 1, the distilled one keeps 1
    assert table.loc[("toy", 1, "iTransformer"), "estimate"] == pytest.approx((100 + 50) / 2)


def test_scale_table_has_a_line_a_run_and_scale(filled):
    table = analysis.scale_table(filled[0])
    assert len(table) == 5 * 2
    assert set(table["scale"]) == {0, 1}
    assert table[table["scale"] == 1]["MSE"].eq(1.0).all()


def test_the_telling_sample_is_where_distillation_gains_most():
    truth = np.zeros((2, 3, 2))
    plain, distilled = {"sample_y": truth}, {"sample_y": truth}
    plain["sample_prediction"] = np.ones((2, 3, 2))
    plain["sample_prediction"][1, :, 0] = 5.0
    distilled["sample_prediction"] = np.ones((2, 3, 2))
    assert analysis.telling_sample(plain, distilled) == (1, 0)
