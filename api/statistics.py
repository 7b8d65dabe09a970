"""What the decided tasks of a job say about agreement, confidence and each worker; from the epochs' public data."""

from collections import Counter
from collections.abc import Sequence

from api import schemas
from api.reader import Reader
from oracle.protocol import scoring
from oracle.protocol.leaves import Status, Verdict
from oracle.protocol.state import Job

BINS = 10


def of_job(reader: Reader, number: int) -> schemas.Statistics:
    """Krippendorff's alpha and counts; quality of a worker is its agreement with the verdicts."""
    job = reader.job(number)
    bins, labels, sure = [0] * BINS, Counter[str](), []
    answers: Counter[int] = Counter()
    counted: Counter[int] = Counter()
    agreed: Counter[int] = Counter()
    paid: Counter[int] = Counter()
    decided = reader.verdicts(number)
    for post, _, verdict in decided:
        weights = reader.epoch(post).weights
        listed = [core for core in verdict.cores if core.status is Status.COUNTED]
        confidence = scoring.confidence(verdict.prior, [weights[core.row].row for core in listed])
        sure.append(confidence)
        bins[min(int(confidence * BINS), BINS - 1)] += 1
        labels[reader.name(post, verdict, verdict.label)] += 1
        answers.update(core.worker for core in verdict.cores)
        for core in listed:
            counted[core.worker] += 1
            agreed[core.worker] += core.label == verdict.label
            paid[core.worker] += scoring.pay(job.terms, core.label, verdict.label) * reader.unit
    workers = [
        schemas.WorkerQuality(
            worker=worker,
            answers=answers[worker],
            counted=counted[worker],
            agreed=agreed[worker],
            agreement=agreed[worker] / counted[worker] if counted[worker] else None,
            paid=paid[worker],
        )
        for worker in sorted(answers)
    ]
    return schemas.Statistics(
        job=number,
        decided=len(decided),
        answers=sum(answers.values()),
        agreement=_agreement(reader, job, [verdict for _, _, verdict in decided]),
        mean_confidence=sum(sure) / len(sure) if sure else None,
        confidence=bins,
        labels=dict(labels),
        workers=workers,
    )


def _agreement(reader: Reader, job: Job, verdicts: Sequence[Verdict]) -> float | None:
    """Krippendorff's alpha of the answers that count."""
    from oracle.services.candidates import agreement  # noqa: PLC0415 - numpy, for those who ask
    from oracle.verification.types.agreement import nominal  # noqa: PLC0415

    counted = [
        (verdict.task, core, opening)
        for verdict in verdicts
        for core, opening in zip(verdict.cores, verdict.openings, strict=True)
        if core.status is Status.COUNTED
    ]
    if job.terms.free:
        asked = reader.content(job)[0].document["answer"]["asked"]
        return agreement(asked, [(task, core.worker, opening.payload) for task, core, opening in counted])
    return nominal([task for task, *_ in counted], [core.label for _, core, _ in counted]) if counted else None
