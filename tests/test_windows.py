"""Splits, scaling and windows: the published counts, no copies, and nothing learned from rows after training."""

import re

import numpy as np
import pytest
import torch

from tdlib import data, windows
from tdlib.data import Series
from tdlib.windows import Windows


def series_of(values, name: str = "own") -> Series:
    values = np.asarray(values, np.float32)
    return Series(values, None, tuple(f"channel {c}" for c in range(values.shape[1])), name, "0" * 64)


def noise(rows: int, channels: int = 3, seed: int = 0, name: str = "own") -> Series:
    random = np.random.default_rng(seed)
    return series_of(random.normal(5, 3, (rows, channels)), name)


COUNTS = {  # spec/protocol.md, look-back 720: rows, then train/val/test windows at 96, 192, 336, 720
    ("ETTh1", "ETTh2"): (17420, "7825/2785/2785 7729/2689/2689 7585/2545/2545 7201/2161/2161"),
    ("ETTm1", "ETTm2"): (69680, "33745/11425/11425 33649/11329/11329 33505/11185/11185 33121/10801/10801"),
    ("Weather",): (52696, "36072/5175/10444 35976/5079/10348 35832/4935/10204 35448/4551/9820"),
    ("ECL",): (26304, "17597/2537/5165 17501/2441/5069 17357/2297/4925 16973/1913/4541"),
    ("Traffic",): (17544, "11465/1661/3413 11369/1565/3317 11225/1421/3173 10841/1037/2789"),
    ("Solar",): (52560, "35977/5161/10417 35881/5065/10321 35737/4921/10177 35353/4537/9793"),
}


@pytest.mark.parametrize(
    ("name", "rows", "horizon", "counts"),
    [
        (name, rows, horizon, counts)
        for names, (rows, table) in COUNTS.items()
        for name in names
        for horizon, counts in zip((96, 192, 336, 720), table.split(), strict=True)
    ],
)
def test_the_number_of_windows_is_the_published_one(name, rows, horizon, counts):
    splits = windows.split(series_of(np.zeros((rows, 2)), name), 720, horizon)
    assert "/".join(str(len(part)) for part in splits[:3]) == counts


def test_ett_keeps_its_months_at_its_published_length_only():
    assert windows.borders("ETTh1", 17420) == (8640, 11520, 14400)
    assert windows.borders("ETTm2", 69680) == (34560, 46080, 57600)
    assert windows.borders("ETTh1", 1000) == windows.borders("own", 1000) == (700, 800, 1000)
    assert windows.borders("own", 17420) == (12194, 13936, 17420)


@pytest.mark.parametrize("rows", [203, 250, 999, 1001])
@pytest.mark.parametrize(("lookback", "horizon"), [(1, 1), (10, 3), (24, 12)])
def test_no_window_is_dropped(rows, lookback, horizon):
    splits = windows.split(noise(rows), lookback, horizon)
    train_end, val_end, test_end = windows.borders("own", rows)
    assert test_end == rows
    assert len(splits.train) == train_end - lookback - horizon + 1
    assert len(splits.val) == val_end - train_end - horizon + 1
    assert len(splits.test) == rows - val_end - horizon + 1


def test_a_split_is_a_view_of_one_tensor_of_the_size_of_the_series():
    splits = windows.split(noise(500), 48, 24)
    storages = [part._all.untyped_storage() for part in splits[:3]]
    assert {storage.data_ptr() for storage in storages} == {storages[0].data_ptr()}
    assert storages[0].nbytes() == 500 * 3 * 4  # float32, each value once
    assert splits.train._all.shape == (len(splits.train), 3, 72)


def test_windows_are_views_and_a_batch_is_not():
    values = torch.zeros(1, 10)
    view = Windows(values, 3, 2)
    assert view._all.data_ptr() == values.data_ptr()
    before, _ = view.batch(torch.tensor([0]))
    values[0, 1] = 7.0
    after, _ = view.batch(torch.tensor([0]))
    assert before.flatten().tolist() == [0.0, 0.0, 0.0]
    assert after.flatten().tolist() == [0.0, 7.0, 0.0]


def test_a_batch_is_the_slices_of_the_scaled_series_in_the_order_of_its_index():
    lookback, horizon = 12, 5
    series = noise(300)
    splits = windows.split(series, lookback, horizon)
    train = series.values[:210].astype(float)
    scaled = (series.values - train.mean(0)) / np.sqrt(((train - train.mean(0)) ** 2).mean(0))
    for part, first in ((splits.train, 0), (splits.val, 210 - lookback), (splits.test, 240 - lookback)):
        index = [len(part) - 1, 0, 3, 3]
        x, y = part.batch(torch.tensor(index))
        assert x.shape == (4, lookback, 3)
        assert y.shape == (4, horizon, 3)
        assert x.dtype == y.dtype == torch.float32
        for k, i in enumerate(index):
            start = first + i
            np.testing.assert_allclose(x[k], scaled[start : start + lookback], atol=1e-5)
            np.testing.assert_allclose(y[k], scaled[start + lookback : start + lookback + horizon], atol=1e-5)


def test_the_first_and_last_targets_are_the_segments_own_first_and_last_rows():
    rows, lookback, horizon = 200, 30, 4
    splits = windows.split(series_of(np.arange(rows)[:, None]), lookback, horizon)  # each value is its row
    borders = (0, *windows.borders("own", rows))
    for part, first, end in zip(splits[:3], borders, borders[1:], strict=False):
        _, y = part.batch(torch.tensor([0, len(part) - 1]))
        row = (y[..., 0].numpy() * splits.deviation + splits.mean).round().astype(int)
        assert row[0, 0] == (first if first else lookback)  # training has no rows before its own
        assert row[1, -1] == end - 1


@pytest.mark.parametrize("rows", [300, 301])
def test_a_half_of_training_is_forecast_from_what_comes_before_and_the_other_half_is_not_seen(rows):
    splits = windows.split(series_of(np.arange(rows)[:, None]), 12, 5)  # each value is its row
    train = int(0.7 * rows)

    def seen(part: Windows, first: int = 0) -> set[int]:
        values = torch.cat(part.batch(torch.arange(len(part))), 1)[:, first:, 0].numpy()
        return set((values * splits.deviation + splits.mean).round().astype(int).ravel())

    first, after = windows.halved(splits, "first")
    assert seen(first.train) == set(range(train // 2))
    assert seen(after, first=12) == set(range(train // 2, train))
    second, before = windows.halved(splits, "second")
    assert seen(second.train) == set(range(train // 2, train))
    assert seen(before, first=12) == set(range(12, train // 2))
    assert second[1:] == first[1:] == splits[1:]


def test_a_half_that_holds_no_window_is_refused():
    assert len(windows.halved(windows.split(noise(100), 25, 10), "first")[0].train) == 1  # of 70 training rows
    with pytest.raises(ValueError, match=r"^half of 70 training rows holds no window of 26 \+ 10 steps$"):
        windows.halved(windows.split(noise(100), 26, 10), "second")


def test_scaling_gives_the_training_rows_mean_zero_and_deviation_one():
    series = series_of(np.random.default_rng(1).normal([0, 1e3, -50], [1e-3, 1, 20], (1000, 3)))
    splits = windows.split(series, 1, 1)
    assert splits.mean == pytest.approx(series.values[:700].mean(0, dtype=float), rel=1e-5)
    assert splits.deviation == pytest.approx(series.values[:700].std(0, dtype=float), rel=1e-5)
    x, y = splits.train.batch(torch.arange(len(splits.train)))
    seen = torch.cat([x[:, 0], y[-1]])  # each of the 700 training rows once
    assert seen.shape == (700, 3)
    assert seen.mean(0).abs().max() < 1e-4
    assert seen.std(0, correction=0).numpy() == pytest.approx(np.ones(3), abs=1e-4)


def test_rows_after_training_change_nothing_before_them():
    series = noise(400)
    train_end, val_end, _ = windows.borders("own", 400)

    def everything(part):
        return torch.cat(part.batch(torch.arange(len(part))), dim=1)

    plain = windows.split(series, 24, 8)
    for first_changed, untouched in ((train_end, ["train"]), (val_end, ["train", "val"])):
        values = series.values.copy()
        values[first_changed:] = values[first_changed:] * 100 + 1e4
        changed = windows.split(series_of(values), 24, 8)
        assert np.array_equal(changed.mean, plain.mean)
        assert np.array_equal(changed.deviation, plain.deviation)
        for part in untouched:
            assert torch.equal(everything(getattr(changed, part)), everything(getattr(plain, part)))
        assert not torch.equal(everything(changed.test), everything(plain.test))


@pytest.mark.parametrize("value", [0.0, 0.1, -9999.0, 1 / 3, 1e-20, 3e20])
def test_a_channel_constant_in_training_stays_finite_and_keeps_its_unit(value):
    values = noise(1003).values.copy()
    values[:, 1] = value
    values[-1, 1] = value + 2
    splits = windows.split(series_of(values), 10, 5)
    assert splits.deviation[1] == 1
    x, _ = splits.train.batch(torch.arange(len(splits.train)))
    assert (x[..., 1] == 0).all()
    _, y = splits.test.batch(torch.tensor([len(splits.test) - 1]))
    assert y[0, -1, 1] == np.float32(value + 2) - np.float32(value)


def test_a_series_far_from_zero_keeps_its_digits():
    values = np.random.default_rng(0).normal(0, 1, (1000, 2))
    near, far = (windows.split(Series(v, None, ("a", "b"), "own", "0" * 64), 10, 5) for v in (values, values + 1e9))
    torch.testing.assert_close(far.train.values, near.train.values, atol=1e-5, rtol=0)  # in float32 1e9 moves by 64
    assert far.mean - 1e9 == pytest.approx(near.mean, abs=1e-5)


@pytest.mark.parametrize("value", [5.0, 0.1, 1e9 + 0.1])
def test_a_constant_channel_is_known_as_one_whatever_its_digits(value):
    values = np.random.default_rng(0).normal(0, 1, (1000, 2))
    values[:, 1] = value
    splits = windows.split(Series(values, None, ("a", "b"), "own", "0" * 64), 10, 5)
    assert splits.constant.tolist() == [False, True]
    assert (splits.mean[1], splits.deviation[1]) == (value, 1)


def test_splitting_leaves_the_series_alone():
    series = noise(300)
    before = series.values.copy()
    splits = windows.split(series, 12, 5)
    splits.train._all[0] = 99.0
    assert np.array_equal(series.values, before)


@pytest.mark.parametrize(("lookback", "horizon"), [(0, 5), (5, 0), (-1, 5), (0, 0)])
def test_a_lookback_and_horizon_below_one_are_refused(lookback, horizon):
    with pytest.raises(ValueError, match=rf"must be at least 1, got {lookback} and {horizon}"):
        windows.split(noise(300), lookback, horizon)


PAIRS = [(1, 1), (1, 2), (3, 2), (5, 7), (24, 8), (48, 24), (96, 24), (200, 1), (336, 96), (720, 96), (720, 720)]


@pytest.mark.parametrize(("lookback", "horizon"), PAIRS)
def test_a_series_that_is_too_short_is_told_how_many_rows_it_needs(lookback, horizon):
    with pytest.raises(ValueError) as caught:
        windows.split(noise(2), lookback, horizon)
    words = str(caught.value)
    assert words.startswith(f"own has 2 rows, too few for look-back {lookback} and horizon {horizon}: ")
    needed = int(re.search(r"takes (\d+) rows$", words).group(1))
    splits = windows.split(noise(needed), lookback, horizon)
    assert min(len(part) for part in splits[:3]) == 1
    with pytest.raises(ValueError, match=rf"own has {needed - 1} rows, .* takes {needed} rows"):
        windows.split(noise(needed - 1), lookback, horizon)


@pytest.mark.parametrize(("lookback", "horizon"), PAIRS)
def test_more_rows_than_the_named_number_are_enough_too(lookback, horizon):
    with pytest.raises(ValueError) as caught:
        windows.split(noise(2), lookback, horizon)
    needed = int(re.search(r"takes (\d+) rows$", str(caught.value)).group(1))
    for rows in range(needed, needed + 20):
        assert len(windows.split(noise(rows, 1), lookback, horizon).val) >= 1


def test_one_window_may_fill_the_training_months_of_ett_and_no_more():
    series = series_of(np.zeros((17420, 1)), "ETTh1")
    assert len(windows.split(series, 8640 - 96, 96).train) == 1
    with pytest.raises(ValueError, match="ETTh1 has 17420 rows, too few for look-back 8545 and horizon 96"):
        windows.split(series, 8640 - 96 + 1, 96)


@pytest.mark.parametrize(("lookback", "horizon"), [(10**9, 1), (1, 10**18), (10**20, 10**20)])
def test_a_lookback_and_horizon_that_no_series_has_are_refused_at_once(lookback, horizon):
    with pytest.raises(ValueError, match=rf"at most 1,000,000 steps, got {lookback} and {horizon}$"):
        windows.split(noise(300), lookback, horizon)


@pytest.mark.parametrize(
    ("lookback", "horizon", "needed"), [(10**6, 10**6, 9_999_991), (10**6, 1, 1_428_573), (1, 10**6, 9_999_991)]
)
def test_the_rows_that_a_long_window_needs_are_counted_and_not_searched(lookback, horizon, needed):
    with pytest.raises(ValueError, match=rf"takes {needed} rows$"):  # a search from 300 on would take minutes
        windows.split(noise(300), lookback, horizon)


@pytest.mark.parametrize(("rows", "count"), [(400, 33), (333, 14), (320, 1)])
def test_the_last_windows_of_all_rows_are_whole_however_long_they_look_back(rows, count):
    splits = windows.whole(noise(rows), 272, 48)
    assert len(splits.train) == rows - 319
    assert len(splits.val) == count
    assert splits.val.batch(torch.tensor([len(splits.val) - 1]))[1][0, -1].equal(splits.train.values[:, -1])


def test_all_rows_must_hold_a_window():
    words = r"^own has 319 rows, too few for look-back 272 and horizon 48: a window takes 320 rows$"
    with pytest.raises(ValueError, match=words):
        windows.whole(noise(319), 272, 48)


@pytest.mark.parametrize("shape", [(48.0, 16), ("48", 16), (48, None)])
def test_steps_that_are_no_whole_numbers_are_refused(shape):
    with pytest.raises(
        ValueError, match="^look-back and horizon must be whole numbers, got {!r} and {!r}$".format(*shape)
    ):
        windows.split(data.synthetic(rows=400, channels=3), *shape)


def test_a_channel_whose_squares_are_lost_counts_as_constant():
    faint = np.sin(np.arange(300.0))[:, None] * [1.0, 1e-170]
    splits = windows.split(Series(faint, None, ("loud", "faint"), "own", "0" * 64), 24, 8)
    assert splits.constant.tolist() == [False, True]
    assert splits.deviation[1] == 1
    assert splits.train.values.isfinite().all()


def test_an_unknown_half_is_refused():
    with pytest.raises(ValueError, match=r"^half knows first, second; got 'third'$"):
        windows.halved(windows.split(noise(500), 24, 8), "third")
