"""What a member does with the model at home: some steps on its records, with per-record clipping and noise (DP-SGD).

A record is a task: its text as a vector, and how this member's workers voted on it. It depends on no other record, so a record
that was not there changes one clipped gradient a step. DP-SGD: Abadi et al. 2016 (https://doi.org/10.1145/2976749.2978318), by
Opacus (Yousefpour et al. 2021, https://arxiv.org/abs/2109.12298), whose accountant fits the noise to (epsilon, delta) in all.

    g = sum of clip(gradient of r) over the records r that are drawn, each with chance `sample`, + clip noise N(0, 1)
    theta -= rate g / (sample n)

    loss of a record = - sum over classes of its votes' share times log P(class | text)
"""

from __future__ import annotations

import math
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from oracle.federated.plan import Plan
from oracle.protocol.errors import BadInput
from oracle.verification.embed import one_thread

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Records:
    """What a member trains on; never leaves it."""

    text: Float32  # [n, E]
    share: Float32  # [n, C] of the votes, rows add up to 1

    def __len__(self) -> int:
        return len(self.text)


def check(records: Records, plan: Plan) -> None:
    """Raises BadInput for what this plan cannot train on."""
    shapes = [("text", records.text, plan.width), ("share", records.share, plan.classes)]
    for name, array, width in shapes:
        if array.ndim != 2 or array.shape[1] != width or len(array) != len(records):
            raise BadInput(f"{name}: the plan takes rows of {width} numbers, got an array of shape {array.shape}")
        if not np.isfinite(array).all():
            raise BadInput(
                f"{name}: row {np.flatnonzero(~np.isfinite(array).all(1))[0]} holds NaN or an infinite number"
            )
    if len(records) < 2:
        raise BadInput(f"{len(records)} records: at least two are needed to train")
    if plan.epsilon and plan.delta > 1 / len(records):
        raise BadInput(f"delta {plan.delta:g} is more than one of {len(records)} records: it would protect nobody")


def begin(plan: Plan) -> Float32:
    """Where every model begins: it prefers no class. [D]"""
    return np.zeros(plan.numbers, np.float32)


def packed(model: Float32) -> bytes:
    """As it lies in the store."""
    return model.astype("<f4").tobytes()


def network(plan: Plan, model: Float32) -> nn.Linear:
    """Text vector [E] -> scores of classes [C]. `model`: weights [C, E], then constants [C]."""
    net = nn.Linear(plan.width, plan.classes)
    values = torch.from_numpy(model.astype(np.float32))
    with torch.no_grad():
        net.weight.copy_(values[: -plan.classes].reshape(plan.classes, plan.width))
        net.bias.copy_(values[-plan.classes :])
    return net


def proba(plan: Plan, model: Float32, text: Float32) -> Float:
    """P(class | text) [n, C]"""
    net = network(plan, model)
    with torch.inference_mode(), one_thread():
        return np.asarray(torch.softmax(net(torch.from_numpy(text)), 1).double().numpy())


def noise(plan: Plan) -> float:
    """Standard deviations of noise, in clips, for (epsilon, delta) over all steps of the plan; 0 without."""
    return _noise(plan.epsilon, plan.delta, plan.sample, plan.rounds * plan.steps) if plan.epsilon else 0.0


@cache
def _noise(epsilon: float, delta: float, sample: float, steps: int) -> float:
    with _opacus():
        from opacus.accountants.utils import get_noise_multiplier  # noqa: PLC0415 - an extra

        return float(
            get_noise_multiplier(
                target_epsilon=epsilon, target_delta=delta, sample_rate=sample, steps=steps, accountant="rdp"
            )
        )


@contextmanager
def _opacus() -> Iterator[None]:
    """Without its advice (orders of the accountant, hooks on a model of one layer). Raises BadInput where it is not installed."""
    if not find_spec("opacus"):
        raise BadInput("noise needs Opacus: pip install 'crowdproof[federated]', or a plan with epsilon 0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def spent(plan: Plan, multiplier: float, steps: int) -> float:
    """epsilon at the plan's delta after so many steps."""
    if not multiplier or not steps:
        return math.inf if steps else 0.0
    with _opacus():
        from opacus.accountants import RDPAccountant  # noqa: PLC0415 - an extra

        accountant = RDPAccountant()
        accountant.history = [(multiplier, plan.sample, steps)]
        return float(accountant.get_epsilon(plan.delta))


def update(plan: Plan, model: Float32, records: Records, multiplier: float, seed: int | None = None) -> Float:
    """[D + 1] what this member adds to the sum of a round: weight times the change of the model, and the weight.

    The change is no longer than the plan's `bound`. `seed`: None takes the system's randomness, which noise needs to protect.
    """
    luck = torch.Generator().manual_seed(secrets.randbits(63) if seed is None else seed)
    with one_thread():
        after = _steps(plan, model, records, multiplier, luck)
    change = after.astype(np.float64) - model
    length = float(np.linalg.norm(change))
    if not math.isfinite(length):
        raise BadInput("training gave NaN or an infinite number: lower the plan's rate")
    weight = min(1.0, len(records) / plan.full)
    return np.append(weight * change * min(1.0, plan.bound / max(length, 1e-12)), weight)


def _steps(plan: Plan, model: Float32, records: Records, multiplier: float, luck: torch.Generator) -> Float32:
    text, share = torch.from_numpy(records.text), torch.from_numpy(records.share)
    pace = plan.rate / (plan.sample * len(records))
    net = network(plan, model)
    if multiplier:
        return _private_steps(plan, net, text, share, multiplier, pace, luck)
    with torch.inference_mode():
        for _ in range(plan.steps):
            drawn = torch.rand(len(records), generator=luck) < plan.sample
            off = (torch.softmax(net(text), 1) - share) * drawn[:, None]  # [n, C] gradient of the loss by the scores
            net.weight.sub_(off.T @ text, alpha=pace)
            net.bias.sub_(off.sum(0), alpha=pace)
    return _flat(net)


def _private_steps(
    plan: Plan, net: nn.Linear, text: Tensor, share: Tensor, multiplier: float, pace: float, luck: torch.Generator
) -> Float32:
    with _opacus():
        from opacus import GradSampleModule  # noqa: PLC0415 - an extra
        from opacus.optimizers import DPOptimizer  # noqa: PLC0415 - an extra

        seen = GradSampleModule(net, loss_reduction="sum")
        optimiser = DPOptimizer(
            torch.optim.SGD(seen.parameters(), lr=pace),
            noise_multiplier=multiplier,
            max_grad_norm=plan.clip,
            expected_batch_size=None,
            loss_reduction="sum",
            generator=luck,
        )
        for _ in range(plan.steps):
            rows = torch.nonzero(torch.rand(len(text), generator=luck) < plan.sample)[:, 0]
            optimiser.zero_grad()
            loss = -(share[rows] * torch.log_softmax(seen(text[rows]), 1)).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return _flat(net)


def _flat(net: nn.Module) -> Float32:
    return np.concatenate([p.detach().numpy().ravel() for p in net.parameters()]).astype(np.float32)
