import pytest
import torch
from small import build, parameters, silence


@pytest.mark.parametrize(("horizon", "count"), [(96, 69_230), (720, 519_134)])
def test_it_has_the_number_of_parameters_that_it_states(horizon, count):
    assert parameters("rlinear", horizon) == count


def test_rlinear_is_exact_where_its_matrix_copies_the_last_period():
    model = build("rlinear", 12, 9, 2)
    silence(model.linear)
    with torch.no_grad():
        for step in range(9):
            model.linear.weight[step, 6 + step % 6] = 1
        model.affine.scale.copy_(torch.tensor([2.0, 0.5]))
        model.affine.shift.copy_(torch.tensor([1.0, -3.0]))
    period = torch.randn(6, 2)
    series = torch.cat([period, period, period, period[:3]]) * torch.tensor([10.0, 0.3]) + torch.tensor([100.0, -1.0])
    torch.testing.assert_close(model(series[None, :12]).prediction[0], series[12:], rtol=1e-5, atol=1e-5)
