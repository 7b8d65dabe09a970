"""What the decided tasks of a job say about agreement, confidence and each worker; from the epochs' public data."""

from collections import Counter

from api import schemas
from api.reader import Reader
from oracle.protocol import scoring
from oracle.protocol.leaves import Status

BINS = 10


def of_job(reader: Reader, number: int) -> schemas.Statistics:
    """Krippendorff's alpha and counts; quality of a worker is its agreement with the verdicts."""
    from oracle.verification.types.agreement import nominal  # noqa: PLC0415 - numpy, for those who ask

    job = reader.job(number)
    bins, labels, sure = [0] * BINS, Counter[str](), []
    units: list[int] = []
    values: list[int] = []
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
            units.append(verdict.task)
            values.append(core.label)
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
        agreement=nominal(units, values) if units and not job.terms.free else None,
        mean_confidence=sum(sure) / len(sure) if sure else None,
        confidence=bins,
        labels=dict(labels),
        workers=workers,
    )
