"""Device and precision change a run's time and its rounding: no tensor stays behind, and bfloat16 learns as well."""

import math
import os

import pytest
import small
import torch

from tdlib import channels, data, models, rivals
from tdlib.compute import Compute
from tdlib.distill import TERMS, Distillation
from tdlib.models import Forecast
from tdlib.teachers import LiveTeacher
from tdlib.train import Supervised, fit, train_epoch
from tdlib.windows import split

SHAPE = {"lookback": 48, "horizon": 16, "channels": 3}
ON_META = [name for name in small.TRAINED if name != "timesnet"]  # it picks periods by their values
MIXED = Compute(device="cpu", precision="bfloat16")


@pytest.fixture(scope="module")
def splits():
    return split(data.synthetic(rows=500, channels=3), 48, 16)


def build(name: str, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return models.build(name, **SHAPE, **small.settings(name))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"threads": 0}, "threads must be a whole number of at least 1, got 0"),
        ({"threads": True}, "threads must be a whole number of at least 1, got True"),
        ({"threads": 1.5}, "threads must be a whole number"),
        ({"device": "gpu"}, "device knows auto, cpu, cuda; got 'gpu'"),
        ({"precision": "half"}, "precision knows auto, float32, bfloat16; got 'half'"),
    ],
)
def test_values_that_do_not_exist_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        Compute(**values)


def test_more_threads_than_cores_are_refused_where_they_would_run():
    words = "threads must be at most [0-9]+, this machine's cores; got 100000"
    with pytest.raises(ValueError, match=words), Compute(100_000).limit_threads():
        pass


def test_on_a_cpu_everything_is_float32_unless_asked():
    assert not Compute(device="cpu").mixed
    assert MIXED.mixed
    assert Compute(threads=2, device="cpu").describe() == {"threads": 2, "device": "cpu", "precision": "float32"}
    assert MIXED.describe()["precision"] == "bfloat16"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused():
    assert Compute().place == torch.device("cpu")
    with pytest.raises(ValueError, match="torch sees no GPU here"):
        Compute(device="cuda").place  # noqa: B018


def test_the_threads_are_set_for_a_while_and_given_back(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(os, "cpu_count", lambda: before + 1)
    with Compute(threads=before + 1).limit_threads():
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_no_run_rounds_its_convolutions_to_tf32():
    assert torch.backends.cudnn.allow_tf32  # torch's default
    with Compute().limit_threads():
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32


# A tensor that a model or a loss makes on the CPU would not meet those on a GPU. Device "meta" knows the
# difference without a GPU: it computes shapes only, and refuses to mix.


@pytest.mark.parametrize("name", ON_META)
def test_a_model_makes_no_tensor_on_another_device(name):
    with torch.device("meta"):
        model = models.build(name, **SHAPE, **small.settings(name))
    forecast = model(torch.empty(5, 48, 3, device="meta", requires_grad=True))
    sum(part.square().sum() for part in forecast).backward()
    assert forecast.prediction.device.type == forecast.features.device.type == "meta"


def test_an_objective_makes_no_tensor_on_another_device():
    with torch.device("meta"):
        model = models.build("mlp", **SHAPE, width=32)
        terms = (*TERMS, *rivals.TERMS, *channels.TERMS)
        teacher = LiveTeacher(models.build("nlinear", **SHAPE), [])
        objective = Distillation(teacher, 16, 32, alpha=1.0, beta=1.0, terms=terms)
    y, teacher_f = torch.empty(5, 16, 3, device="meta"), torch.empty(5, 3, 16, device="meta")
    parts = objective._parts(*model(torch.empty(5, 48, 3, device="meta")), y, objective.projector(teacher_f), y)
    sum(parts.values()).backward()
    assert {part.device.type for part in parts.values()} == {"meta"}


@pytest.mark.parametrize("name", [name for name in models.names() if not models.closed_form(name)])
def test_every_model_trains_in_mixed_precision_almost_as_in_full(name, splits):
    errors = []
    for compute in (Compute(device="cpu"), MIXED):
        model = build(name)
        torch.manual_seed(1)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        parts = train_epoch(model, Supervised(), splits.train, optimizer, 32, compute)
        errors.append(parts["supervised"])
        assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert all(map(math.isfinite, errors))
    assert errors[0] != errors[1]  # bfloat16 was used
    assert errors[1] == pytest.approx(errors[0], rel=0.03)


def test_a_distilled_student_learns_in_mixed_precision_what_it_learns_in_full(splits):
    ends = []
    teacher = build("itransformer", seed=2).eval()
    forecasts = teacher(splits.train.batch(torch.arange(len(splits.train)))[0])

    class Known:
        def batch(self, index: torch.Tensor) -> Forecast:
            return Forecast(*(part.detach()[index] for part in forecasts))

    for compute in (Compute(device="cpu"), MIXED):
        student = build("mlp")
        objective = Distillation(Known(), teacher.feature_width, student.feature_width, alpha=1.0, beta=1.0)
        torch.manual_seed(1)
        history = fit(
            student, objective, splits, learning_rate=1e-2, batch_size=32, epochs=3, patience=3, compute=compute
        )
        ends.append(history[-1])
    for name, value in ends[0].items():
        assert ends[1][name] == pytest.approx(value, rel=0.05), name
    assert ends[0] != ends[1]
