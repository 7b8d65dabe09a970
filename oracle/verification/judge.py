"""The whole judgement of a crowd: rings become one voice, models are averaged, integers are fitted, verdicts are certified.

Answers in (arrays [N] and the sizes T, K, C); `believe` says what is probably true and why, `decide` what stands on record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oracle.compute import CPU, LOCAL, Compute
from oracle.verification.calibrate import calibrated
from oracle.verification.certify import Certificate, certify
from oracle.verification.engine import History, Inference, infer
from oracle.verification.layout import Float, Int32, checked, known_classes
from oracle.verification.machines import Machines, together
from oracle.verification.record import ONE, PRIOR_CAP, WEIGHT_CAP, Record, record
from oracle.verification.rings import Merged, Ring, merge, rings


@dataclass(frozen=True, slots=True)
class Crowd:
    """N answers to T tasks by K workers in C classes, each worker at most once a task."""

    task: Int32  # [N]
    worker: Int32  # [N]
    label: Int32  # [N]
    tasks: int
    workers: int
    classes: int

    @property
    def arrays(self) -> tuple[Int32, Int32, Int32, int, int, int]:
        return self.task, self.worker, self.label, self.tasks, self.workers, self.classes


@dataclass(frozen=True, slots=True)
class Belief:
    """What the engine believes of a crowd, and as how many voices it heard it."""

    crowd: Crowd
    rings: tuple[Ring, ...]
    machines: Machines | None
    merged: Merged  # the answers with each ring, and the machines, as one voice
    inference: Inference
    posterior: Float  # [T, C] the engine's; where enough tasks are known, at the temperature that fits them
    tau: float  # that temperature; 1 without


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of record, and which verdicts of it are certified."""

    record: Record
    certified: NDArray[np.bool_]  # [T]
    agrees: NDArray[np.bool_]  # [T] whether the record says what the engine says
    certificate: Certificate  # of the record against silent voices and suspected groups

    def reason(self, task: int) -> str:
        """Why the task is certified, or why not, in words."""
        if not self.agrees[task]:
            return "the decision of record and the engine part"
        return self.certificate.reason(task)


def crowd(task: ArrayLike, worker: ArrayLike, label: ArrayLike, tasks: int, workers: int, classes: int) -> Crowd:
    """Raises BadInput naming the array, the place and the range."""
    return Crowd(*checked(task, worker, label, tasks, workers, classes), tasks, workers, classes)


def believe(
    of: Crowd,
    *,
    gold: ArrayLike | None = None,
    history: History | None = None,
    machines: ArrayLike = (),
    merging: bool = True,
    device: str = CPU,
    compute: Compute = LOCAL,
) -> Belief:
    """Rings are looked for and merged first (`merging`), so that whoever copies has one voice; so have `machines` [workers].

    gold [T]: class, or negative; it is held, it teaches, and it calibrates (oracle.verification.calibrate).
    """
    models = together(*of.arrays, machines)
    found = rings(*_people(of, models).arrays, known=gold) if merging else ()
    now = merge(of.task, of.worker, of.label, found, of.workers, of.classes, models)

    def judged(known: ArrayLike | None) -> Inference:
        sizes = (of.tasks, of.workers, of.classes)
        arrays = (now.task, now.worker, now.label, *sizes)
        return infer(*arrays, gold=known, history=history, device=device, compute=compute)

    inference = judged(gold)
    posterior, tau = inference.posterior, 1.0
    if (known := known_classes(gold, of.tasks, of.classes)) is not None:
        posterior, tau = calibrated(posterior, known, lambda told: judged(told).posterior)
    return Belief(of, found, models, now, inference, posterior, tau)


def _people(of: Crowd, models: Machines | None) -> Crowd:
    """Without the machines, of whom it is known that they share more than the truth."""
    if models is None:
        return of
    human = ~np.isin(of.worker, models.workers)
    return replace(of, task=of.task[human], worker=of.worker[human], label=of.label[human])


def decide(
    belief: Belief, *, weight_cap: int = WEIGHT_CAP, prior_cap: int = PRIOR_CAP, fitted: bool = True
) -> Decision:
    """The integers of record over all answers as they were given, a ring's members each a part of its voice.

    A verdict is certified if the record says what the engine says, and no single voice, no ring, no suspected minority, and not the
    machines together, could turn it by falling silent. A suspected majority is the crowd itself: without it nothing is left to
    compare with.
    """
    options = {"weight_cap": weight_cap, "prior_cap": prior_cap}
    of = belief.crowd
    found = record(*of.arrays, belief.posterior, part=belief.merged.part, fitted=fitted, **options)
    agrees = found.labels == belief.posterior.argmax(1)
    groups = [ring.workers for ring in belief.rings if ring.merges or 2 * ring.answers <= len(of.task)]
    groups += [belief.machines.workers] if belief.machines else []
    stands = certify(of.task, of.worker, found.row_weight[found.row] / ONE, found.priors / ONE, groups=groups)
    return Decision(found, agrees & stands.certified, agrees, stands)
