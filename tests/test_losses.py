"""The two patterns against values worked by hand, their gradients, and what they do at the edges."""

import cmath
import inspect
import math

import jaxtyping
import pytest
import torch
import torch.nn.functional as F

from tdlib import losses
from tdlib.losses import multi_period, multi_scale

DOWNSAMPLINGS, REDUCTIONS = ["avg", "max", "min", "conv"], ["code", "kl", "mean"]
LOSSES = [
    *((multi_scale, {"downsample": how}) for how in DOWNSAMPLINGS),
    *((multi_period, {"reduction": how}) for how in REDUCTIONS),
]
every_loss = pytest.mark.parametrize(("loss", "options"), LOSSES, ids=[*DOWNSAMPLINGS, *REDUCTIONS])


def series(*channels) -> torch.Tensor:
    """One window [1, H, C] from a list of values per channel."""
    return torch.tensor(channels, dtype=torch.float64).T[None]


def noise(*shape, seed: int = 0, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# --- multi-scale

A, B = [1, 5, 2, 8, 3, 3, 0, 4], [0, 4, 4, 6, 1, 7, 2, 2]
PYRAMIDS = {  # A and B, halved once and twice by hand
    "avg": ([3, 5, 3, 2], [2, 5, 4, 2], [4, 2.5], [3.5, 3]),
    "max": ([5, 8, 3, 4], [4, 6, 7, 2], [8, 4], [6, 7]),
    "min": ([1, 2, 3, 0], [0, 4, 1, 2], [1, 0], [0, 1]),
    "conv": ([2, 4.25, 4.25, 1.75], [1, 4.5, 3.75, 3.25], [2.5625, 3.625], [1.875, 3.8125]),
}
MSE = {  # of A and B at each scale: the sum of the squared differences over the length
    "avg": (38 / 8, 2 / 4, 0.5 / 2),
    "max": (38 / 8, 25 / 4, 13 / 2),
    "min": (38 / 8, 13 / 4, 2 / 2),
    "conv": (38 / 8, 3.5625 / 4, (0.6875**2 + 0.1875**2) / 2),
}


def test_the_published_choices_are_known():
    assert list(losses.DOWNSAMPLINGS) == DOWNSAMPLINGS
    assert list(losses.REDUCTIONS) == REDUCTIONS


@pytest.mark.parametrize("how", DOWNSAMPLINGS)
def test_halving_gives_the_values_worked_by_hand(how):
    a1, b1, a2, b2 = PYRAMIDS[how]
    for full, half, quarter in ((A, a1, a2), (B, b1, b2)):
        once = losses.halve(torch.tensor(full, dtype=torch.float64), how)
        assert once.tolist() == half
        assert losses.halve(once, how).tolist() == quarter


@pytest.mark.parametrize("scales", [0, 1, 2])
@pytest.mark.parametrize("how", DOWNSAMPLINGS)
def test_multi_scale_is_the_mean_of_the_errors_worked_by_hand(how, scales):
    value = multi_scale(series(A), series(B), dim=1, scales=scales, downsample=how)
    assert value.shape == ()
    assert value.item() == pytest.approx(sum(MSE[how][: scales + 1]) / (scales + 1), rel=1e-12)


def test_multi_scale_takes_three_average_poolings_by_default():
    # the mean of A is 3.25, as is the mean of B: the fourth scale adds nothing
    expected = (sum(MSE["avg"]) + 0.0) / 4
    assert multi_scale(series(A), series(B), dim=1).item() == pytest.approx(expected, rel=1e-12)


def test_multi_scale_averages_over_windows_and_channels():
    student = torch.cat([series(A, B), series(B, A), series(A, A)])
    teacher = torch.cat([series(B, B), series(B, B), series(B, A)])
    # of the six series three meet their opposite, three themselves
    value = multi_scale(student, teacher, dim=1, scales=2, downsample="max")
    assert value.item() == pytest.approx(3 / 6 * sum(MSE["max"]) / 3, rel=1e-12)


@pytest.mark.parametrize("how", DOWNSAMPLINGS)
@pytest.mark.parametrize("length", [3, 5, 9])
def test_an_odd_length_drops_its_last_element(length, how):
    x = noise(2, 3, length)
    half = losses.halve(x, how)
    assert half.shape == (2, 3, length // 2)
    assert torch.equal(half, losses.halve(x[..., :-1], how))


@pytest.mark.parametrize("how", DOWNSAMPLINGS)
def test_the_last_of_an_odd_length_counts_at_full_scale_only(how):
    value = multi_scale(series([*A, 7]), series([*B, 4]), dim=1, scales=2, downsample=how)
    expected = ((38 + 9) / 9 + MSE[how][1] + MSE[how][2]) / 3
    assert value.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("length", "scales"), [(7, 3), (1, 1), (15, 4), (3, 2)])
def test_a_length_that_cannot_be_halved_is_refused(length, scales):
    words = f"a length of {length} cannot be halved {scales} times: it must be at least {2**scales}"
    with pytest.raises(ValueError, match=words):
        multi_scale(noise(2, length, 3), noise(2, length, 3), dim=1, scales=scales)


@pytest.mark.parametrize("scales", [-1, True])
def test_scales_that_are_no_number_of_halvings_are_refused(scales):
    with pytest.raises(ValueError, match=f"^scales must be a whole number of at least 0, got {scales}$"):
        multi_scale(noise(2, 16, 3), noise(2, 16, 3), dim=1, scales=scales)


@pytest.mark.parametrize("temperature", [0.0, -1.0, 9e-7, math.nan, math.inf])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match=f"^temperature must be finite and at least 1e-06, got {temperature}$"):
        multi_period(noise(2, 16, 3), noise(2, 16, 3), dim=1, temperature=temperature)


@pytest.mark.parametrize(("scales", "end"), [(63, f": it must be at least {2**63}"), (64, ""), (10**9, "")])
def test_a_length_that_nobody_has_is_not_written_out(scales, end):
    with pytest.raises(ValueError, match=f"^a length of 8 cannot be halved {scales} times{end}$"):
        losses.check_scales(8, scales)


@pytest.mark.parametrize("scales", range(6))
def test_the_shortest_length_that_can_be_halved_is_taken(scales):
    losses.check_scales(2**scales, scales)
    x, y = noise(2, 2**scales, 3), noise(2, 2**scales, 3, seed=1)
    assert multi_scale(x, y, dim=1, scales=scales) > 0
    with pytest.raises(ValueError, match="a horizon of"):
        losses.check_scales(2**scales - 1, scales, "horizon")


@pytest.mark.parametrize(("length", "scales"), [(8, 3), (96, 3), (64, 4), (12, 2), (6, 1), (5, 0), (720, 4)])
def test_the_quadratic_form_of_averages_is_the_mean_over_scales_and_so_is_its_gradient(length, scales):
    random = torch.Generator().manual_seed(length)
    a, b = torch.randn(2, 3, length, 4, generator=random, dtype=torch.float64).requires_grad_().unbind(0)
    x, y, errors = a, b, []
    for _ in range(scales + 1):  # one scale after the other, as the formula says
        errors.append((x - y).square().mean())
        x, y = (losses.halve(z.movedim(1, -1)).movedim(-1, 1) for z in (x, y))
    plain = sum(errors) / len(errors)
    fast = multi_scale(a, b, dim=1, scales=scales)
    torch.testing.assert_close(fast, plain)
    for ours, expected in zip(torch.autograd.grad(fast, (a, b)), torch.autograd.grad(plain, (a, b)), strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("scales", [9, 10])
def test_many_scales_take_no_form(scales):
    losses._form.cache_clear()
    x, y = noise(2, 1024, 3).requires_grad_(), noise(2, 1024, 3, seed=1)
    loss = multi_scale(x, y, dim=1, scales=scales)
    assert losses._form.cache_info().currsize == 0
    torch.testing.assert_close(loss, losses._scales_as_form((x - y).mT, scales))


@pytest.mark.parametrize("length", [720, 721])
def test_squares_are_summed_in_single_precision_and_autocast_leaves_them_so(length):
    x = noise(32, length, 7, dtype=torch.float32) * 2
    exact = multi_scale(x, 0 * x, dim=1)
    torch.testing.assert_close(multi_scale(x.half(), 0 * x.half(), dim=1).float(), exact, rtol=1e-3, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(multi_scale(x, 0 * x, dim=1), exact)


def test_a_loss_is_trained_on_after_it_was_read_in_inference():
    """The form is kept between calls: one that was made in inference mode could not be saved for a gradient."""
    losses._form.cache_clear()
    x = noise(2, 3, 16).requires_grad_()
    with torch.inference_mode():
        multi_scale(x, x, dim=-1)
    multi_scale(x, noise(2, 3, 16, seed=1), dim=-1).backward()
    assert x.grad.abs().sum() > 0


def test_an_unknown_downsampling_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="downsample knows avg, max, min, conv; got 'mean'"):
        multi_scale(noise(1, 8, 1), noise(1, 8, 1), dim=1, downsample="mean")
    with pytest.raises(ValueError, match="downsample knows avg, max, min, conv; got 'mean'"):
        losses.halve(noise(8), "mean")


# --- multi-period


FLOOR = {"code": 1e-8, "kl": 0.0, "mean": 0.0}


def divergence(teacher: list[float], student: list[float], floor: float = 0.0) -> float:
    """KL(Q_teacher || Q_student) of two lists of amplitudes over temperature, `floor` under the student's logarithm."""
    total_t, total_s = sum(map(math.exp, teacher)), sum(map(math.exp, student))
    pairs = zip((math.exp(t) / total_t for t in teacher), (math.exp(s) / total_s for s in student), strict=True)
    return sum(t * (math.log(t) - math.log(s + floor)) for t, s in pairs)


def amplitudes(values: list[float]) -> list[float]:
    """|X_k| for k = 1 .. H / 2, each a sum of H terms."""
    n = len(values)
    return [
        abs(sum(v * cmath.exp(-2j * math.pi * k * i / n) for i, v in enumerate(values))) for k in range(1, n // 2 + 1)
    ]


# Of [1, 0, -1, 0] the amplitudes are 2 and 0, of [1, -1, 1, -1] they are 0 and 4. The means, 5 and -3, are left out.
SLOW, FAST = [6, 5, 4, 5], [-2, -4, -2, -4]


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0, 7.0])
def test_multi_period_of_two_waves_is_the_value_worked_by_hand(temperature):
    # teacher slow: Q_t = (e^(2/T), 1) / (e^(2/T) + 1); student fast: Q_s = (1, e^(4/T)) / (1 + e^(4/T))
    slow, fast = 2 / temperature, 4 / temperature
    share = math.exp(slow) / (math.exp(slow) + 1)
    log_s = -math.log(1 + math.exp(fast))
    expected = share * (math.log(share) - log_s) + (1 - share) * (-math.log(math.exp(slow) + 1) - (fast + log_s))
    student, teacher = series(FAST), series(SLOW)
    value = multi_period(student, teacher, dim=1, temperature=temperature, reduction="kl")
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=1e-9)
    # with the floor the student's share of the slow wave, e^log_s, is at least 1e-8; its other share is all but 1
    floored = [math.log(math.exp(log_s) + 1e-8), math.log(math.exp(fast + log_s) + 1e-8)]
    expected = share * (math.log(share) - floored[0]) + (1 - share) * (-math.log(math.exp(slow) + 1) - floored[1])
    half = multi_period(student, teacher, dim=1, temperature=temperature, reduction="code")
    assert half.item() == pytest.approx(expected / 2, rel=1e-9)  # of two frequencies


@pytest.mark.parametrize("values", [A, B, [*A, 7], [0.5, -0.25]])
def test_the_distribution_is_the_softmax_of_the_amplitudes_without_the_mean(values):
    log_q = losses.log_period_distribution(series(values), dim=1)
    powers = [math.exp(amplitude / 0.5) for amplitude in amplitudes(values)]
    assert log_q.flatten().exp().tolist() == pytest.approx([power / sum(powers) for power in powers], rel=1e-9)
    lifted = losses.log_period_distribution(series(values) + 100, dim=1)
    assert torch.allclose(lifted, log_q, atol=1e-9)


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_entry_i_minus_1_stands_for_the_period_h_over_i(period):
    wave = [math.cos(2 * math.pi * i / period) for i in range(48 if 48 % period == 0 else 64)]
    log_q = losses.log_period_distribution(series(wave), dim=1)
    assert log_q.argmax(1).item() == len(wave) // period - 1


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_multi_period_sums_the_fourier_sums_worked_by_hand(reduction):
    student, teacher = torch.cat([series(A, B), series(B, B)]), torch.cat([series(B, A), series(A, B)])
    tau = 3.0
    a, b = [x / tau for x in amplitudes(A)], [x / tau for x in amplitudes(B)]
    pairs = [(b, a), (a, b), (a, b), (b, b)]  # windows x channels, teacher and student
    expected = sum(divergence(*pair, FLOOR[reduction]) for pair in pairs) / 4
    bins = 1 if reduction == "kl" else 4
    value = multi_period(student, teacher, dim=1, temperature=tau, reduction=reduction)
    assert value.item() == pytest.approx(expected / bins, rel=1e-9)


def test_the_teachers_distribution_is_the_reference():
    tau = 3.0
    a, b = [x / tau for x in amplitudes(A)], [x / tau for x in amplitudes(B)]
    forth = multi_period(series(A), series(B), dim=1, temperature=tau, reduction="kl").item()
    back = multi_period(series(B), series(A), dim=1, temperature=tau, reduction="kl").item()
    assert forth == pytest.approx(divergence(b, a), rel=1e-9)
    assert back == pytest.approx(divergence(a, b), rel=1e-9)
    assert abs(forth - back) > 0.01


def test_the_textbook_divergence_has_the_temperature_and_the_floor_of_training_by_default():
    textbook = losses.period_divergence(series(A)[0, :, 0], series(B)[0, :, 0]).item()
    assert textbook == pytest.approx(4 * multi_period(series(A), series(B), dim=1).item(), rel=1e-9)


def test_multi_period_takes_temperature_one_half_and_the_codes_reduction_by_default():
    explicit = multi_period(series(A), series(B), dim=1, temperature=0.5, reduction="code")
    assert torch.equal(multi_period(series(A), series(B), dim=1), explicit)


@pytest.mark.parametrize(("length", "bins"), [(2, 1), (3, 1), (7, 3), (8, 4), (96, 48), (720, 360)])
def test_the_textbook_kl_is_the_codes_times_the_number_of_frequencies_far_from_the_floor(length, bins):
    student, teacher = noise(3, length, 2) * 0.01, noise(3, length, 2, seed=1) * 0.01
    code = multi_period(student, teacher, dim=1, reduction="code").item()
    kl = multi_period(student, teacher, dim=1, reduction="kl").item()
    if bins == 1:  # one frequency holds all the mass of both
        assert kl == 0
    # the floor takes 1e-8 / Q_s of each logarithm, in the mean over Q_t about 1e-8 for every frequency
    assert code == pytest.approx((kl - 1e-8 * bins) / bins, abs=1e-8)


def test_the_floor_bounds_the_term_at_18_nats_a_distribution_where_the_exact_one_grows():
    slow = [math.cos(2 * math.pi * i / 96) for i in range(96)]
    fast = [math.cos(2 * math.pi * i / 4) for i in range(96)]
    for loudness in (10, 1e3, 1e6):
        student, teacher = series(fast) * loudness, series(slow) * loudness
        assert multi_period(student, teacher, dim=1).item() * 48 == pytest.approx(-math.log(1e-8), rel=1e-9)
        exact = multi_period(student, teacher, dim=1, reduction="kl").item()
        assert exact == pytest.approx(48 * loudness / 0.5, rel=1e-6)  # a wave of amplitude 1 has |X| = 48
        mean = multi_period(student, teacher, dim=1, reduction="mean").item()
        assert mean == pytest.approx(exact / 48, rel=1e-9)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("amplitude", [0.01, 0.3, 3.0])
@pytest.mark.parametrize("length", [2, 7, 8, 96])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_gradient_by_hand_is_the_one_autograd_finds_for_the_formula(reduction, length, amplitude, temperature):
    student, teacher = (noise(3, 2, length, seed=seed).mul(amplitude).requires_grad_() for seed in (0, 1))
    textbook = losses.period_divergence(student, teacher, temperature, FLOOR[reduction]).mean()
    fast = multi_period(student, teacher, dim=-1, temperature=temperature, reduction=reduction)
    if reduction != "kl":
        textbook = textbook / (length // 2)
    torch.testing.assert_close(fast, textbook, rtol=1e-9, atol=1e-12)
    for ours, theirs in zip(*(torch.autograd.grad(loss, (student, teacher)) for loss in (fast, textbook)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("amplitude", [1e-45, 1e-38, 1e-30, 1e-24, 1e-19, 1e-6, 1e19, 1e30, 3e38])
@pytest.mark.parametrize("length", [96, 7])
def test_the_gradient_is_bounded_for_every_finite_input(amplitude, length, dtype):
    waves = noise(4, length, 3, dtype=torch.float32).clamp(-1, 1), noise(4, length, 3, seed=1).float().clamp(-1, 1)
    student, teacher = ((wave * amplitude).to(dtype).requires_grad_() for wave in waves)
    assert student.isfinite().all()
    loss = multi_period(student, teacher, dim=1)
    assert 0 <= loss.item() + 1e-7 < 20
    for gradient in torch.autograd.grad(loss, (student, teacher)):
        assert gradient.abs().max() <= 18.5 * length / 0.5 / (4 * 3 * (length // 2))


def test_a_bin_far_below_the_height_of_its_series_has_a_bounded_gradient():
    """[1, e, 1, -e] has |X_1| = 2e, whose square underflows: the direction X / A may be lost, never larger than 1."""
    for e in (1e-15, 1e-19, 1e-20, 1e-22, 1e-25, 1e-38):
        student = torch.tensor([1.0, e, 1.0, -e]).requires_grad_()
        multi_period(student, torch.tensor([0.2, 0.1, -0.2, -0.1]), dim=0).backward()
        assert student.grad.abs().max() < 2


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("amplitude", [1e-30, 1e-24, 1e-19])
def test_tiny_waves_have_the_gradient_of_small_ones(amplitude, reduction):
    """The amplitude's direction does not depend on its size, and neither does Q where all amplitudes are close to 0."""

    def gradient(amplitude: float) -> torch.Tensor:
        student = (noise(4, 96, 3, dtype=torch.float32) * amplitude).requires_grad_()
        teacher = torch.zeros(4, 96, 3)
        teacher[:, ::8] = 1.0
        multi_period(student, teacher, dim=1, reduction=reduction).backward()
        return student.grad

    expected = gradient(1e-6)
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(gradient(amplitude), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("side", [0, 1])
def test_one_side_alone_has_the_gradient_it_has_beside_the_other(side, reduction):
    pair = [noise(2, 24, 3, seed=seed) for seed in (0, 1)]
    both = [x.clone().requires_grad_() for x in pair]
    multi_period(*both, dim=1, reduction=reduction).backward()
    pair[side].requires_grad_()
    multi_period(*pair, dim=1, reduction=reduction).backward()
    assert torch.equal(pair[side].grad, both[side].grad)
    assert pair[1 - side].grad is None


def test_half_the_bits_are_computed_in_single_precision_and_their_gradient_comes_back_in_half():
    student, teacher = (noise(2, 24, 3, seed=seed, dtype=torch.float32).bfloat16() for seed in (0, 1))
    expected = multi_period(student.float(), teacher.float(), dim=1)
    for other in (teacher, teacher.float()):
        value = multi_period(student.requires_grad_(), other, dim=1)
        assert value.dtype == torch.float32
        assert torch.equal(value, expected)
        assert torch.autograd.grad(value, student)[0].dtype == torch.bfloat16


@pytest.mark.parametrize("quiet", [0, 1])
def test_a_series_far_below_the_other_is_flat_to_the_loss_and_keeps_its_own_direction(quiet):
    """Each series has its own height: a teacher of 1e-30 does not drown in a student of 1."""
    pair = [noise(2, 24, 3, seed=seed, dtype=torch.float32) for seed in (0, 1)]
    pair[quiet] *= 1e-30
    small = pair[quiet].requires_grad_()
    multi_period(*pair, dim=1).backward()
    faint = (small.detach() * 1e24).requires_grad_()  # 1e-6: as flat, and far from the end of the format
    pair[quiet] = faint
    multi_period(*pair, dim=1).backward()
    assert small.grad.abs().max() > 1e-4
    torch.testing.assert_close(small.grad, faint.grad, rtol=1e-3, atol=1e-6)


def test_a_second_derivative_is_refused_and_not_taken_for_zero():
    x = noise(2, 24, 3).requires_grad_()
    with pytest.raises(RuntimeError, match=r"^multi_period has no second derivative: its gradient cannot be different"):
        torch.autograd.grad(multi_period(x, noise(2, 24, 3, seed=1), dim=1), x, create_graph=True)


def test_the_coldest_temperature_has_a_gradient_that_is_finite():
    x = noise(2, 24, 3, dtype=torch.float32).requires_grad_()
    for reduction in REDUCTIONS:
        loss = multi_period(x, 2 * x, dim=1, temperature=losses.COLDEST, reduction=reduction)
        assert torch.autograd.grad(loss, x)[0].isfinite().all()


def test_a_tensor_without_data_has_a_loss_of_the_right_shape():
    x = torch.empty(2, 24, 3, device="meta", requires_grad=True)
    for reduction in REDUCTIONS:
        loss = multi_period(x, x, dim=1, reduction=reduction)
        loss.backward()
        assert loss.shape == ()
    assert multi_scale(x, x, dim=1).shape == ()
    assert x.grad.shape == x.shape


def test_the_exact_divergence_is_never_negative():
    for seed in range(30):
        scale = 10.0 ** (seed % 6 - 3)
        student, teacher = noise(2, 12, 3, seed=seed) * scale, noise(2, 12, 3, seed=seed + 100) * scale
        assert multi_period(student, teacher, dim=1, reduction="kl") > 0


def test_an_unknown_reduction_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="reduction knows code, kl, mean; got 'sum'"):
        multi_period(noise(1, 8, 1), noise(1, 8, 1), dim=1, reduction="sum")


def test_a_length_of_one_has_no_period():
    for call in (
        lambda x: multi_period(x, x, dim=1),
        lambda x: losses.log_period_distribution(x, dim=1),
    ):
        with pytest.raises(ValueError, match="a length of 1 has no period: it must be at least 2"):
            call(noise(2, 1, 3))


# --- both


@every_loss
@pytest.mark.parametrize("amplitude", [1e-3, 1.0, 1e3])
def test_identical_inputs_give_exactly_zero(loss, options, amplitude):
    for dtype in (torch.float32, torch.float64):
        x = noise(4, 24, 3, dtype=dtype) * amplitude
        value = loss(x, x.clone(), dim=1, **options).item()
        floor = 1e-8 if options.get("reduction") == "code" else 0.0  # it takes about 1e-8 of each frequency
        assert -1.5 * floor <= value <= 4 * floor * (dtype == torch.float32)


@every_loss
def test_different_inputs_give_more_than_zero(loss, options):
    assert loss(noise(4, 24, 3), noise(4, 24, 3, seed=1), dim=1, **options) > 0


@every_loss
@pytest.mark.parametrize("length", [8, 11])
@pytest.mark.parametrize("amplitude", [0.1, 1.0, 1e3])
def test_the_gradients_of_student_and_teacher_agree_with_finite_differences(loss, options, amplitude, length):
    student = (noise(1, length, 2) * amplitude).requires_grad_()
    teacher = (noise(1, length, 2, seed=1) * amplitude).requires_grad_()
    step = 1e-6 * max(amplitude, 1)

    def function(a, b):
        return loss(a, b, dim=1, **options)

    tolerances = {"eps": step, "atol": 1e-5 * max(amplitude, 1), "rtol": 1e-4}
    assert torch.autograd.gradcheck(function, (student, teacher), **tolerances, fast_mode=True)
    gradient = torch.autograd.grad(function(student, teacher), student)[0]
    if amplitude < 1e3 or options.get("reduction") != "code":  # far below the floor the gradient vanishes, as it should
        assert gradient.abs().max() > 0  # there was something to compare


def test_the_gradient_of_one_scale_is_the_one_worked_by_hand():
    # S = 1/2 [ sum d^2 / 4 + sum e^2 / 2 ] with d = (1, 2, 3, 4) and its averages e = (1.5, 3.5):
    # dS/dx_i = d_i / 4 + e_(i/2) / 4
    student = series([1, 2, 3, 4]).requires_grad_()
    multi_scale(student, series([0, 0, 0, 0]), dim=1, scales=1).backward()
    assert student.grad.flatten().tolist() == [2.5 / 4, 3.5 / 4, 6.5 / 4, 7.5 / 4]


@every_loss
@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e3, 1e6])
def test_constant_series_have_finite_losses_and_gradients(loss, options, value):
    for dtype in (torch.float32, torch.float64):
        student = torch.full((2, 24, 3), value, dtype=dtype).requires_grad_()
        teacher = torch.full((2, 24, 3), value, dtype=dtype).requires_grad_()
        total = loss(student, teacher, dim=1, **options)
        assert total.item() == pytest.approx(0.0, abs=1e-7 if options.get("reduction") == "code" else 0.0)
        for gradient in torch.autograd.grad(total, (student, teacher)):
            assert torch.isfinite(gradient).all()


@every_loss
@pytest.mark.parametrize("flat", ["student", "teacher"])
def test_a_constant_series_against_a_wave_has_finite_losses_and_gradients(loss, options, flat):
    wave, constant = noise(2, 24, 3), torch.full((2, 24, 3), 4.0, dtype=torch.float64)
    student, teacher = (constant, wave) if flat == "student" else (wave, constant)
    student.requires_grad_(), teacher.requires_grad_()
    total = loss(student, teacher, dim=1, **options)
    assert 0 < total.item() < math.inf
    for gradient in torch.autograd.grad(total, (student, teacher)):
        assert torch.isfinite(gradient).all()


@every_loss
@pytest.mark.parametrize("amplitude", [1e2, 1e4, 1e6])
def test_single_precision_stays_finite_at_large_inputs(loss, options, amplitude):
    student = (noise(2, 96, 3, dtype=torch.float32) * amplitude).requires_grad_()
    teacher = (noise(2, 96, 3, seed=1, dtype=torch.float32) * amplitude).requires_grad_()
    total = loss(student, teacher, dim=1, **options)
    assert total.dtype == torch.float32
    assert 0 < total.item() < math.inf
    for gradient in torch.autograd.grad(total, (student, teacher)):
        assert torch.isfinite(gradient).all()


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # of the public code's choice
def test_the_naive_formula_has_the_same_value_and_a_gradient_of_nan_where_ours_is_finite():
    def naive(student, teacher):  # as published: the softmax underflows, and the target has a gradient
        def distribution(x):
            return F.softmax(torch.fft.rfft(x, dim=1).abs()[:, 1:] / 0.5, dim=1)

        return F.kl_div(torch.log(distribution(student) + 1e-8), distribution(teacher), reduction="mean")

    student = noise(4, 96, 3, dtype=torch.float32) * 20
    broken, sound = ((noise(4, 96, 3, seed=1, dtype=torch.float32) * 20).requires_grad_() for _ in range(2))
    published, ours = naive(student, broken), multi_period(student, sound, dim=1)
    torch.testing.assert_close(ours, published)
    published.backward(), ours.backward()
    assert torch.isnan(broken.grad).any()
    assert torch.isfinite(sound.grad).all()
    assert sound.grad.abs().max() > 0


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_ours_agrees_with_the_plain_formula_where_that_one_is_safe(reduction):
    student, teacher = noise(2, 24, 3) * 0.1, noise(2, 24, 3, seed=1) * 0.1
    expected = 0.0
    for window in range(2):
        for channel in range(3):
            t, s = (amplitudes(x[window, :, channel].tolist()) for x in (teacher, student))
            expected += divergence([a / 0.5 for a in t], [a / 0.5 for a in s], FLOOR[reduction]) / 6
    bins = 1 if reduction == "kl" else 12
    assert multi_period(student, teacher, dim=1, reduction=reduction).item() == pytest.approx(expected / bins, rel=1e-9)


@every_loss
def test_channels_permuted_together_change_nothing_and_their_own_values_follow(loss, options):
    student, teacher = noise(3, 24, 5), noise(3, 24, 5, seed=1)
    order = [3, 0, 4, 1, 2]

    def each(a, b):
        return [loss(a[..., [c]], b[..., [c]], dim=1, **options).item() for c in range(5)]

    together = loss(student, teacher, dim=1, **options).item()
    assert loss(student[..., order], teacher[..., order], dim=1, **options).item() == pytest.approx(together, rel=1e-12)
    values = each(student, teacher)
    assert each(student[..., order], teacher[..., order]) == [values[c] for c in order]
    assert together == pytest.approx(sum(values) / 5, rel=1e-12)
    assert len(set(values)) == 5
    assert loss(student[..., order], teacher, dim=1, **options).item() != pytest.approx(together, rel=1e-3)


@every_loss
def test_the_feature_axis_is_treated_as_time_is(loss, options):
    student, teacher = noise(3, 5, 24), noise(3, 5, 24, seed=1)
    along = loss(student, teacher, dim=2, **options).item()
    assert along == loss(student, teacher, dim=-1, **options).item()
    turned = loss(student.transpose(1, 2), teacher.transpose(1, 2), dim=1, **options).item()
    assert along == pytest.approx(turned, rel=1e-12)


@every_loss
def test_student_and_teacher_of_different_shapes_are_refused(loss, options):
    wrong = noise(3, 24, 1)
    with pytest.raises(jaxtyping.TypeCheckError):
        loss(noise(3, 24, 5), wrong, dim=1, **options)
    unchecked = inspect.unwrap(loss)  # as it runs outside the tests
    with pytest.raises(ValueError, match=r"student and teacher differ in shape: \(3, 24, 5\) and \(3, 24, 1\)"):
        unchecked(noise(3, 24, 5), wrong, dim=1, **options)


# --- the weights of steps


def test_the_weights_of_steps_are_those_worked_by_hand():
    e = math.e
    torch.testing.assert_close(losses.step_weights(2, 1.0), torch.tensor([2 / (1 + e), 2 * e / (1 + e)]))
    torch.testing.assert_close(losses.step_weights(3, 0.0), torch.ones(3))


@pytest.mark.parametrize("tilt", [-10.0, -1.0, 0.5, 10.0])
def test_the_weights_of_steps_have_mean_one_and_turn_round_with_the_sign(tilt):
    weights = losses.step_weights(96, tilt)
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0))
    torch.testing.assert_close(losses.step_weights(96, -tilt), weights.flip(0))
    torch.testing.assert_close(losses.step_weights(1, tilt), torch.ones(1))
