"""A job's results as files: JSONL, CSV, Parquet, a CAR with everything that proves them, and Croissant metadata.

Rows are the same in each: one decided task, its label, confidence, raw answers, and where its proof stands.
"""

import csv
import io
import json
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from api.reader import Reader
from oracle.adapters.car import write_car
from oracle.protocol import free, payloads, scoring
from oracle.protocol.cids import Codec, from_digest
from oracle.protocol.errors import BadInput
from oracle.protocol.leaves import Status
from oracle.protocol.plain import to_json
from oracle.protocol.state import Job

COLUMNS = (
    "task",
    "id",
    "payload",
    "label",
    "confidence",
    "answers",
    "epoch",
    "status",
    "index",
    "content",
    "leaf",
    "transaction",
)
TYPES = {
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "car": "application/vnd.ipld.car",
    "croissant": "application/ld+json",
}


def response(reader: Reader, number: int, job: Job, kind: str, key: bytes | None) -> Response:
    """`key`: opens sealed payloads; without it they stay as they are stored."""
    headers = {"Content-Disposition": f'attachment; filename="job-{number}.{_ending(kind)}"'}
    if kind == "car":
        return Response(_car(reader, number, job), media_type=TYPES[kind], headers=headers)
    if kind == "croissant":
        return JSONResponse(croissant(reader, number, job), media_type=TYPES[kind], headers=headers)
    made = ROWS[kind](rows(reader, number, job, key))
    return Response(made, media_type=TYPES[kind], headers=headers)


def rows(reader: Reader, number: int, job: Job, key: bytes | None) -> list[dict[str, Any]]:
    """Ascending by task."""
    tasks = reader.content(job)[1]
    found = []
    for post, index, verdict in reader.verdicts(number):
        weights, named = reader.epoch(post).weights, dict(enumerate(reader.classes(post, verdict)))
        counted = [weights[core.row].row for core in verdict.cores if core.status is Status.COUNTED]
        task = tasks[verdict.task]
        answers = [
            {
                "worker": core.worker,
                "label": named.get(core.label, "") if core.status is Status.COUNTED else None,
                "status": Status(core.status).name.lower(),
                "text": free.text_of(opening.payload) if job.terms.free else None,
            }
            for core, opening in zip(verdict.cores, verdict.openings, strict=True)
        ]
        found.append(
            {
                "task": verdict.task,
                "id": task.id,
                "payload": to_json(payloads.open_payload(task, key) if key else task.payload),
                "label": named.get(verdict.label, ""),
                "confidence": scoring.confidence(verdict.prior, counted),
                "answers": answers,
                "epoch": post.epoch,
                "status": post.status.value,
                "index": index,
                "content": from_digest(Codec.DAG_CBOR, post.content),
                "leaf": "0x" + verdict.leaf().hex(),
                "transaction": "0x" + post.transaction.hex(),
            }
        )
    return found


def croissant(reader: Reader, number: int, job: Job) -> dict[str, Any]:
    """Metadata of the JSONL export (Croissant 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec.html)."""
    manifest, _ = reader.content(job)
    kinds = {"task": "sc:Integer", "confidence": "sc:Float", "epoch": "sc:Integer", "index": "sc:Integer"}
    return {
        "@context": {
            "@vocab": "https://schema.org/",
            "sc": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "conformsTo": "http://purl.org/dc/terms/conformsTo",
            "recordSet": "cr:recordSet",
            "field": "cr:field",
            "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
            "source": "cr:source",
            "extract": "cr:extract",
            "fileObject": "cr:fileObject",
            "jsonPath": "cr:jsonPath",
            "column": "cr:column",
        },
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"crowdproof-job-{number}",
        "description": manifest.document["title"],
        "identifier": from_digest(Codec.DAG_CBOR, job.terms.manifest),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "labels",
                "name": f"job-{number}.jsonl",
                "contentUrl": f"/jobs/{number}/export?format=jsonl",
                "encodingFormat": TYPES["jsonl"],
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "tasks",
                "name": "tasks",
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"tasks/{name}",
                        "name": name,
                        "dataType": kinds.get(name, "sc:Text"),
                        "source": {"fileObject": {"@id": "labels"}, "extract": {"jsonPath": f"$.{name}"}},
                    }
                    for name in COLUMNS
                ],
            }
        ],
    }


def _ending(kind: str) -> str:
    return {"croissant": "croissant.json"}.get(kind, kind)


def _jsonl(found: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in found).encode()


def _csv(found: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in found:
        writer.writerow([_cell(row[name]) for name in COLUMNS])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula is quoted, as OWASP asks."""
    if isinstance(value, dict | list) or value is None:
        return json.dumps(value)
    return "'" + value if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _parquet(found: list[dict[str, Any]]) -> bytes:
    try:
        import pyarrow  # noqa: PLC0415 - heavy, and few need it
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise BadInput("format: parquet needs the extra `parquet` on the server; csv and jsonl do not") from None
    text = [{**row, "payload": json.dumps(row["payload"])} for row in found]
    answer = pyarrow.struct(
        [("worker", pyarrow.int64())] + [(name, pyarrow.string()) for name in ("label", "status", "text")]
    )
    kinds = {
        "task": pyarrow.int64(),
        "confidence": pyarrow.float64(),
        "epoch": pyarrow.int64(),
        "index": pyarrow.int64(),
    }
    kinds["answers"] = pyarrow.list_(answer)
    schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in COLUMNS])
    out = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(text, schema=schema), out)
    return out.getvalue()


def _car(reader: Reader, number: int, job: Job) -> bytes:
    """The manifest and the data of every epoch that decides a task of the job."""
    posts = {post.epoch: post for post, _, _ in reader.verdicts(number)}
    digests = [job.terms.manifest, *(posts[epoch].content for epoch in sorted(posts))]
    out = io.BytesIO()
    write_car(reader.oracle.content, [from_digest(Codec.DAG_CBOR, digest) for digest in digests], out)
    return out.getvalue()


ROWS = {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}  # the kinds that say what is decided
