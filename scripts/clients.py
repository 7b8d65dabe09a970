"""The typed client of the API, made of its OpenAPI document: `python -m scripts.clients`, and `--check` for whether it is fresh.

create_app -> api/clients/: openapi.json -> crowdproof.js (ES module, no dependency) and crowdproof.d.ts (its types).
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

from pydantic.alias_generators import to_camel

from api.app import create_app
from api.settings import Settings
from oracle.config import Home
from oracle.protocol.errors import BadInput

FOLDER = Path(__file__).parent.parent / "api" / "clients"
SOURCE = "// Made by `python -m scripts.clients` of api/clients/openapi.json: change the API, not this file.\n"


def document() -> dict[str, Any]:
    """The OpenAPI document. No deployment is asked for it."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(Home(Path(folder)), origins=("http://localhost",)), MagicMock())
    return app.openapi()


def files(openapi: dict[str, Any]) -> dict[str, str]:
    """By name."""
    operations = list(_operations(openapi))
    names = [operation["name"] for operation in operations]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadInput(f"two routes have the name {min(twice)}: rename a function of api/routes")
    return {
        "openapi.json": json.dumps(openapi, indent=1, sort_keys=True) + "\n",
        "crowdproof.js": _module(operations),
        "crowdproof.d.ts": _types(openapi, operations),
    }


def _operations(openapi: dict[str, Any]) -> Any:
    for path, ways in sorted(openapi["paths"].items()):
        for method, operation in sorted(ways.items()):
            parameters = operation.get("parameters", [])
            content = operation.get("requestBody", {}).get("content", {})
            good: dict[str, Any] = next(
                (a for status, a in sorted(operation["responses"].items()) if status[0] == "2"), {}
            )
            yield {
                "name": to_camel(operation["operationId"]),
                "summary": operation.get("description") or operation.get("summary", ""),
                "method": method.upper(),
                "path": path,
                "places": [p["name"] for p in parameters if p["in"] == "path"],
                "query": [p for p in parameters if p["in"] == "query"],
                "kinds": {p["name"]: _type(p["schema"]) for p in parameters},
                "body": _type(content["application/json"]["schema"]) if "application/json" in content else None,
                "bytes": "application/octet-stream" in content,
                "answer": _answer(good),
                "is_json": "application/json" in good.get("content", {}),
            }


def _answer(good: dict[str, Any]) -> str:
    content = good.get("content", {})
    if not content:
        return "void"
    return _type(content["application/json"].get("schema", {})) if "application/json" in content else "Response"


# --------------------------------------------------------------------------------------------------------------- types


def _types(openapi: dict[str, Any], operations: list[dict[str, Any]]) -> str:
    shapes = [f"export {_shape(name, schema)}" for name, schema in sorted(openapi["components"]["schemas"].items())]
    methods = [
        f"  /** {_one_line(o['summary'])} */\n  {o['name']}({_arguments(o)}): Promise<{o['answer']}>;"
        for o in operations
    ]
    return "\n".join(
        (
            SOURCE,
            *shapes,
            "",
            "/** A refusal: `problem.title` is a stable code, `problem.detail` says how to mend it. */",
            "export class Refusal extends Error { problem: Problem; status: number; retryAfter: number | null }",
            "",
            "export interface Options { token?: string; idempotencyKey?: string; signal?: AbortSignal }",
            "",
            "export class Crowdproof {",
            "  constructor(base?: string, options?: { token?: string; fetch?: typeof fetch });",
            "  token: string | null;",
            "  /** Every item of a list, page by page (RFC 8288). */",
            "  pages<T>(path: string): AsyncGenerator<T>;",
            "  /** Events after a cursor, and then as they come; goes on by itself where it was cut off. */",
            "  follow(after?: string, options?: Options): AsyncGenerator<Log>;",
            *methods,
            "}",
            "",
        )
    )


def _shape(name: str, schema: dict[str, Any]) -> str:
    if schema.get("type") != "object" or "properties" not in schema:
        return f"type {name} = {_type(schema)};"
    needed = set(schema.get("required", []))
    fields = [f"{_key(n)}{'' if n in needed else '?'}: {_type(s)}" for n, s in schema["properties"].items()]
    return f"interface {name} {{ {'; '.join(fields)} }}"


def _key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "array":
        return f"Array<{_type(schema.get('items', {}))}>"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"Record<string, {_type(inner) if isinstance(inner, dict) else 'unknown'}>"
    return {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}.get(
        str(kind), "unknown"
    )


def _arguments(operation: dict[str, Any]) -> str:
    found = [f"{to_camel(place)}: {operation['kinds'][place]}" for place in operation["places"]]
    if operation["body"]:
        found.append(f"body: {operation['body']}")
    if operation["bytes"]:
        found.append("body: Blob | ArrayBuffer | Uint8Array")
    if operation["query"]:
        needed = any(p.get("required") for p in operation["query"])
        fields = [
            f"{_key(p['name'])}{'' if p.get('required') else '?'}: {operation['kinds'][p['name']]}"
            for p in operation["query"]
        ]
        found.append(f"query{'' if needed else '?'}: {{ {'; '.join(fields)} }}")
    return ", ".join([*found, "options?: Options"])


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("*/", "* /")


# -------------------------------------------------------------------------------------------------------------- module

RUNTIME = """
export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.detail ?? `status ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

export class Crowdproof {
  constructor(base = "", options = {}) {
    this.base = base.replace(/\\/$/, "");
    this.token = options.token ?? null;
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
  }

  async ask(method, path, { query, body, bytes, options = {} } = {}) {
    const headers = {};
    const token = options.token ?? this.token;
    if (token) headers.Authorization = `Bearer ${token}`;
    if (options.idempotencyKey) headers["Idempotency-Key"] = options.idempotencyKey;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (bytes !== undefined) headers["Content-Type"] = "application/octet-stream";
    const asked = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
    const search = asked.length ? `?${new URLSearchParams(asked.map(([n, v]) => [n, String(v)]))}` : "";
    const response = await this.fetch(this.base + path + search, {
      method, headers, credentials: "same-origin", signal: options.signal,
      body: body !== undefined ? JSON.stringify(body) : bytes,
    });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({ title: "no-answer", detail: `status ${response.status}` }));
    const wait = response.headers.get("Retry-After");
    throw new Refusal(response.status, problem, wait === null ? null : Number(wait));
  }

  async *pages(path) {
    for (let next = path; next; ) {
      const response = await this.ask("GET", next);
      yield* await response.json();
      next = /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1] ?? null;
    }
  }

  async *follow(after = "-1.-1", options = {}) {
    for (let cursor = after; ; ) {
      const response = await this.ask("GET", "/events", { query: { after: cursor }, options });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read().catch(() => ({ done: true }));
        if (done) break;
        text += value;
        const events = text.split("\\n\\n");
        text = events.pop();
        for (const event of events) {
          const data = event.split("\\n").find((line) => line.startsWith("data: "));
          if (!data) continue;
          const log = JSON.parse(data.slice(6));
          cursor = log.cursor;
          yield log;
        }
      }
      if (options.signal?.aborted) return;
    }
  }
"""


def _module(operations: list[dict[str, Any]]) -> str:
    return SOURCE + RUNTIME + "".join(map(_method, operations)) + "}\n"


def _method(operation: dict[str, Any]) -> str:
    places = [to_camel(place) for place in operation["places"]]
    path = operation["path"]
    for place in operation["places"]:
        path = path.replace("{" + place + "}", "${encodeURIComponent(" + to_camel(place) + ")}")
    sent = [name for name, given in (("query", operation["query"]), ("body", operation["body"])) if given]
    sent += ["bytes: body"] if operation["bytes"] else []
    body = ["body"] if operation["body"] or operation["bytes"] else []
    names = ", ".join([*places, *body, *(["query"] if operation["query"] else []), "options"])
    asked = f'this.ask("{operation["method"]}", `{path}`, {{ {", ".join([*sent, "options"])} }})'
    given = f"(await {asked}).json()" if operation["is_json"] else asked
    if operation["answer"] == "void":
        given = f"void (await {asked})"
    return f"\n  async {operation['name']}({names}) {{\n    return {given};\n  }}\n"


def main(check: bool) -> int:
    """Writes them; or says which are not fresh, and ends with 1."""
    made = files(document())
    stale = [
        name for name, text in made.items() if not (file := FOLDER / name).exists() or file.read_text("utf-8") != text
    ]
    if check:
        for name in stale:
            print(f"api/clients/{name} is not of this API: run python -m scripts.clients", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(made[name], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
