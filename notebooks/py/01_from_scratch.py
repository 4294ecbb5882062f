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
from functools import partial
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
# Halve the time axis by averaging pairs of steps, three times, and compare at every scale:
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
# The amplitudes of the Fourier transform say how strong each period is. Without bin 0 (the mean), and
# through a softmax with temperature $\tau$, they are a distribution over periods; the student's is compared
# with the teacher's by a Kullback-Leibler divergence:
#
# $$A = |\mathrm{rfft}(x)|_{1..H/2}, \qquad Q(x) = \mathrm{softmax}(A / \tau), \qquad
# P(a, b) = \frac{1}{H/2} \sum_i Q_i(b) \left[\log Q_i(b) - \log\left(Q_i(a) + \varepsilon\right)\right],
# \qquad \varepsilon = 10^{-8}$$
#
# Two things are not in a textbook's divergence and belong to the method as it was published: the **mean** over the
# frequencies instead of the sum, 1/24 of it at this horizon, and the **floor** $\varepsilon$ under the student's share.


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
shares = log_periods(y[:200]).exp().mean(0)
figure, axis = plt.subplots(figsize=(7, 2.2), layout="constrained")
_ = axis.bar(range(1, 25), shares.numpy(), color="black")
marked = (1, 2, 3, 4, 6, 8, 12, 24)
_ = axis.set(xlabel="period [steps]", ylabel="share of Q", xticks=marked)
_ = axis.set_xticklabels([f"{horizon / i:.3g}" for i in marked])
keep(figure, "01_periods", "Bars of Q by period: those of 24 and 8 steps share nearly all of it.")

# %% [markdown]
# ### What the floor does
# A wave of 24 steps is to be matched by a student that hears 8 steps, both louder and louder. The exact divergence
# grows with the loudness; with the floor it ends at $-\log 10^{-8}$, and its gradient fades where the student has no
# share left to give. Hidden features are that loud; page 06 trains a student with neither the floor nor the mean over
# the periods.

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
# layer.


# %%
def network(*layers, width):
    head = nn.Sequential(nn.ReLU(), nn.Linear(width, horizon))
    return nn.ModuleDict({"body": nn.Sequential(*layers), "head": head})


def forward(network, x):
    feature = network["body"](x)
    return network["head"](feature), feature


def new_student():
    _ = torch.manual_seed(1)
    return network(nn.Linear(96, 64), width=64)


filters = nn.Sequential(nn.Unflatten(1, (1, 96)), nn.Conv1d(1, 32, 9, stride=3), nn.GELU(), nn.Flatten())
teacher = network(filters, nn.Linear(32 * 30, 256), width=256)

# %% [markdown]
# Ordinary training, for the teacher on many windows and for a plain student on few:


# %%
def train(weights, loss, count, epochs):
    optimizer = torch.optim.Adam(weights, lr=2e-3)
    for _ in range(epochs):
        for index in torch.randperm(count).split(50):
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
train(teacher.parameters(), supervised(teacher, x[many], y[many]), 4000, epochs=6)
plain = new_student()
train(plain.parameters(), supervised(plain, x[few], y[few]), len(x[few]), epochs=60)

# %% [markdown]
# ## The distillation step
# The teacher is frozen: its outputs are computed **once**. Its feature is wider than the student's, so a
# small projector $G$ brings it to the student's width; $G$ learns together with the student and is thrown
# away. The loss is the sum of five terms; delete one and see what happens:
#
# $$L = \mathrm{MSE}(\hat y_s, y) + \alpha\,[S(\hat y_s, \hat y_t) + P(\hat y_s, \hat y_t)]
#     + \beta\,[S(f_s, G(f_t)) + P(f_s, G(f_t))]$$

# %%
with torch.no_grad():
    teacher_y, teacher_f = forward(teacher, x[few])

projector = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 64))
distilled = new_student()


def distillation(index, alpha=2.0, beta=0.1):
    student_y, student_f = forward(distilled, x[few][index])
    target_y, target_f = teacher_y[index], projector(teacher_f[index])
    level_y = multi_scale(student_y, target_y) + multi_period(student_y, target_y)
    level_f = multi_scale(student_f, target_f) + multi_period(student_f, target_f)
    return F.mse_loss(student_y, y[few][index]) + alpha * level_y + beta * level_f


# %%
train([*distilled.parameters(), *projector.parameters()], distillation, len(x[few]), epochs=60)

# %% tags=["nbval-ignore-output"]
errors = {"teacher": test_mse(teacher), "plain student": test_mse(plain), "distilled student": test_mse(distilled)}
for name, error in errors.items():
    print(f"{name:18} test MSE against the clean signal {error:.3f}")
assert errors["distilled student"] < errors["plain student"]
noiseless = clean.unfold(0, lookback + horizon, 1)[few, lookback:]
targets = {"teacher's forecast": teacher_y, "noisy truth": y[few]}
off = {name: F.mse_loss(target, noiseless).item() for name, target in targets.items()}
print("how far the targets of training lie from the clean signal:", {name: round(far, 3) for name, far in off.items()})
assert off["teacher's forecast"] < off["noisy truth"]

# %% [markdown]
# ## One forecast of each
# Above the truth without its noise, below what each forecast adds to it.
#
# **Predict first:** the plain student saw few, noisy windows, many times over. What will its errors look like from step
# to step, and whose errors will the distilled student's resemble?

# %%
figure, (above, axis) = plt.subplots(2, 1, figsize=(7, 3.4), sharex=True, layout="constrained")
truth = clean[4300 + lookback : 4300 + lookback + horizon]
_ = above.plot(truth, color="black", label="clean truth")
colours = {"teacher": "#E69F00", "plain student": "#0072B2", "distilled student": "#009E73"}
for (name, colour), model in zip(colours.items(), (teacher, plain, distilled), strict=True):
    _ = axis.plot(forward(model, x[4300:4301])[0][0].detach() - truth, color=colour, label=name)
_ = axis.axhline(0, color="black")
_ = above.set(ylabel="value")
_ = axis.set(xlabel="step of the horizon", ylabel="forecast - truth")
_ = figure.legend(loc="outside right center")
keep(figure, "01_students", "The clean truth, and below it the errors of teacher, plain and distilled student by step.")

# %% [markdown]
# One window may mislead. Over all of them the distilled student errs more as its teacher does:

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    truth = clean.unfold(0, lookback + horizon, 1)[test, lookback:]
    off = {
        name: forward(model, x[test])[0] - truth
        for name, model in zip(errors, (teacher, plain, distilled), strict=True)
    }
alike = {}
for name in ("plain student", "distilled student"):
    both = torch.stack([off[name].flatten(), off["teacher"].flatten()])
    alike[name] = torch.corrcoef(both)[0, 1].item()
    print(f"{name:18} its errors' correlation with the teacher's: {alike[name]:.2f}")
assert alike["distilled student"] > alike["plain student"]

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
# * On few noisy windows the distilled student comes closer to the clean signal than the plain one, and the teacher's
#   forecasts of those windows lie closer to it than their noisy truth. Whether that is why is not shown here: page 17
#   trains students on other targets, smooth ones among them.
# * The naive divergence has a gradient that is not a number where the signal is loud; ours has one that is finite.
# * The floor bounds the divergence of two distributions that have nothing in common. It is part of the method, not of
#   its numerics.

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
# Train the student again, from the same weights, with the teacher's forecasts alone ($\beta = 0$) and with its
# features alone ($\alpha = 0$). Compare with the plain and the distilled student above. It takes seconds.

# %% tags=["hide-cell", "nbval-ignore-output"]
for name, weights in {"forecasts alone": (2.0, 0.0), "features alone": (0.0, 0.1)}.items():
    distilled, projector = new_student(), nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 64))
    loss = partial(distillation, alpha=weights[0], beta=weights[1])
    train([*distilled.parameters(), *projector.parameters()], loss, len(x[few]), epochs=60)
    errors[name] = test_mse(distilled)
for name, error in sorted(errors.items(), key=lambda entry: entry[1]):
    print(f"{name:18} {error:.3f}")
print("One seed on one toy signal: which level helps more elsewhere is the question of page 06.")
