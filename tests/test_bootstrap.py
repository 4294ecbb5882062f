"""The bootstrap: whole groups of runs, circular blocks of windows, the same fate for one test segment."""

import numpy as np
import pytest

from tdlib import bootstrap


def mean(means: np.ndarray) -> np.ndarray:
    return means.mean((-2, -1))


def test_the_estimate_is_the_statistic_of_all_windows_and_runs():
    quantities = np.arange(24.0).reshape(2, 3, 4)
    estimate, drawn = bootstrap.draws(
        quantities, [1, 2], lambda means: (means[..., 2] - means[..., 0]).max(-1), block=2, count=5
    )
    assert estimate == 9.5 - 1.5
    assert drawn.shape == (5,)


def test_a_statistic_may_be_several_numbers():
    estimate, drawn = bootstrap.draws(np.ones((1, 2, 6)), [1], lambda means: means.sum(-2), block=2, count=7)
    assert estimate.tolist() == [1, 1]
    assert drawn.shape == (7, 2)


def test_one_window_of_one_run_is_its_own_estimate():
    estimate, drawn = bootstrap.draws([[[3.0]]], ["a"], mean, block=1, count=4)
    assert (estimate, drawn.tolist()) == (3, [3, 3, 3, 3])


def test_draws_are_the_same_again_and_differ_between_segments():
    errors = np.random.default_rng(0).random((1, 1, 50))
    once, again = (bootstrap.draws(errors, [1], mean, block=5, segment="a")[1] for _ in range(2))
    other = bootstrap.draws(errors, [1], mean, block=5, segment="b")[1]
    assert (once == again).all()
    assert not (once == other).any()


@pytest.mark.parametrize(("count", "block"), [(10, 5), (11, 5), (9, 5), (5, 5), (3, 5), (7, 1)])
def test_a_draw_is_whole_blocks_that_start_anywhere_and_go_round(count, block):
    places = np.eye(count)[None]  # the mean of quantity n over a draw: how often window n is in it, over its size
    seen = set()

    def counted(means: np.ndarray) -> np.ndarray:
        for draw in means.reshape(-1, count) if means.ndim > 2 else ():  # not the estimate, of all windows
            look(np.rint(draw * size).astype(int))
        return np.zeros(means.shape[:-2])

    size = max(count - block, min(block, count))  # a block less than there are windows

    def look(often: np.ndarray) -> None:
        assert often.sum() == size
        rest = size - block * (-(-size // block) - 1) if size > block else size
        circular = [np.roll(np.arange(count) < min(block, count), start).astype(int) for start in range(count)]
        last = [np.roll(np.arange(count) < rest, start).astype(int) for start in range(count)]
        left = {tuple(often - end) for end in last}
        for _ in range(-(-size // block) - 1):
            left = {tuple(np.subtract(one, whole)) for one in left for whole in circular if min(one) >= 0}
        assert any(not any(one) for one in left)
        seen.update(np.flatnonzero(often))

    bootstrap.draws(places, [1], counted, block=block, count=60)
    assert seen == set(range(count))


def test_runs_of_a_group_are_drawn_within_it_and_groups_whole_one_less_of_each():
    levels = 10.0 ** np.arange(9)[:, None, None] * np.ones((9, 1, 8))
    found = set()

    def sums(means: np.ndarray) -> np.ndarray:
        found.update(map(tuple, np.rint(np.log10(means.reshape(-1, means.shape[-2])))))
        return means.sum((-2, -1))

    bootstrap.draws(levels, list("abcabcabc"), sums, block=2, count=2000)
    whole, found = {one for one in found if len(one) == 9}, {one for one in found if len(one) < 9}
    assert whole == {tuple(range(9))}  # the estimate itself
    words = {"".join("abc"[int(place) % 3] for place in one) for one in found}
    assert words == {"aabb", "bbaa", "aacc", "ccaa", "bbcc", "ccbb", "aaaa", "bbbb", "cccc"}  # two of three teachers
    assert len(found) > 600  # of the 9 x 3^4 that there are: any two students of each


def test_groups_of_different_size_bring_their_own_number_of_runs():
    levels = np.arange(1.0, 6)[:, None, None] * np.ones((5, 1, 4))
    sizes = set()

    def counted(means: np.ndarray) -> np.ndarray:
        sizes.add(means.shape[-2])
        return mean(means)

    _, drawn = bootstrap.draws(levels, [7, 7, 7, 8, 8], counted, block=2, count=100)
    assert sizes == {5, 2, 1}  # all; two of the first three; one of the last two
    assert set(drawn[drawn > 3]) == {4, 5}


def test_a_draw_varies_as_a_mean_of_so_many_does():
    levels = np.random.default_rng(0).normal(size=(3, 1, 1)) * np.ones((3, 1, 4))
    drawn = bootstrap.draws(levels, [1, 2, 3], mean, block=4, count=20_000)[1]
    assert drawn.var() == pytest.approx(levels[:, 0, 0].var(ddof=1) / 3, rel=0.03)


def test_a_statistic_of_one_draw_at_a_time_is_refused():
    with pytest.raises(ValueError, match="a value for each draw"):
        bootstrap.draws(np.ones((1, 1, 6)), [1], lambda means: means.mean(), block=2, count=7)


def test_settings_of_a_segment_share_their_draws_whatever_else_differs():
    wave = np.sin(np.arange(400) / 30)
    one = bootstrap.draws(wave[None, None], [1], mean, block=40, segment="a")[1]
    longer = bootstrap.draws(np.stack([wave[None]] * 3), [1, 2, 3], mean, block=40, segment="a")[1]
    np.testing.assert_allclose(one, longer, atol=1e-12)
    other = bootstrap.draws(wave[None, None], [1], mean, block=50, segment="a")[1]
    assert np.corrcoef(one, other)[0, 1] > 0.3
    apart = bootstrap.draws(wave[None, None], [1], mean, block=40, segment="b")[1]
    assert abs(np.corrcoef(one, apart)[0, 1]) < 0.2


def test_settings_of_a_segment_draw_their_runs_apart():
    """Errors that are level in time and differ between seeds: what is drawn of one setting says nothing of another."""
    seeds = np.arange(3.0)[:, None, None] * np.ones((3, 1, 40))
    one, other = (bootstrap.draws(seeds, [1, 2, 3], mean, block=4, segment="a", setting=name)[1] for name in "xy")
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1
    again = bootstrap.draws(seeds, [1, 2, 3], mean, block=4, segment="a", setting="x")[1]
    np.testing.assert_array_equal(one, again)


def test_draws_have_the_estimate_for_their_mean_also_where_groups_differ_in_size():
    levels = np.array([0.0, 0, 3])[:, None, None] * np.ones((3, 1, 4))
    estimate, drawn = bootstrap.draws(levels, [1, 1, 2], mean, block=4)
    assert drawn.mean() == pytest.approx(estimate, abs=0.05)


def test_a_mean_over_groups_counts_each_once_and_so_do_its_draws():
    value, low, high = bootstrap.of_groups([[1.0, 1, 1, 1], [2.0], [3.0, 3]])
    assert value == 2 and low == 1 and high == 3
    even = bootstrap.of_groups([[0.0, 2.0]] * 30)
    assert even[0] == 1 and 0.5 < even[1] < 1 < even[2] < 1.5
    assert bootstrap.of_groups([[4.0]]) == (4, 4, 4)


def test_blocks_widen_the_interval_of_errors_that_hang_together():
    slow = np.repeat(np.random.default_rng(0).random(20), 100)[None, None]
    widths = [np.ptp(bootstrap.interval(bootstrap.draws(slow, [1], mean, block=block)[1])) for block in (1, 100)]
    assert widths[1] > 3 * widths[0]


def test_seeds_that_differ_widen_the_interval_though_time_does_not():
    flat = np.ones((3, 1, 100)) * np.array([1.0, 2.0, 3.0])[:, None, None]
    low, high = bootstrap.interval(bootstrap.draws(flat, [1, 2, 3], mean, block=10)[1])
    assert (low, high) == (1, 3)  # one draw of 9 is the best seed twice: more than the 2.5% outside
    same = bootstrap.interval(bootstrap.draws(np.ones((3, 1, 100)), [1, 2, 3], mean, block=10)[1])
    assert same == pytest.approx((1.0, 1.0))


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    random, held = np.random.default_rng(1), 0
    for trial in range(200):
        low, high = bootstrap.interval(
            bootstrap.draws(random.normal(size=(1, 1, 400)), [1], mean, block=4, segment=str(trial), count=200)[1]
        )
        held += low < 0 < high
    assert 0.88 < held / 200 < 0.99


def test_the_interval_leaves_out_the_same_share_at_both_ends():
    assert bootstrap.interval(np.arange(201.0)) == pytest.approx((5, 195))
    assert np.isnan(bootstrap.interval(np.arange(201.0), blocks=1.9)).all()
    assert bootstrap.interval([np.nan, 1.0, np.inf]) == (1, 1)
    assert np.isnan(bootstrap.interval([np.nan])).all()


@pytest.mark.parametrize(
    ("quantities", "groups", "words"),
    [
        (np.ones((2, 3)), [1, 2], "runs, quantities and windows"),
        (np.ones((0, 1, 5)), [], "runs, quantities and windows"),
        (np.ones((2, 1, 5)), [1], "2 runs need as many groups, got 1"),
        (np.full((1, 1, 5), np.nan), [1], "finite"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(quantities, groups, words):
    with pytest.raises(ValueError, match=words):
        bootstrap.draws(quantities, groups, mean, block=2)


@pytest.mark.parametrize("changes", [{"block": 0}, {"count": 0}])
def test_no_block_and_no_draw_are_refused(changes):
    with pytest.raises(ValueError, match=r"^block and count must be at least 1, got "):
        bootstrap.draws(np.ones((1, 1, 5)), [1], mean, **({"block": 2} | changes))
