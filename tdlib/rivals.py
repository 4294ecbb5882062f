"""What other distillations add, as parts of the same loss and the same loop: the yardstick of page 07.

    Hinton et al. 2015      the forecasts alone:    terms = supervised, scale_forecast    with scales = 0
    FitNets, Romero 2015    the features alone:     terms = supervised, scale_feature     with scales = 0
    CAKD, Xu et al. 2022    both below, beside the forecasts (Neurocomputing, doi 10.1016/j.neucom.2021.04.139)
    LightTS, Campos 2023    several teachers, weighted by what helps the student (arXiv 2302.12721)

    adversarial    a discriminator d tells features apart, the student learns to fool it:
                   max over f_s, min over d   BCE(d(G(f_t)), 1) + BCE(d(f_s), 0)
    contrastive    of all windows of the batch, a student's feature must be closest to its own teacher's:
                   -log softmax_j( <f_s[i], G(f_t)[j]> / tau )[i]      features at length 1
    adaptive       l_k weighs teacher k;  l_k <- l_k exp(step * cos(g_val, g_k)) / sum

Shapes: B batch, C channels, D student width, K teachers, H horizon.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TERMS = ("adversarial_feature", "contrastive_feature")


class _Reverse(torch.autograd.Function):
    """The identity; its gradient has the opposite sign, so that one minimiser serves both players."""

    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        return -gradient


class Discriminator(nn.Module):
    """d: how much a feature [B, C, D] looks like a teacher's."""

    def __init__(self, width: int):
        super().__init__()
        self.judge = nn.Sequential(nn.Linear(width, width // 2 + 1), nn.LeakyReLU(0.2), nn.Linear(width // 2 + 1, 1))

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The two cross entropies. The projector is not a player: it would meet the student half-way, at nothing."""
        real, fake = self.judge(teacher.detach()), self.judge(_Reverse.apply(student))
        return F.softplus(-real).mean() + F.softplus(fake).mean()


def contrastive(student: Tensor, teacher: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE between the windows of a batch [B, C, D]; zero for a batch of one, which has no other window."""
    s, t = F.normalize(student.flatten(1), dim=1), F.normalize(teacher.flatten(1), dim=1)  # [B, C D]
    return F.cross_entropy(s @ t.T / temperature, torch.arange(len(s), device=s.device))


def alignment(model: nn.Module, goal: Tensor, losses: list[Tensor]) -> Tensor:
    """cos(g_val, g_k), [K]: whether a step along the gradient of each loss would lower `goal`.

    With theta' = theta - rate * sum_k l_k g_k, the derivative of the validation error by l_k is
    -rate <g_val, g_k>: LightTS's outer problem after one step of the inner one. The cosine leaves out
    how loud a gradient is.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]

    def flat_gradient(loss: Tensor) -> Tensor:
        parts = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True, retain_graph=True)
        return torch.cat([part.flatten() for part in parts])

    wanted = flat_gradient(goal)
    return torch.stack([F.cosine_similarity(wanted, flat_gradient(loss), dim=0) for loss in losses])
