import pytest
import torch
from small import build, parameters


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        (3, [4, 5, 6, 4, 5, 6, 4]),  # two periods and a cut
        (6, [1, 2, 3, 4, 5, 6, 1]),  # the whole look-back
        (1, [6] * 7),  # the naive forecast
    ],
)
def test_seasonal_naive_repeats_the_last_period(period, expected):
    x = torch.arange(1.0, 7.0).reshape(1, 6, 1) * torch.tensor([1.0, -1.0])
    forecast = build("seasonal_naive", 6, 7, 2, period=period)(x)
    assert forecast.prediction[0].T.tolist() == [expected, [-value for value in expected]]
    assert torch.equal(forecast.features, forecast.prediction.mT)


def test_a_horizon_within_a_period_has_its_first_steps():
    forecast = build("seasonal_naive", 6, 2, 1, period=4)(torch.arange(1.0, 7.0).reshape(1, 6, 1))
    assert forecast.prediction.flatten().tolist() == [3, 4]


def test_it_has_no_weights_and_looks_no_further_back_than_it_may():
    assert parameters("seasonal_naive", 96) == 0
    with pytest.raises(ValueError, match=r"^seasonal_naive: period must be at most 20, the look-back; got 21$"):
        build("seasonal_naive", 20, 4, 1, period=21)
