"""What chance does, on cases worked by hand and on noise where the answer is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
import small

from tdlib import chance, rows
from tdlib.store import Store

N, BLOCK = 640, 64


@pytest.fixture
def study(tmp_path):
    """Rows of MLPs, plain and distilled, of two seeds; their errors are waves of blocks and noise."""
    store, lines, random = Store(tmp_path / "store"), [], np.random.default_rng(0)
    waves = random.normal(size=(N // 32)).repeat(32)  # what neighbouring windows share
    for place, (teacher, seed) in enumerate(itertools.product((None, "itransformer"), (1, 2))):
        errors = 5 - 0.5 * bool(teacher) + waves * (0.2 if seed == 1 else -0.2) + 0.01 * random.normal(size=N)
        id = f"{place:016x}"
        store.write(small.row(id), small.arrays(errors))
        lines.append({"id": id, "model": "mlp", "teacher": teacher, "seed": seed, "dataset": "synthetic"})
    return rows.with_systems(pd.DataFrame(lines).assign(lookback=48, horizon=16)), store


def test_a_null_is_a_pair_of_seeds_and_windows_taken_as_independent_cry_wolf(study):
    found = chance.nulls(*study)
    assert found["system"].tolist() == ["MLP", "MLP from iTransformer"]
    errors = [study[1].arrays(f"{place:016x}")["errors"] for place in (0, 1)]
    assert found["difference"][0] == pytest.approx(100 * (errors[1].mean() / errors[0].mean() - 1))
    assert found["win rate"][0] == pytest.approx(100 * (errors[1] < errors[0]).mean())
    assert found["windows"].all()  # 640 windows, but twenty waves: the mean of these is not zero
    assert not found["blocks"].any()


def test_a_system_of_one_seed_is_no_null(study):
    with pytest.raises(rows.Missing, match="no system with two seeds"):
        chance.nulls(study[0][study[0]["seed"] == 1], study[1])


def test_widths_tell_seeds_from_blocks(study):
    table = chance.widths(study[0], "MLP from iTransformer", "MLP", study[1]).set_index("seeds")
    assert table.index.tolist() == [1, 2]
    assert table.loc[1, "seeds alone"] == pytest.approx(0, abs=1e-9)  # one pair, the whole segment: nothing to draw
    assert table.loc[1, "blocks alone"] == table.loc[1, "both"] > 0
    assert table.loc[2, "both"] > table.loc[2, "blocks alone"]
    with pytest.raises(rows.Missing, match="no seed of both MLP and FITS"):
        chance.widths(study[0], "MLP", "FITS", study[1])


def test_the_best_of_k_looks_agrees_with_every_draw_counted():
    validation, test = [3.0, 1.0, 2.0, 4.0], [0.4, 0.1, 0.3, 0.2]
    for chosen in (validation, test):
        for k in range(1, 5):
            picks = [min(draw, key=chosen.__getitem__) for draw in itertools.combinations(range(4), k)]
            assert chance.best_of(chosen, test)[k - 1] == pytest.approx(np.mean([test[pick] for pick in picks]))


def test_one_look_is_the_mean_and_all_looks_are_the_best():
    looks = chance.best_of([3.0, 1.0, 2.0], [3.0, 1.0, 2.0])
    assert looks[0] == pytest.approx(2)
    assert looks[-1] == 1
    assert (np.diff(looks) < 0).all()


@pytest.mark.parametrize(("chosen", "judged"), [([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])])
def test_variants_that_do_not_fit_are_refused(chosen, judged):
    with pytest.raises(ValueError, match="one number per variant"):
        chance.best_of(chosen, judged)


def test_a_segment_of_fewer_than_two_blocks_has_no_interval_of_blocks(tmp_path):
    store, random = Store(tmp_path), np.random.default_rng(0)
    for number in range(4):
        store.write(small.row(f"{number:016x}"), small.arrays(1 + random.random(100)))
    runs = pd.DataFrame({"id": store.ids(), "system": list("aabb"), "seed": [1, 2, 1, 2], "setting": "toy"})
    short, long = (runs.assign(lookback=block - 1, horizon=1) for block in (60, 50))
    assert chance.nulls(short, store)["blocks"].isna().all()
    assert chance.nulls(long, store)["blocks"].isin([0, 1]).all()
    assert chance.nulls(short, store)["windows"].isin([0, 1]).all()
    found = chance.widths(short, "a", "b", store)
    assert found[["blocks alone", "both"]].isna().all(axis=None) and (found["seeds alone"] >= 0).all()


def test_intervals_of_much_evidence_hold_the_truth_as_often_as_they_say_and_those_of_little_do_not():
    assert 88 <= chance.coverage(1, 12, blocks=40) <= 99
    assert chance.coverage(1, 1) < chance.coverage(1, 3) < 85
