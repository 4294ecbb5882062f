"""What a row keeps of the test windows is what numpy says, whatever the batch size, and they are read once."""

import functools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from tdlib import data, evaluate, models, run, schema, study
from tdlib.config import RunConfig
from tdlib.evaluate import Evaluation
from tdlib.store import Store
from tdlib.train import Supervised, fit, predict
from tdlib.windows import Windows, split


def linear(horizon: int = 16, channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return models.build("nlinear", lookback=48, horizon=horizon, channels=channels)


def direct(model: nn.Module, windows: Windows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, truth, forecast) of all windows at once, [N, ...], double precision."""
    x, y = windows.batch(torch.arange(len(windows)))
    with torch.no_grad():
        forecast = model.eval()(x).prediction
    return tuple(part.double().numpy() for part in (x, y, forecast))


def distribution(values: np.ndarray) -> np.ndarray:
    """Period distributions [N, C, H // 2] of [N, H, C], by hand."""
    amplitude = np.abs(np.fft.rfft(values, axis=1))[:, 1:].transpose(0, 2, 1) / 0.5
    weights = np.exp(amplitude - amplitude.max(2, keepdims=True))
    return weights / weights.sum(2, keepdims=True)


def with_batches_of(monkeypatch, size: int) -> None:
    monkeypatch.setattr(evaluate, "predict", functools.partial(predict, batch_size=size))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_no_figure_depends_on_the_batch_size(size, splits, student, monkeypatch):
    assert len(splits.test) % 7  # the last batch is a smaller one
    result = evaluate.evaluate(student, splits.test)
    with_batches_of(monkeypatch, size)
    again = evaluate.evaluate(student, splits.test)
    for name in ("mse", "mae", "scale_mse", "period_kl"):
        assert getattr(again, name) == pytest.approx(getattr(result, name), rel=1e-5)
    assert list(again.arrays) == list(result.arrays)
    for name, value in result.arrays.items():
        np.testing.assert_allclose(again.arrays[name], value, rtol=1e-3, atol=1e-5, err_msg=name)


def test_an_evaluation_is_what_numpy_says(splits, student, monkeypatch):
    with_batches_of(monkeypatch, 10)
    model, windows = student, splits.test
    x, y, forecast = direct(model, windows)
    result = evaluate.evaluate(model, windows, samples=5)
    squares = np.square(forecast - y)
    assert isinstance(result, Evaluation)
    assert result.mse == pytest.approx(squares.mean(), rel=1e-5)
    assert result.mae == pytest.approx(np.abs(forecast - y).mean(), rel=1e-5)
    scales = [np.square((forecast - y).reshape(len(y), -1, 2**m, 3).mean(2)).mean() for m in range(4)]
    assert result.scale_mse == pytest.approx(scales, rel=1e-5)
    p, q = distribution(forecast), distribution(y)
    assert result.period_kl == pytest.approx((q * np.log(q / p)).sum(2).mean(), rel=1e-4)
    arrays = result.arrays
    np.testing.assert_allclose(arrays["errors"], squares.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(arrays["channel_mse"], squares.mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(arrays["step_mse"], squares.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(arrays["periods"], p.mean(0), rtol=1e-4)
    np.testing.assert_allclose(arrays["periods_true"], q.mean(0), rtol=1e-4)
    own, true = (np.array([np.corrcoef(each.T) for each in values]) for values in (forecast, y))
    for name, value in (("correlation", own), ("correlation_true", true)):
        assert arrays[name].dtype == np.float16
        np.testing.assert_allclose(arrays[name], value.mean(0), atol=1e-3)
    pairs = np.triu_indices(3, 1)
    apart = np.square(own - true)[:, pairs[0], pairs[1]].mean(1)
    np.testing.assert_allclose(arrays["correlation_errors"], apart, rtol=1e-3, atol=1e-4)
    chosen = arrays["sample_index"]
    assert chosen[0] == 0
    assert chosen[-1] == len(windows) - 1
    assert len(chosen) == 5
    assert np.ptp(np.diff(chosen)) <= 1
    for name, value in (("sample_x", x[:, -32:]), ("sample_y", y), ("sample_prediction", forecast)):
        assert arrays[name].dtype == np.float16
        np.testing.assert_allclose(arrays[name], value[chosen], rtol=1e-3, atol=1e-4)


def test_an_odd_horizon_is_halved_as_pooling_does():
    windows = split(data.synthetic(rows=300, channels=2), 48, 7).test
    model = linear(horizon=7, channels=2)
    _, y, forecast = direct(model, windows)
    difference = forecast - y
    half = (difference[:, 0:6:2] + difference[:, 1:6:2]) / 2
    quarter = (half[:, :1] + half[:, 1:2]) / 2
    expected = [np.square(part).mean() for part in (difference, half, quarter)]
    assert evaluate.evaluate(model, windows).scale_mse == pytest.approx(expected, rel=1e-5)


def test_a_horizon_of_one_step_has_an_error_and_no_period():
    splits = split(data.synthetic(rows=300, channels=3), 48, 1)
    model = linear(horizon=1)
    fit(model, Supervised(), splits, learning_rate=0.01, batch_size=32, epochs=1, patience=5)
    _, y, forecast = direct(model, splits.test)
    result = evaluate.evaluate(model, splits.test)
    assert result.scale_mse == pytest.approx([np.square(forecast - y).mean()], rel=1e-5)
    assert result.period_kl == 0
    assert result.arrays["periods"].shape == (3, 0)
    assert result.arrays["errors"].shape == (len(splits.test),)


def test_one_channel_correlates_with_itself_alone():
    windows = split(data.synthetic(rows=300, channels=1), 48, 16).test
    arrays = evaluate.evaluate(linear(channels=1), windows).arrays
    assert arrays["correlation"].shape == arrays["correlation_true"].shape == (1, 1)
    assert (arrays["correlation_errors"] == 0).all()


def test_fewer_windows_than_samples_are_all_kept_once():
    windows = Windows(torch.randn(3, 48 + 16 + 1), 48, 16)
    arrays = evaluate.evaluate(linear(), windows).arrays
    assert arrays["sample_index"].tolist() == [0, 1]
    assert arrays["sample_y"].shape == (2, 16, 3)


def test_every_figure_of_an_evaluation_is_one_of_the_row(tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class More(Evaluation):
        bias: float = 0.25

    rows = []
    monkeypatch.setattr(run, "evaluate", lambda model, windows: More(**vars(evaluate.evaluate(model, windows))))
    monkeypatch.setattr(Store, "write", lambda self, row, arrays: rows.append(row))
    run.train_run(RunConfig("synthetic", 48, 16, "naive"), Store(tmp_path))
    assert list(rows[0]["metrics"]) == [*schema.Metrics.__struct_fields__, "test_bias"]
    assert rows[0]["metrics"]["test_bias"] == 0.25


def test_the_test_windows_are_read_once_and_only_after_training(tmp_path, monkeypatch):
    made, reads, plain = [], [], Windows.batch

    def spied_split(*arguments):
        made.append(split(*arguments))
        return made[-1]

    def batch(self, index):
        reads.append((self, index))
        return plain(self, index)

    monkeypatch.setattr(run, "split", spied_split)
    monkeypatch.setattr(Windows, "batch", batch)
    config = study.RunConfig("synthetic", 48, 16, "mlp", epochs=2, settings={"width": 8})
    run.train_run(config, Store(tmp_path))
    (splits,) = made
    segments = [next(name for name in ("train", "val", "test") if getattr(splits, name) is who) for who, _ in reads]
    first = segments.index("test")
    assert set(segments[:first]) == {"train", "val"}
    assert set(segments[first:]) == {"test"}
    assert torch.equal(torch.cat([index for _, index in reads[first:]]), torch.arange(len(splits.test)))
