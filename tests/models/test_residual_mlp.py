import pytest
import torch
from small import build, parameters, series, silence


@pytest.mark.parametrize(("horizon", "count"), [(96, 905_962), (720, 1_995_466)])
def test_it_has_the_number_of_parameters_that_it_states(horizon, count):
    assert parameters("residual_mlp", horizon) == count
    assert parameters("residual_mlp", horizon) == parameters("mlp", horizon) + 720 * horizon


def test_without_its_map_it_is_the_mlp_and_without_the_mlp_a_linear_map_around_the_mean():
    model, x = build("residual_mlp").eval(), series(4, 48, 3)
    linear = model.map.weight.detach().clone()
    silence(model.map)
    torch.testing.assert_close(model(x), model.mlp(x), rtol=0, atol=0)
    with torch.no_grad():
        model.map.weight.copy_(linear)
    silence(model.mlp.seasonal_out, model.mlp.trend_out)
    mean = x.mean(1, keepdim=True)
    by_hand = torch.einsum("hl,blc->bhc", linear, x - mean) + mean
    torch.testing.assert_close(model(x).prediction, by_hand)
