# %% [markdown]
# # The whole method in bare torch
# Everything that TimeDistill adds to ordinary training fits on this page: two ways to compare a student
# with its teacher, a projector, and a sum of five terms. We build each from its formula on a toy signal,
# without the library, train a student with and without them, and check at the end that the library computes
# the same numbers.
#
# **After this page you can** write both losses from their formulas, say what each of them notices and what it is deaf
# to, explain why the divergence is computed from logarithms and has a floor, and distil a network of your own.

# %% tags=["parameters"]
figures = "../figures"

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import Image
from torch import nn

_ = torch.manual_seed(0)
torch.set_num_threads(1)


def keep(figure, name, words):
    Path(figures).mkdir(parents=True, exist_ok=True)
    figure.savefig(f"{figures}/{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(f"{figures}/{name}.png", dpi=200)
    plt.close(figure)
    return Image(f"{figures}/{name}.png", width=770, alt=words)


# %% [markdown]
# ## A signal with two periods and noise
# One channel: two waves of equal strength with periods of 24 and 8 steps, a slow swing, and noise. A window
# is a look-back of 96 steps and a horizon of 48. The student gets one window in seven; its teacher saw all.

# %%
time = torch.arange(6000)
clean = torch.sin(2 * torch.pi * time / 24) + torch.sin(2 * torch.pi * time / 8)
clean = clean + torch.sin(2 * torch.pi * time / 1000)
signal = clean + 0.4 * torch.randn(6000)

lookback, horizon = 96, 48
windows = signal.unfold(0, lookback + horizon, 1)  # [N, L + H], a view: nothing is copied
x, y = windows[:, :lookback], windows[:, lookback:]
many, few, test = slice(0, 4000), slice(0, 4000, 7), slice(4200, None)

# %% [markdown]
# ## Pattern 1: many scales
# Halve the time axis by averaging pairs of steps, $M = 3$ times, and compare at every scale:
#
# $$x^{(0)} = x, \qquad x^{(m)}_i = \tfrac12\left(x^{(m-1)}_{2i} + x^{(m-1)}_{2i+1}\right), \qquad
# S(a, b) = \frac{1}{M+1} \sum_{m=0}^{M} \mathrm{MSE}\left(a^{(m)}, b^{(m)}\right)$$


# %%
def halve(x):
    return (x[..., 0::2] + x[..., 1::2]) / 2


def multi_scale(student, teacher, scales=3):
    total = F.mse_loss(student, teacher)
    for _ in range(scales):
        student, teacher = halve(student), halve(teacher)
        total = total + F.mse_loss(student, teacher)
    return total / (scales + 1)


# %% [markdown]
# What is left at each scale of one noisy window. Every halving weakens the noise. The wave of 8 steps is gone at scale
# 3, where a point is the mean of its whole period; that of 24 steps keeps most of its height. An error that remains at
# scale 3 is an error in the course.

# %%
part = y[100]
figure, axis = plt.subplots(figsize=(7, 2.4), layout="constrained")
for scale in range(4):
    steps = (torch.arange(len(part)) + 0.5) * 2**scale
    axis.plot(steps, part, marker=".", color=f"{0.75 - scale / 4}", label=f"scale {scale}")
    part = halve(part)
_ = axis.set(xlabel="step of the horizon", ylabel="value")
_ = axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
keep(figure, "01_scales", "One series of 48 steps at scales 0 to 3: ever fewer points on an ever smoother line.")

# %% [markdown]
# ## Pattern 2: many periods
# The amplitudes of the Fourier transform say how strong each period is. Without bin 0 (the mean), and through a softmax
# with temperature $\tau = 0.5$, they are a distribution over $n$ periods, half as many as the series has steps (or the
# feature has units). The student's is compared with the teacher's by a Kullback-Leibler divergence:
#
# $$A = |\mathrm{rfft}(x)|_{1..n}, \qquad Q(x) = \mathrm{softmax}(A / \tau), \qquad
# P(a, b) = \frac{1}{n} \sum_{i=1}^{n} Q_i(b) \left[\log Q_i(b) - \log\left(Q_i(a) + \varepsilon\right)\right],
# \qquad \varepsilon = 10^{-8}$$
#
# Two things are not in a textbook's divergence and belong to the method as it was published: the **mean** over the
# frequencies instead of the sum, 1/24 of it at this horizon, and the **floor** $\varepsilon$ under the student's share.
#
# The figure has the mean of Q over 200 windows at its left, the share of 24 steps in each of them at its right. Both
# waves are equally strong, but a softmax of amplitudes over a small $\tau$ is near a maximum: noise may decide, window
# by window, which one gets nearly all.


# %%
def log_periods(x, temperature=0.5):
    amplitude = torch.fft.rfft(x).abs()[..., 1:]
    return F.log_softmax(amplitude / temperature, dim=-1)


def multi_period(student, teacher, temperature=0.5, floor=1e-8):
    log_student, log_teacher = log_periods(student, temperature), log_periods(teacher, temperature)
    if floor:
        log_student = (log_student.exp() + floor).log()
    return (log_teacher.exp() * (log_teacher - log_student)).mean()


# %%
noisy, quiet = (log_periods(part[:200]).exp() for part in (y, clean.unfold(0, lookback + horizon, 1)[:, lookback:]))
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.2), layout="constrained")
_ = left.bar(range(1, 25), noisy.mean(0).numpy(), color="black")
marked = (2, 6, 12, 24)
_ = left.set(xlabel="period [steps]", ylabel="share of Q, mean", xticks=marked)
_ = left.set_xticklabels([f"{horizon / i:.3g}" for i in marked])
for shares, label, dashes in ((noisy, "with noise", "-"), (quiet, "without", ":")):
    _ = right.plot(shares[:, 1], dashes, color="black", label=label)
_ = right.set(xlabel="first step of the window", ylabel="share of 24 steps")
_ = right.legend(loc="upper left", bbox_to_anchor=(1, 1))
sure = [f"{100 * (shares.max(-1).values > 0.9).float().mean():.0f}%" for shares in (noisy, quiet)]
print(f"One period has more than 0.9 of Q in {sure[0]} of the noisy windows, in {sure[1]} of those without noise.")
keep(figure, "01_periods", "Left bars of the mean share by period; right the share of 24 steps by window, a line each.")

# %% [markdown]
# ### What the floor does
# A wave of 24 steps is to be matched by a student that hears 8 steps, both louder and louder. The exact divergence
# grows with the loudness; with the floor it ends at $-\log 10^{-8}$, and its gradient fades where the student has no
# share left to give. Hidden features are that loud. Whether it matters in training is another question: page 06 trains
# students without the floor, and without both the floor and the mean over the periods.

# %%
loudness = torch.logspace(-2, 2, 60)[:, None]
steps = torch.arange(48) / 8
quick, slow = loudness * torch.sin(2 * torch.pi * steps), loudness * torch.sin(2 * torch.pi * steps / 3)
figure, axis = plt.subplots(figsize=(7, 2.4), layout="constrained")
for floor, label, dashes in ((0, "exact", ":"), (1e-8, "with the floor", "-")):
    nats = [24 * multi_period(a, b, floor=floor) for a, b in zip(quick, slow, strict=True)]
    axis.loglog(loudness.flatten(), nats, dashes, color="black", label=label)
_ = axis.set(xlabel="amplitude of both waves", ylabel="divergence, summed [nats]")
_ = axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
assert max(nats) <= 1e-3 - torch.tensor(1e-8).log()
keep(figure, "01_floor", "Divergence against loudness: exact it grows without end, with the floor it stays bounded.")

# %% [markdown]
# ### Why the logarithm comes first
# Written straight from the formula the divergence breaks: amplitudes of some hundreds make the softmax exactly zero
# away from the peak, $0 \log 0$ has no gradient, and what flows into the *teacher's* side (through the projector,
# below) is not a number. `log_softmax` has no such zero; where both are numbers, they are the same.


# %%
def naive(student, teacher, temperature=0.5):
    log_student = (F.softmax(torch.fft.rfft(student).abs()[..., 1:] / temperature, -1) + 1e-8).log()
    share_teacher = F.softmax(torch.fft.rfft(teacher).abs()[..., 1:] / temperature, -1)
    return F.kl_div(log_student, share_teacher, reduction="none").mean()


loud = (300 * torch.sin(2 * torch.pi * torch.arange(48) / 8)).requires_grad_()
finite = {}
for loss in (naive, multi_period):
    (gradient,) = torch.autograd.grad(loss(y[0], loud), loud)
    finite[loss.__name__] = bool(gradient.isfinite().all())
    print(f"{loss.__name__:13} gradient finite: {finite[loss.__name__]}")
assert finite == {"naive": False, "multi_period": True}
torch.testing.assert_close(naive(y[0], loud), multi_period(y[0], loud))

# %% [markdown]
# ## A teacher and a student
# Two networks, each in two halves, so that we can look at its **feature**: the hidden layer before its ReLU. The
# teacher is large and trained on all windows; here it is a convolution and a wide layer. The student is one hidden
# layer. That of all other pages (`tdlib/models/mlp.py`) is two of these, for the trend and for the rest of a window:
#
# ```python
# z = x - mean  # of the window; it is added back at the end
# trend = moving_average(z, 25)
# h_trend, h_rest = trend_in(trend), rest_in(z - trend)  # linear layers; the feature is h_trend + h_rest
# y = trend_out(batchnorm_1(h_trend).relu()) + rest_out(batchnorm_2(h_rest).relu()) + mean
# ```


# %%
def network(*layers, width):
    head = nn.Sequential(nn.ReLU(), nn.Linear(width, horizon))
    return nn.ModuleDict({"body": nn.Sequential(*layers), "head": head})


def forward(network, x):
    feature = network["body"](x)
    return network["head"](feature), feature


def new_student(seed=1):
    _ = torch.manual_seed(seed)
    return network(nn.Linear(96, 64), width=64)


filters = nn.Sequential(nn.Unflatten(1, (1, 96)), nn.Conv1d(1, 32, 9, stride=3), nn.GELU(), nn.Flatten())
teacher = network(filters, nn.Linear(32 * 30, 256), width=256)

# %% [markdown]
# Ordinary training, for the teacher on many windows and for a plain student on few:


# %%
def train(weights, loss, count, epochs):
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    for _ in range(epochs):
        for index in torch.randperm(count).split(100):
            optimizer.zero_grad()
            loss(index).backward()
            optimizer.step()


def supervised(network, x, y):
    return lambda index: F.mse_loss(forward(network, x[index])[0], y[index])


def test_mse(network):  # against the clean signal: the noise nobody can forecast is left out
    truth = clean.unfold(0, lookback + horizon, 1)[test, lookback:]
    with torch.no_grad():
        return F.mse_loss(forward(network, x[test])[0], truth).item()


# %%
train(teacher.parameters(), supervised(teacher, x[many], y[many]), 4000, epochs=12)
plain = new_student()
train(plain.parameters(), supervised(plain, x[few], y[few]), len(x[few]), epochs=60)

# %% [markdown]
# ## The distillation step
# The teacher is frozen: its outputs are computed **once**. Its feature is wider than the student's; a small projector
# $G$ brings it to the student's width; $G$ learns together with the student and is thrown away. The loss is the sum of
# five terms. Here $\alpha = \beta = 1$; on the other pages mostly 0.1 to 2, as published, by data set and teacher:
#
# $$L = \mathrm{MSE}(\hat y_s, y) + \alpha\,[S(\hat y_s, \hat y_t) + P(\hat y_s, \hat y_t)]
#     + \beta\,[S(f_s, G(f_t)) + P(f_s, G(f_t))]$$

# %%
with torch.no_grad():
    teacher_y, teacher_f = forward(teacher, x[few])


def terms(student, projector, index, alpha=1.0, beta=1.0):
    student_y, student_f = forward(student, x[few][index])
    target_y, target_f = teacher_y[index], projector(teacher_f[index])
    return {
        "MSE": F.mse_loss(student_y, y[few][index]),
        "S(y)": alpha * multi_scale(student_y, target_y),
        "P(y)": alpha * multi_period(student_y, target_y),
        "S(f)": beta * multi_scale(student_f, target_f),
        "P(f)": beta * multi_period(student_f, target_f),
    }


# %%
def distil(without=(), seed=1):
    student = new_student(seed)
    projector = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 64))

    def loss(index):
        return sum(term for name, term in terms(student, projector, index).items() if name not in without)

    train([*student.parameters(), *projector.parameters()], loss, len(x[few]), epochs=60)
    return student, projector


distilled, projector = distil()

# %% tags=["nbval-ignore-output"]
errors = {"teacher": test_mse(teacher), "plain student": test_mse(plain), "distilled student": test_mse(distilled)}
for name, error in errors.items():
    print(f"{name:18} test MSE against the clean signal {error:.3f}")
noiseless = clean.unfold(0, lookback + horizon, 1)[few, lookback:]
targets = {"teacher's forecast": teacher_y, "noisy truth": y[few]}
off = {name: F.mse_loss(target, noiseless).item() for name, target in targets.items()}
print("how far the targets of training lie from the clean signal:", {name: round(far, 3) for name, far in off.items()})

# %% [markdown]
# What does each term do? Train the student without it, all else equal. One seed on one toy signal: give `distil` other
# seeds before you believe a small difference.

# %% tags=["nbval-ignore-output"]
changes = {}
for name in terms(distilled, projector, torch.arange(2)):
    changes[name] = 100 * (test_mse(distil(without=(name,))[0]) / errors["distilled student"] - 1)
    print(f"without {name:4} the test MSE changes by {changes[name]:+5.1f}%")
print(f"the largest change: without {max(changes, key=lambda name: abs(changes[name]))}")

# %% [markdown]
# ## Where along the horizon?
# Above the errors in one window, below their root mean square over all test windows.
#
# **Predict first:** the plain student saw few, noisy windows, many times over. Where along the horizon is its error the
# larger one: at the first steps, at the last, or at all alike?

# %%
with torch.no_grad():
    truth = clean.unfold(0, lookback + horizon, 1)[test, lookback:]
    pairs = zip(errors, (teacher, plain, distilled), strict=True)
    off = {name: forward(model, x[test])[0] - truth for name, model in pairs}
figure, (above, below) = plt.subplots(2, 1, figsize=(7, 3.4), sharex=True, layout="constrained")
for (name, each), colour in zip(off.items(), ("#E69F00", "#0072B2", "#009E73"), strict=True):
    _ = above.plot(each[100], color=colour, label=name)
    _ = below.plot(each.square().mean(0).sqrt(), color=colour)
_ = above.axhline(0, color="black")
_ = above.set(ylabel="forecast - truth")
_ = below.set(xlabel="step of the horizon", ylabel="root mean square", ylim=(0, None))
_ = figure.legend(loc="outside right center")
keep(figure, "01_students", "Errors of teacher, plain and distilled student by step, in one window and over all.")

# %% tags=["nbval-ignore-output"]
print("How much do a student's errors resemble its teacher's? Their correlation over all windows and steps:")
for name in ("plain student", "distilled student"):
    both = torch.stack([off[name].flatten(), off["teacher"].flatten()])
    print(f"{name:18} {torch.corrcoef(both)[0, 1].item():.2f}")

# %% [markdown]
# ## The library computes the same
# `tdlib` has the same two functions with a few more choices. On these forecasts and features they agree:

# %%
from tdlib import losses

with torch.no_grad():
    (ours, feature), theirs = forward(distilled, x[few]), teacher_y
    target = projector(teacher_f)
    for a, b in ((ours, theirs), (feature, target)):
        torch.testing.assert_close(multi_scale(a, b), losses.multi_scale(a, b, dim=1))
        torch.testing.assert_close(multi_period(a, b), losses.multi_period(a, b, dim=1))
print("equal, for forecasts and for features")

# %% [markdown]
# ## What we see
# * Both patterns are a few lines each; neither needs more than the two outputs of the student and the
#   teacher's stored ones.
# * Teaching can help where the teacher's forecasts lie closer to the clean signal than the noisy truth: both distances
#   are printed above. Whether that is why is not shown here: page 17 trains students on other targets, smooth ones
#   among them.
# * The naive divergence has a gradient that is not a number where the signal is loud; ours has one that is finite.
# * The floor bounds the divergence of two distributions that have nothing in common.

# %% [markdown]
# ## Exercises
# ### Exercise 1 (code): what does a scale notice?
# Two students are off by 1 at every step: one by +1 throughout, the other by +1 and -1 in turn. Their MSE is the same.
# Work out $S$ of each by hand for $M = 3$, then check with `multi_scale`.

# %% tags=["hide-cell"]
target = torch.zeros(1, horizon)
level, zigzag = target + 1, target + torch.tensor([1.0, -1.0]).repeat(horizon // 2)
assert F.mse_loss(level, target) == F.mse_loss(zigzag, target) == 1
assert multi_scale(level, target) == 1  # a mean of ones is one: it counts at all four scales
assert multi_scale(zigzag, target) == 1 / 4  # a pair's mean is zero: it counts at scale 0 alone
print("off in level: S = 1; off in turn: S = 1/4. An error in the course weighs 4 times one in the details.")

# %% [markdown]
# ### Exercise 2 (thought): what is each pattern deaf to?
# A student forecasts the teacher's curve, but a few steps too late. Which of the two patterns notices? And which one
# notices a curve that is right but for a constant added to it? Answer before you open this.
#
# <details><summary>Solution</summary>
#
# The amplitudes of a Fourier transform do not know *when* a wave has its crest: $P$ is deaf to a shift around the
# circle, and, without bin 0, to a constant. $S$ compares step with step and notices both. So $P$ cannot stand alone:
# it needs a part that knows of time, the MSE or $S$. Here is the check:
#
# </details>

# %% tags=["hide-cell"]
late, raised = torch.roll(y[:50], 5, dims=1), y[:50] + 1
for changed in (late, raised):
    assert multi_period(changed, y[:50]).abs() < 1e-4
    assert multi_scale(changed, y[:50]) > 0.1
print(f"S of the late one {multi_scale(late, y[:50]):.2f}, of the raised one {multi_scale(raised, y[:50]):.2f}; P is 0")

# %% [markdown]
# ### Exercise 3 (code): which level does the work here?
# Train the student again, from the same weights, with the teacher's forecasts alone and with its features alone.
# Compare with the plain and the distilled student above. It takes seconds.

# %% tags=["hide-cell", "nbval-ignore-output"]
for name, without in {"forecasts alone": ("S(f)", "P(f)"), "features alone": ("S(y)", "P(y)")}.items():
    errors[name] = test_mse(distil(without=without)[0])
for name, error in sorted(errors.items(), key=lambda entry: entry[1]):
    print(f"{name:18} {error:.3f}")
print("One seed on one toy signal: which level helps more elsewhere is the question of page 06.")
