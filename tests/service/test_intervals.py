"""Conformal bands: their ranks by hand, their coverage on exchangeable errors, levels that cannot be had."""

import numpy as np
import pytest

from tdlib.service import intervals


def test_the_half_width_is_the_ranked_error_of_each_step_and_channel():
    residuals = np.array([3.0, -1, 2, -4])[:, None, None] * np.array([[[1.0, 10]]])  # [4, 1, 2]
    found = intervals.half_widths(residuals, (80, 60, 20))  # ranks ceil(5 level): 4, 3, 1
    np.testing.assert_array_equal(found[80], [[4, 40]])
    np.testing.assert_array_equal(found[60], [[3, 30]])
    np.testing.assert_array_equal(found[20], [[1, 10]])


def test_a_level_that_too_few_windows_can_show_is_infinite():
    found = intervals.half_widths(np.ones((10, 2, 1)), (80, 95))
    assert np.isfinite(found[80]).all()
    assert np.isinf(found[95]).all()  # rank 11 of 10


def test_on_exchangeable_errors_the_coverage_is_the_level():
    random = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        residuals = random.standard_t(3, (300, 2, 2))
        width = intervals.half_widths(residuals[:200], (80,))[80]
        shares.append(intervals.coverage(residuals[200:], width, np.zeros(2, bool)))
    assert np.mean(shares, axis=0) == pytest.approx([0.8, 0.8], abs=0.01)


def test_a_channel_that_stands_still_holds_no_band():
    residuals = np.stack([np.arange(10.0)[:, None], np.zeros((10, 1))], 2)  # within 4.5: half; within 0: all
    widths = np.array([[4.5, 0.0]])
    assert intervals.coverage(residuals, widths, np.array([False, True])) == [0.5]
    assert intervals.coverage(residuals, widths, np.array([False, False])) == [0.75]
    assert intervals.coverage(residuals[..., 1:], widths[:, 1:], np.array([True])) == [1.0]  # the only one


@pytest.mark.parametrize("level", [0, 100, -5, "80", float("nan")])
def test_a_level_is_a_percentage(level):
    with pytest.raises(ValueError, match="a level is a percentage between 0 and 100"):
        intervals.half_widths(np.ones((10, 1, 1)), (level,))


def test_what_bands_hold_is_said_and_what_cannot_be_had():
    shares, widths = {80: 0.815, 95: 1.0}, {80: np.ones((2, 1)), 95: np.full((2, 1), np.inf)}
    said = intervals.held(shares, widths)
    assert said == "82% (of 80%) of the test values; for 95% validation has too few windows"
    assert intervals.held({95: 1.0}, widths) == "nothing; for 95% validation has too few windows"
