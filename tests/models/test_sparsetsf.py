import numpy as np
import pytest
import torch
from by_hand import assert_same, weights
from small import build, parameters


def forward(model: torch.nn.Module, x: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Channel by channel and phase by phase."""
    w, period = weights(model), model.period
    kernel, matrix, half = w["smooth.weight"][0, 0], w["linear.weight"], period // 2
    features = np.zeros((len(x), x.shape[2], horizon))
    mean = x.mean(1)
    for b in range(len(x)):
        for c in range(x.shape[2]):
            z = x[b, :, c] - mean[b, c]
            padded = np.concatenate([np.zeros(half), z, np.zeros(half)])
            z = z + [kernel @ padded[t : t + len(kernel)] for t in range(len(z))]
            z = z[len(z) % period :]
            for step in range(horizon):
                features[b, c, step] = matrix[step // period] @ z[step % period :: period]
    return features.transpose(0, 2, 1) + mean[:, None], features


@pytest.mark.parametrize(
    ("lookback", "horizon", "period"), [(24, 12, 6), (26, 10, 6), (25, 3, 5), (8, 5, 8), (9, 4, 1)]
)
def test_it_is_a_convolution_and_one_map_for_all_phases(lookback, horizon, period):
    x = torch.randn(2, lookback, 3, generator=torch.Generator().manual_seed(0))
    assert_same(forward, build("sparsetsf", lookback, horizon, 3, period=period), x, horizon=horizon)


def test_it_has_the_number_of_parameters_that_it_states():
    assert parameters("sparsetsf", 96) == 145


def test_a_period_longer_than_the_look_back_is_refused():
    with pytest.raises(ValueError, match=r"^sparsetsf: period must be at most 20, the look-back; got 25$"):
        build("sparsetsf", 20, 4, 1, period=25)
