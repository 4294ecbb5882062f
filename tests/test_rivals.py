"""Other distillations: each part against a value worked by hand, and weights that follow the better teacher."""

import math

import pytest
import torch
from torch import nn

from tdlib import data, models, rivals
from tdlib.config import RunConfig
from tdlib.distill import Distillation
from tdlib.models import Forecast
from tdlib.study import ensure
from tdlib.teachers import SeveralTeachers
from tdlib.windows import split


class Fixed:
    """A teacher whose forecasts are known: `value` everywhere."""

    def __init__(self, value: float):
        self.value = value

    def batch(self, index):
        return Forecast(torch.full((len(index), 8, 2), self.value), torch.zeros(len(index), 2, 4))


def test_contrastive_is_the_cross_entropy_of_picking_ones_own_teacher():
    student = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])  # two windows, one channel
    same = rivals.contrastive(student, student, temperature=1.0)
    assert same.item() == pytest.approx(math.log(1 + math.exp(-1)))  # own product 1, the other's 0
    swapped = rivals.contrastive(student, student.flip(0), temperature=1.0)
    assert swapped.item() == pytest.approx(math.log(1 + math.exp(1)))


def test_contrastive_of_a_single_window_is_zero():
    assert rivals.contrastive(torch.randn(1, 3, 4), torch.randn(1, 3, 4)).item() == 0


def test_the_discriminator_starts_at_two_coins_and_its_gradients_pull_two_ways():
    torch.manual_seed(0)
    judge = rivals.Discriminator(4)
    for weight in judge.parameters():
        nn.init.zeros_(weight)
    student = torch.randn(2, 3, 4)
    assert judge(student, torch.randn(2, 3, 4)).item() == pytest.approx(2 * math.log(2))

    judge = rivals.Discriminator(4)
    student = student.requires_grad_()
    teacher = torch.randn(2, 3, 4, requires_grad=True)
    loss = judge(student, teacher)
    (reversed_,) = torch.autograd.grad(loss, student, retain_graph=True)
    plain = torch.nn.functional.softplus(judge.judge(student)).mean()
    (straight,) = torch.autograd.grad(plain, student)
    torch.testing.assert_close(reversed_, -straight)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


def test_alignment_tells_a_helpful_from_a_harmful_loss():
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    goal = (model.weight * 1 - 3).square().sum()
    towards, away = (model.weight - 2).square().sum(), (model.weight + 2).square().sum()
    torch.testing.assert_close(rivals.alignment(model, goal, [towards, away]), torch.tensor([1.0, -1.0]))


def test_a_weight_that_does_not_learn_has_no_part_in_the_alignment():
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight), model.bias.requires_grad_(False)
    goal, towards = (model.weight * 1 - 3).square().sum(), (model.weight - 2).square().sum()
    torch.testing.assert_close(rivals.alignment(model, goal, [towards]), torch.tensor([1.0]))


def test_several_teachers_are_the_weighted_mean_of_their_forecasts():
    several = SeveralTeachers({"a": Fixed(1.0), "b": Fixed(3.0)}, "mean")
    assert several.batch(torch.arange(5)).prediction.unique().tolist() == [2.0]
    several.weights = torch.tensor([0.25, 0.75])
    assert several.batch(torch.arange(5)).prediction.unique().tolist() == [2.5]


def test_adaptive_weights_go_to_the_teacher_who_is_right():
    torch.manual_seed(0)
    splits = split(data.synthetic(rows=400, channels=2), 16, 8)

    class Truth(Fixed):
        def batch(self, index):
            return Forecast(splits.train.batch(index)[1], torch.zeros(len(index), 2, 4))

    student = models.build("nlinear", lookback=16, horizon=8, channels=2)
    several = SeveralTeachers({"wrong": Fixed(9.0), "right": Truth(0.0)}, "adaptive")
    objective = Distillation(several, 0, 8, alpha=1.0, beta=0.0, terms=("scale_forecast",), scales=0)
    before = [weight.clone() for weight in student.parameters()]
    log = [objective.after_epoch(student, splits) for _ in range(3)]
    assert log[0]["weight_right"] < log[2]["weight_right"]
    assert log[2]["weight_right"] > 0.6
    assert sum(log[2].values()) == pytest.approx(1)
    assert all(torch.equal(a, b) for a, b in zip(before, student.parameters(), strict=True))


BASE = {
    "dataset": "synthetic",
    "lookback": 48,
    "horizon": 16,
    "model": "mlp",
    "epochs": 2,
    "settings": {"width": 16},
    "teacher": "itransformer",
    "alpha": 1.0,
}
SMALL = {"epochs": 1, "settings": {"width": 16, "hidden": 16, "heads": 2}}


def test_every_rival_trains_in_the_same_loop(tmp_path):
    other = {"moderntcn": {"epochs": 1, "settings": {"dim": 4, "large_kernel": 5}}}
    forecasts = {"terms": ("supervised", "scale_forecast"), "scales": 0}
    runs = [
        RunConfig(**BASE, teacher_options=SMALL, **forecasts),
        RunConfig(**BASE, teacher_options=SMALL, terms=("supervised", "scale_feature"), scales=0),
        RunConfig(**BASE, teacher_options=SMALL, terms=("supervised", "scale_forecast", *rivals.TERMS), scales=0),
        RunConfig(**BASE, teacher_options=SMALL, co_teachers=other, weighting="adaptive", beta=0.0, **forecasts),
        RunConfig(**BASE, teacher_options=SMALL, co_teachers=other, beta=0.0, **forecasts),
    ]
    table = ensure(runs, store=tmp_path)
    assert table["test_mse"].nunique() == len(runs)
    assert len(list((tmp_path / "runs").glob("*.json"))) == len(runs) + 2  # and both teachers


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"co_teachers": {"moderntcn": {}}}, "beta must be 0"),
        ({"co_teachers": {"itransformer": {}}, "beta": 0.0}, "the teacher, again"),
        ({"co_teachers": {"giant": {}}, "beta": 0.0}, "unknown model 'giant'"),
        ({"co_teachers": {"moderntcn": {"alpha": 1}}, "beta": 0.0}, "teacher_options knows seed"),
        ({"teacher": None, "alpha": 0.0, "co_teachers": {"moderntcn": {}}}, "need a teacher"),
        ({"weighting": "loudest"}, "weighting knows mean, least squares, half"),
    ],
)
def test_teachers_that_do_not_go_together_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        RunConfig(**(BASE | changes))


def test_co_teachers_are_part_of_a_runs_name():
    one = RunConfig(**BASE, beta=0.0)
    two = RunConfig(**BASE, beta=0.0, co_teachers={"moderntcn": {}})
    three = RunConfig(**BASE, beta=0.0, co_teachers={"moderntcn": {"seed": 7}})
    assert len({one.id, two.id, three.id}) == 3
    assert RunConfig.from_dict(three.to_dict()).id == three.id
    assert set(three.teacher_configs) == {"itransformer", "moderntcn"}
