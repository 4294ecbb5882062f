import numpy as np
import torch
from small import build, parameters


def test_it_has_the_number_of_parameters_that_it_states():
    assert parameters("dlinear", 96) == 138_432


def test_dlinear_is_two_matrices_on_the_trend_and_on_the_rest():
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 6, 3))
    seasonal, trend, b_seasonal, b_trend = (random.normal(size=shape) for shape in ((4, 6), (4, 6), 4, 4))
    padded = np.concatenate([x[:, :1], x, x[:, -1:]], axis=1)
    average = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    expected = np.einsum("hl,blc->bhc", seasonal, x - average) + np.einsum("hl,blc->bhc", trend, average)
    expected += (b_seasonal + b_trend)[None, :, None]
    model = build("dlinear", 6, 4, 3, average=3).double()
    values = {"seasonal.weight": seasonal, "seasonal.bias": b_seasonal, "trend.weight": trend, "trend.bias": b_trend}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})
    forecast = model(torch.from_numpy(x))
    np.testing.assert_allclose(forecast.prediction.detach(), expected, rtol=1e-12)
    np.testing.assert_allclose(forecast.features.detach(), expected.transpose(0, 2, 1), rtol=1e-12)
