"""The objective is its five formulas, each part can be left out, and nothing but student and projector learns."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from tdlib import channels, data, losses, models, rivals, run
from tdlib.distill import TERMS, Distillation, Projector
from tdlib.models import Forecast
from tdlib.models.itransformer import ITransformer
from tdlib.run import prepare_teacher, train_run
from tdlib.store import Store
from tdlib.study import RunConfig, ensure
from tdlib.teachers import LiveTeacher, SeveralTeachers, StoredTeacher, store_outputs
from tdlib.train import Mixture, Supervised, fit, train_epoch

SHAPE = {"lookback": 48, "horizon": 16, "channels": 3}
OPTIONS = {"scales": 2, "downsample": "max", "temperature": 0.3, "reduction": "kl"}
TRAINING = {"learning_rate": 1e-2, "batch_size": 32, "epochs": 2, "patience": 5}


@pytest.fixture
def batch(splits, student):
    """(the student's forecast, truth, index) of some training windows."""
    index = torch.tensor([7, 0, 200, 33, 34])
    x, y = splits.train.batch(index)
    return student(x), y, index


def objective(teacher, *, alpha=0.7, beta=1.3, **options) -> Distillation:
    torch.manual_seed(3)
    return Distillation(teacher, 16, 8, alpha=alpha, beta=beta, **(OPTIONS | options))


def expected(forecast, y, taught, projector) -> dict[str, torch.Tensor]:
    """The five parts straight from the losses, as method.md writes them."""
    scale = {"scales": 2, "downsample": "max"}
    period = {"temperature": 0.3, "reduction": "kl"}
    projected = projector(taught.features)
    return {
        "supervised": F.mse_loss(forecast.prediction, y),
        "scale_forecast": losses.multi_scale(forecast.prediction, taught.prediction, dim=1, **scale),
        "period_forecast": losses.multi_period(forecast.prediction, taught.prediction, dim=1, **period),
        "scale_feature": losses.multi_scale(forecast.features, projected, dim=2, **scale),
        "period_feature": losses.multi_period(forecast.features, projected, dim=2, **period),
    }


# --- the objective


def test_all_five_parts_together_are_the_published_loss(stored, batch):
    whole = objective(stored)
    parts = whole(*batch)
    assert tuple(parts) == TERMS
    direct = expected(batch[0], batch[1], stored.batch(batch[2]), whole.projector)
    for term in TERMS:
        torch.testing.assert_close(parts[term], direct[term], rtol=0, atol=0)
    assert len({round(part.item(), 6) for part in parts.values()}) == 5  # no two could be mixed up
    total = sum(whole.weights[term] * part for term, part in parts.items())
    forecasts = direct["scale_forecast"] + direct["period_forecast"]
    features = direct["scale_feature"] + direct["period_feature"]
    torch.testing.assert_close(total, direct["supervised"] + 0.7 * forecasts + 1.3 * features)


@pytest.mark.parametrize("term", TERMS)
def test_each_part_alone_equals_its_formula_and_the_others_are_dropped(term, stored, batch):
    alone = objective(stored, terms=(term,))
    parts = alone(*batch)
    projector = alone.projector if term.endswith("feature") else Projector(16, 8)
    direct = expected(batch[0], batch[1], stored.batch(batch[2]), projector)
    assert set(parts) == set(alone.weights) == {term}
    torch.testing.assert_close(parts[term], direct[term], rtol=0, atol=0)


@pytest.mark.parametrize("left_out", TERMS)
def test_a_part_that_is_switched_off_is_dropped_and_leaves_the_others_alone(left_out, stored, batch):
    rest = tuple(term for term in TERMS if term != left_out)
    parts, whole = objective(stored, terms=rest)(*batch), objective(stored)(*batch)
    assert tuple(parts) == rest
    assert all(torch.equal(parts[term], whole[term]) for term in rest)


def test_a_weight_of_zero_drops_its_parts(stored, batch):
    assert tuple(objective(stored, alpha=0.0)(*batch)) == ("supervised", "scale_feature", "period_feature")
    without = objective(stored, beta=0.0)
    assert tuple(without(*batch)) == ("supervised", "scale_forecast", "period_forecast")
    assert not list(without.parameters())  # and with the features, the projector
    assert tuple(objective(stored, alpha=0.0, beta=0.0)(*batch)) == ("supervised",)


def test_alpha_weighs_the_forecasts_and_beta_the_features(stored):
    weights = objective(stored, alpha=0.25, beta=4.0).weights
    assert [weights[term] for term in TERMS] == [1.0, 0.25, 0.25, 4.0, 4.0]


@pytest.mark.parametrize("terms", [("scale_forecast",), ("scale_feature",), ("period_forecast", "period_feature")])
def test_a_run_whose_every_part_weighs_nothing_is_refused(terms):
    with pytest.raises(ValueError, match=r"terms|alpha|beta"):
        RunConfig("synthetic", 48, 16, "mlp", "itransformer", terms=terms, alpha=0.0, beta=0.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alpha": -2.0}, "alpha must be finite and not negative, got -2.0"),
        ({"beta": math.nan}, "beta must be finite and not negative, got nan"),
        ({"terms": ("scale_forecast",), "alpha": 0.0}, "no part of the loss has a weight: see terms, alpha and beta"),
        ({"terms": ("supervised", "foo")}, "terms knows supervised, scale_forecast"),
        ({"teacher": None}, "neither the truth nor several teachers have features: beta must be 0"),
        ({"teacher": "several"}, "neither the truth nor several teachers have features: beta must be 0"),
    ],
)
def test_an_objective_that_makes_no_loss_is_refused(changes, words, stored):
    several = SeveralTeachers({"a": stored, "b": stored}, "mean")
    teacher = {"several": several, None: None}.get(changes.get("teacher", stored), stored)
    with pytest.raises(ValueError, match=f"^{words}"):
        objective(teacher, **{name: value for name, value in changes.items() if name != "teacher"})


def test_weights_may_be_whole_numbers(stored, splits, student):
    fit(student, objective(stored, alpha=2, beta=0, terms=("scale_forecast",)), splits, **(TRAINING | {"epochs": 1}))


def test_the_defaults_are_the_published_ones(stored, batch):
    plain = Distillation(stored, 16, 8, alpha=1.0, beta=1.0)
    parts, taught = plain(*batch), stored.batch(batch[2])
    assert tuple(parts) == TERMS
    student_y, projected = batch[0].prediction, plain.projector(taught.features)
    torch.testing.assert_close(parts["scale_forecast"], losses.multi_scale(student_y, taught.prediction, dim=1))
    torch.testing.assert_close(parts["period_feature"], losses.multi_period(batch[0].features, projected, dim=2))


def test_with_the_truth_as_pattern_the_truth_takes_the_teachers_place(batch):
    truth = Distillation(None, 0, 8, alpha=0.7, beta=0.0, **OPTIONS)
    parts = truth(*batch)
    forecast, y, _ = batch
    assert tuple(parts) == ("supervised", "scale_forecast", "period_forecast")
    scale = losses.multi_scale(forecast.prediction, y, dim=1, scales=2, downsample="max")
    period = losses.multi_period(forecast.prediction, y, dim=1, temperature=0.3, reduction="kl")
    assert torch.equal(parts["scale_forecast"], scale)
    assert torch.equal(parts["period_forecast"], period)
    assert not list(truth.parameters())


# --- gradients


def test_the_projector_brings_the_teachers_width_to_the_students():
    projector = Projector(16, 8)
    f = torch.randn(5, 3, 16)
    first, relu, last = projector
    assert isinstance(relu, torch.nn.ReLU)
    assert projector(f).shape == (5, 3, 8)
    torch.testing.assert_close(projector(f), last(first(f).clamp(min=0)))


def test_the_student_and_the_projector_get_gradients_from_the_feature_parts(stored, batch, student):
    features = objective(stored, terms=("scale_feature", "period_feature"))
    sum(features(*batch).values()).backward()
    assert all(weight.grad.abs().sum() > 0 for weight in features.projector.parameters())
    assert student.seasonal_in.weight.grad.abs().sum() > 0
    assert student.seasonal_out.weight.grad is None  # the head is behind the features


def test_the_teacher_has_no_part_in_the_training(teacher, splits, student):
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    live = objective(LiveTeacher(teacher, splits.train))
    projector = [weight.clone() for weight in live.projector.parameters()]
    own = {id(weight) for weight in live.parameters()}
    assert own == {id(weight) for weight in live.projector.parameters()}
    fit(student, live, splits, **TRAINING)
    assert all(weight.grad is None for weight in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not teacher.training
    assert not any(torch.equal(a, b) for a, b in zip(projector, live.projector.parameters(), strict=True))


def test_a_run_of_distillation_never_runs_the_teacher(tmp_path, monkeypatch):
    def refuse(self, x):
        raise AssertionError("the teacher was run")

    small = {"epochs": 1, "settings": {"width": 16, "hidden": 16, "heads": 2}}
    given = {"teacher_options": small, "epochs": 2, "settings": {"width": 8}}
    config, store = RunConfig("synthetic", 48, 16, "mlp", "itransformer", **given), Store(tmp_path)
    prepare_teacher(config.teacher_config, store)
    monkeypatch.setattr(ITransformer, "forward", refuse)
    train_run(config, store)
    assert set(TERMS) <= set(store.read(config.id)["epochs"][-1])


def test_the_parts_of_another_method_are_of_the_student_first_and_then_of_the_projected_teacher(stored, batch):
    whole = objective(stored, terms=rivals.TERMS)
    parts, projected = whole(*batch), whole.projector(stored.batch(batch[2]).features)
    direct = {"adversarial_feature": whole.discriminator, "contrastive_feature": rivals.contrastive}
    assert set(parts) == set(direct)
    for term, loss in direct.items():
        torch.testing.assert_close(parts[term], loss(batch[0].features, projected), rtol=0, atol=0)


@pytest.mark.parametrize("weighting", ["mean", "adaptive"])
def test_after_an_epoch_only_adaptive_weights_have_moved_and_the_log_has_both(weighting, stored, student, splits):
    class Zero:
        def batch(self, index):
            return Forecast(torch.zeros(len(index), 16, 3), torch.zeros(len(index), 3, 16))

    several = objective(SeveralTeachers({"a": stored, "b": Zero()}, weighting), beta=0.0)
    log = several.after_epoch(student, splits)
    assert list(log) == ["weight_a", "weight_b"]
    assert (log == {"weight_a": 0.5, "weight_b": 0.5}) == (weighting == "mean")
    assert objective(stored).after_epoch(student, splits) == {}


def test_the_mixed_outputs_of_a_linear_teacher_are_its_outputs_for_the_mixed_windows(splits, tmp_path):
    torch.manual_seed(3)
    teacher = models.build("ridge", **SHAPE)
    teacher.solve(splits)
    store_outputs(teacher, splits.train, tmp_path / "outputs")
    index = torch.arange(40)
    mix = Mixture.draw(40, 0.4, torch.device("cpu"))
    x, y = (mix(part) for part in splits.train.batch(index))
    silent = Distillation(StoredTeacher(tmp_path / "outputs"), 16, 8, alpha=1.0, beta=0.0, terms=("scale_forecast",))
    parts = silent(teacher(x), y, index, mix)
    assert parts["scale_forecast"].item() < 1e-6  # half precision is all that is between them
    assert silent(teacher(x), y, index)["scale_forecast"].item() > 1e-3


def test_the_teachers_features_are_mixed_as_its_forecasts_are(stored, batch):
    forecast, y, index = batch
    mix = Mixture(torch.tensor([0.25, 0.5, 0.75, 0.1, 0.9]).view(5, 1, 1), torch.tensor([1, 2, 3, 4, 0]))
    whole = objective(stored)
    parts = whole(forecast, y, index, mix)
    direct = expected(forecast, y, Forecast(*map(mix, stored.batch(index))), whole.projector)
    for term in TERMS:
        torch.testing.assert_close(parts[term], direct[term], rtol=0, atol=0)


@pytest.mark.parametrize("weighting", ["mean", "adaptive"])
def test_a_committee_has_nothing_but_forecasts_to_mix(weighting, stored, student, splits):
    several = objective(SeveralTeachers({"a": stored, "b": stored}, weighting), beta=0.0)
    history = fit(student, several, splits, **TRAINING, mixup=0.4, weight_average=0.9)
    assert set(history[-1]) >= {"scale_forecast", "period_forecast", "weight_a", "weight_b"}


def test_the_floor_bounds_the_feature_term_of_an_epoch_where_the_exact_one_grows_past_it(teacher, splits):
    """Over 512 frequencies: 18.4 nats a distribution at most, where the exact divergence has about 50."""
    terms = {}
    for reduction in ("code", "kl"):
        torch.manual_seed(2)
        student = models.build("mlp", **SHAPE, width=1024)
        distillation = Distillation(
            LiveTeacher(teacher, splits.train), 16, 1024, alpha=2.0, beta=2.0, reduction=reduction
        )
        weights = [*student.parameters(), *distillation.parameters()]
        parts = train_epoch(student, distillation, splits.train, torch.optim.Adam(weights, lr=0.01), 32)
        terms[reduction] = parts["period_feature"]
    assert 0.1 < terms["code"] * 512 / -math.log(losses.FLOOR) < 1
    assert terms["kl"] > -math.log(losses.FLOOR)


def test_the_distilled_student_differs_from_the_plain_one(stored, splits):
    states = []
    for chosen in (Supervised(), objective(stored)):
        torch.manual_seed(2)
        student = models.build("mlp", **SHAPE, width=8)
        fit(student, chosen, splits, **TRAINING)
        states.append(student.state_dict())
    assert not torch.equal(states[0]["seasonal_in.weight"], states[1]["seasonal_in.weight"])


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_features_that_no_part_of_the_loss_asks_for_are_not_read(beta, stored, student, tmp_path):
    config = RunConfig("synthetic", 48, 16, "mlp", "itransformer", beta=beta)
    before = stored.batch(torch.arange(3))
    run.distillation(config, stored, 16, student)
    prediction, features = stored.batch(torch.arange(3))
    assert torch.equal(prediction, before.prediction)
    assert (features.numel() > 0) == (beta > 0)
    members = {name: StoredTeacher(tmp_path / "outputs") for name in ("a", "b")}
    run.distillation(replace(config, beta=0.0), SeveralTeachers(members, "mean"), 0, student)
    assert all(member.batch(torch.arange(3)).features.numel() == 0 for member in members.values())


# --- the third pattern


CHANNELS = ("supervised", *channels.TERMS)


def test_the_channel_part_is_no_part_of_the_published_loss_and_has_its_formula(stored, batch):
    assert not set(channels.TERMS) & set(TERMS)
    whole = objective(stored, terms=(*TERMS, *channels.TERMS))
    parts, taught = whole(*batch), stored.batch(batch[2])
    assert set(parts) == {*TERMS, "channel_forecast"}
    assert whole.weights["channel_forecast"] == 0.7  # alpha
    direct = channels.multi_channel(batch[0].prediction.mT, taught.prediction.mT)
    torch.testing.assert_close(parts["channel_forecast"], direct, rtol=0, atol=0)
    published = objective(stored)(*batch)
    assert all(torch.equal(parts[term], published[term]) for term in TERMS)


def test_a_teacher_who_knows_how_channels_move_brings_the_students_correlations_to_its_own(stored, splits):
    torch.manual_seed(2)
    student = models.build("mlp", **SHAPE, width=8)
    history = fit(student, objective(stored, terms=("channel_forecast",), alpha=1.0), splits, **TRAINING)
    assert history[-1]["channel_forecast"] < 0.9 * history[0]["channel_forecast"]


@pytest.mark.parametrize("weighting", ["mean", "adaptive"])
def test_the_channel_part_goes_with_mixup_committees_and_live_teachers(weighting, teacher, stored, student, splits):
    for source in (LiveTeacher(teacher, splits.train), SeveralTeachers({"a": stored, "b": stored}, weighting)):
        history = fit(student, objective(source, terms=CHANNELS, beta=0.0), splits, **TRAINING, mixup=0.4)
        assert math.isfinite(history[-1]["channel_forecast"])


def test_the_channel_part_is_computed_in_float32_under_bfloat16(stored, splits):
    torch.manual_seed(2)
    student = models.build("mlp", **SHAPE, width=8)
    index = torch.arange(32)
    x, y = splits.train.batch(index)
    with torch.autocast("cpu", torch.bfloat16):
        forecast = student(x)
        part = objective(stored, terms=CHANNELS)(forecast, y, index)["channel_forecast"]
    assert part.dtype == torch.float32
    exact = channels.multi_channel(forecast.prediction.float().mT, stored.batch(index).prediction.mT)
    torch.testing.assert_close(part, exact, rtol=0, atol=0)


def test_a_series_of_one_channel_is_refused_before_anything_is_trained(tmp_path):
    pd.DataFrame({"load": data.synthetic(rows=400, channels=1).values[:, 0]}).to_csv(tmp_path / "one.csv", index=False)
    settings = {"terms": CHANNELS, "alpha": 1.0, "beta": 0.0}
    config = RunConfig(str(tmp_path / "one.csv"), 48, 16, "mlp", "itransformer", **settings)
    with pytest.raises(ValueError, match=r"^channel_forecast needs at least two channels, got 1$"):
        ensure([config], store=tmp_path / "new")
    assert not (tmp_path / "new/runs").exists() or not list((tmp_path / "new/runs").iterdir())
    settings = {"terms": (*CHANNELS, "scale_feature"), "alpha": 0.0, "beta": 1.0}
    silent = RunConfig(str(tmp_path / "one.csv"), 48, 16, "mlp", "itransformer", **settings)
    silent.check_channels(1)  # a part of weight zero is no part


@pytest.mark.parametrize("patterns", ["truth", "smooth truth", "truth over 5 steps"])
def test_a_run_with_truth_patterns_trains_without_any_teacher(patterns, tmp_path):
    config = RunConfig("synthetic", 48, 16, "mlp", patterns=patterns, alpha=1.0, epochs=1, settings={"width": 16})
    ensure([config], store=tmp_path)
    store = Store(tmp_path)
    assert store.ids() == [config.id]
    epoch = store.read(config.id)["epochs"][0]
    assert set(epoch) == {"epoch", "supervised", "scale_forecast", "period_forecast", "val_mse"}


# --- controls


def test_a_teacher_with_foresight_is_spared_a_share_of_its_error(stored, batch):
    forecast, y, index = batch
    taught = stored.batch(index).prediction
    part = objective(stored, terms=("scale_forecast",), foresight=0.25)(*batch)["scale_forecast"]
    by_hand = losses.multi_scale(forecast.prediction, 0.75 * taught + 0.25 * y, dim=1, scales=2, downsample="max")
    torch.testing.assert_close(part, by_hand)


def test_a_teacher_that_sees_all_is_the_truth(stored, batch):
    terms = ("supervised", "scale_forecast", "period_forecast")
    seeing = objective(stored, terms=terms, foresight=1.0)(*batch)
    truth = objective(None, terms=terms, beta=0.0)(*batch)
    torch.testing.assert_close(seeing, truth)


def test_the_smooth_truth_is_its_moving_average_along_time(batch):
    forecast, y, _ = batch
    part = objective(None, terms=("scale_forecast",), scales=0, smooth=3)(*batch)["scale_forecast"]
    padded = torch.cat([y[:, :1], y, y[:, -1:]], dim=1)
    torch.testing.assert_close(part, F.mse_loss(forecast.prediction, (padded[:, :-2] + y + padded[:, 2:]) / 3))


def test_a_tilt_weighs_the_squares_of_late_steps(stored, batch):
    forecast, y, index = batch
    tilted = objective(stored, scales=0, tilt=2.0)(*batch)
    weights = torch.tensor([math.exp(2 * h / 15) for h in range(16)])
    weights = (weights / weights.mean())[:, None]
    torch.testing.assert_close(tilted["supervised"], (weights * (forecast.prediction - y).square()).mean())
    taught = stored.batch(index).prediction
    torch.testing.assert_close(tilted["scale_forecast"], (weights * (forecast.prediction - taught).square()).mean())
    level = objective(stored, scales=0)(*batch)
    for term in ("period_forecast", "scale_feature", "period_feature"):
        torch.testing.assert_close(tilted[term], level[term], rtol=0, atol=0)
