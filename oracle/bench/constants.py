"""The engine's constants, chosen anew without each recorded crowd: what the choice itself is worth.

`crowdproof bench truth --constants`: the models are fitted once a crowd; each constant by which they are mixed is then tried at
several values. Left out in turn, a crowd is judged by the value that has the lowest mean log-loss on the others.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.bench.truth import MACHINES, MEASURES, SMALL, Crowd, read_crowds
from oracle.verification.scores import calibration_error, losses, right

GRID: Mapping[str, tuple[float, ...]] = {
    "rho": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "most": (3.0, 6.0, 9.0, 15.0, 30.0),
    "loyalty": (0.0, 0.5, 1.0, 1.5, 2.0, 3.0),
}
Measured = NDArray[np.float64]  # [sets, 3] accuracy, log-loss and ECE


def constants(data: Path, names: Sequence[str] = ()) -> dict[str, Any]:
    """Raises BadInput for a folder without sets."""
    crowds = [crowd for crowd in read_crowds(data, names)[0] if not crowd.name.startswith(MACHINES)]
    small = np.array([len(crowd.answers.label) < SMALL for crowd in crowds])
    tried = [_tried(crowd) for crowd in crowds]
    found = {name: _chosen(values, np.stack([one[name] for one in tried]), small) for name, values in GRID.items()}
    return {"sets": [crowd.name for crowd in crowds], "constants": found}


def text(d: dict[str, Any]) -> str:
    lines = ["  accuracy over all sets, log-loss and ECE over those under 30,000 answers"]
    for name, one in d["constants"].items():
        lines += [f"  {name} {value:<5} " + _figures(figures) for value, figures in one["values"].items()]
        lines.append(f"  {name} as chosen without each set: " + _figures(one["left_out"]) + f"; chosen {one['chosen']}")
    return "\n".join(lines)


def _figures(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{measure} {figures[measure]:.4f}" for measure in MEASURES)


def _tried(crowd: Crowd) -> dict[str, Measured]:
    """Each constant at each of its values, the others as they are: [values, 3]."""
    from oracle.verification import engine  # noqa: PLC0415 - loads for most of a second
    from oracle.verification.layout import floats, lay_out, of_classes  # noqa: PLC0415

    answers = crowd.answers
    arrays = (answers.task, answers.worker, answers.label)
    sizes = (len(answers.tasks), len(answers.workers), len(answers.classes))
    state = engine.infer(*arrays, *sizes).state
    widths = [sizes[2] * voice.kinds for voice in engine.VOICES]
    defaults = {"rho": engine.RHO, "most": engine.MOST, "loyalty": engine.LOYALTY}
    layout = lay_out(*arrays, *sizes)
    tables = np.split(state.tables.astype(layout.dtype), np.cumsum(widths)[:-1], 1)
    posteriors, share = [of_classes(table, sizes[2]) for table in tables], engine.heard(layout)

    def measured(constant: Mapping[str, float]) -> Measured:
        effect = engine.design_effect(layout.votes.sum(1), constant["rho"], constant["most"])
        mean = floats(engine.mix(posteriors, share, effect, constant["loyalty"])[0])
        return _scored(mean / mean.sum(1, keepdims=True), crowd.gold)

    return {name: np.stack([measured({**defaults, name: value}) for value in values]) for name, values in GRID.items()}


def _scored(posterior: NDArray[np.float64], gold: NDArray[np.int32]) -> Measured:
    known = gold >= 0
    hits = right(posterior[known], gold[known])
    loss = losses(posterior[known], gold[known])
    return np.array([hits.mean(), loss.mean(), calibration_error(posterior[known].max(1), hits)])


def _chosen(values: Sequence[float], table: NDArray[np.float64], small: NDArray[np.bool_]) -> dict[str, Any]:
    """table [sets, values, 3]."""
    total = table[small, :, 1].sum(0)  # [values] log-loss
    best = [int((total - small[s] * table[s, :, 1]).argmin()) for s in range(len(table))]
    left_out = np.stack([table[s, best[s]] for s in range(len(table))])  # [sets, 3]
    picked = sorted({values[b] for b in best})
    return {
        "values": {str(value): _means(table[:, v], small) for v, value in enumerate(values)},
        "left_out": _means(left_out, small),
        "chosen": picked,
    }


def _means(table: NDArray[np.float64], small: NDArray[np.bool_]) -> dict[str, float]:
    which = small if small.any() else np.ones(len(table), bool)
    figures = (table[:, 0].mean(), table[which, 1].mean(), table[which, 2].mean())
    return dict(zip(MEASURES, map(float, figures), strict=True))
