import numpy as np
import torch
from small import build


def test_nlinear_is_one_matrix_on_the_distance_from_the_last_value():
    random = np.random.default_rng(0)
    x, weight, bias = random.normal(size=(2, 6, 3)), random.normal(size=(4, 6)), random.normal(size=4)
    change = np.einsum("hl,blc->bhc", weight, x - x[:, -1:]) + bias[None, :, None]
    model = build("nlinear", 6, 4, 3).double()
    model.load_state_dict({"linear.weight": torch.from_numpy(weight), "linear.bias": torch.from_numpy(bias)})
    forecast = model(torch.from_numpy(x))
    np.testing.assert_allclose(forecast.prediction.detach(), change + x[:, -1:], rtol=1e-12)
    np.testing.assert_allclose(forecast.features.detach(), change.transpose(0, 2, 1), rtol=1e-12)
