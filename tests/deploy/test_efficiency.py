"""Measuring: what counts as warm, as memory and as size; and how page 10 sets it beside errors."""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tdlib import profiles, rows
from tdlib.config import RunConfig
from tdlib.deploy import efficiency

CHANNELS = 3


@pytest.fixture(scope="module")
def student():
    return profiles.Profile("smoke").efficiency()[0]


@pytest.mark.parametrize("name", profiles.names())
def test_the_runs_of_the_page_are_runs_of_other_pages(name):
    profile = profiles.Profile(name)
    runs = profile.efficiency()
    assert set(runs) <= set(profile.runs("main", "versatility"))
    assert {run.model for run in runs if run.teacher is None} >= {"mlp", "dlinear", "nlinear", *profile.teachers}
    assert [run.model for run in runs if run.teacher] == ["mlp"]


def test_the_first_call_is_never_counted():
    calls = []

    def forward(x):
        calls.append(len(x))
        time.sleep(0.2 if len(calls) == 1 else 0.001)

    times = efficiency.latency(forward, torch.zeros(4, 1, 1), seconds=0.3)
    assert set(calls) == {4}
    assert 1 <= len(times) < len(calls)
    assert max(times) < 200
    assert len(efficiency.latency(lambda x: time.sleep(0.02), torch.zeros(1, 1, 1), seconds=0.001)) == 1


def test_a_measurement_names_its_batches_and_what_it_rests_on():
    table = efficiency.measure(efficiency.in_torch(torch.nn.Identity()), 8, 2, [1, 4], seconds=0.01)
    assert list(table.index) == [1, 4]
    assert (table["median ms"] <= table["95th ms"]).all()
    np.testing.assert_allclose(table["windows/s"], 1000 * np.array([1, 4]) / table["median ms"])
    assert (table["calls"] >= 1).all()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of resident memory")
def test_memory_is_what_a_call_takes_at_its_peak_and_again_each_time():
    def forward(x):
        one_after_the_other = (torch.ones(len(x) * 2**20).sum() for _ in range(2))  # each 4 MiB a window
        return sum(one_after_the_other)

    for _ in range(2):
        assert efficiency.peak_memory(forward, torch.zeros(16, 1, 1)) == pytest.approx(64, abs=8)


def test_every_form_of_the_student_forecasts_the_same_and_has_its_size(student):
    torch.manual_seed(0)
    found = efficiency.forms(student, CHANNELS)
    assert tuple(found) == efficiency.FORMS
    torch.manual_seed(0)
    model = efficiency.build(student, CHANNELS)
    plain = efficiency.in_torch(model)
    assert plain.parameters == sum(weight.numel() for weight in model.parameters())
    x = torch.randn(5, student.lookback, CHANNELS)
    expected = plain.forward(x).prediction
    torch.testing.assert_close(found["MLP, fused"].forward(x), expected, atol=1e-5, rtol=0)
    for name, tolerance in (("MLP, ONNX", 1e-5), ("MLP, ONNX int8", 0.1)):
        made = torch.from_numpy(found[name].forward(x)[0]).float()
        torch.testing.assert_close(made, expected, atol=tolerance, rtol=0)
    sizes = [served.size for served in found.values()]
    assert sizes[2] < sizes[1]
    assert sizes[0] > 4 * found["MLP, fused"].parameters


def test_without_onnx_the_fused_form_is_left_and_a_sentence_says_so(student, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert tuple(efficiency.forms(student, CHANNELS)) == ("MLP, fused",)
    assert "this needs onnx, which is not installed: pip install" in capsys.readouterr().out


def test_latency_is_set_beside_the_error_of_the_same_network():
    models = {"model": ["mlp", "mlp", "itransformer"], "teacher": [None, "itransformer", None]}
    figures = {"test_mse": [0.5, 0.4, 0.45], "parameters": [10, 10, 30]}
    runs = rows.with_systems(pd.DataFrame(models | figures).assign(dataset="toy", horizon=1, seed=1))
    times = pd.Series({"MLP": 2.0, "MLP, fused": 1.0, "MLP, ONNX int8": 0.5, "iTransformer": 6.0})
    table = efficiency.against_error(runs, times)
    own = {"MLP": 2, "MLP from iTransformer": 2, "iTransformer": 6}
    assert table["ms"].to_dict() == own | {"MLP from iTransformer, fused": 1}
    assert table["part"].tolist() == ["plain", "distilled", "teacher", "distilled"]
    assert efficiency.against_error(runs[:1], times)["ms"].to_dict() == {"MLP": 2}  # no distilled student, no forms
    assert table.loc["MLP from iTransformer, fused", "test_mse"] == 0.4
    ratios = efficiency.against_mlp(times, pd.Series({"MLP": 10, "iTransformer": 30}))
    assert ratios.loc["iTransformer"].tolist() == [3, 3]


def test_weights_are_counted_without_being_made():
    config = RunConfig("ECL", 720, 96, "mlp", settings={"width": 512})
    assert efficiency.weights(config, 321) == efficiency.in_torch(efficiency.build(config, 321)).parameters
