import torch
from small import build, parameters


def test_naive_repeats_the_last_value_and_has_no_weights():
    x = torch.arange(24.0).reshape(1, 6, 4)
    forecast = build("naive", 6, 3, 4)(x)
    assert forecast.prediction.tolist() == [[[20.0, 21.0, 22.0, 23.0]] * 3]
    assert torch.equal(forecast.features, forecast.prediction.mT)
    assert parameters("naive", 96) == 0
