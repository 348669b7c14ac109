#!/usr/bin/env python3
"""Reduces a resource provider's published specification to what tests need: which requests there are, and what their
answers look like. Prose, presentation and hints for code generators go.

    reduce.py SWAGGER EXAMPLES TARGET

SWAGGER is one file whose every $ref is local; EXAMPLES is the folder of its examples.
"""

import json
import sys
from pathlib import Path

PROSE = {"description", "summary", "title", "example", "externalDocs", "tags"}
# Of a whole specification, these say nothing about requests and answers.
OUTER = {"paths", "definitions", "parameters"}
METHODS = {"get", "put", "patch", "post", "delete", "head"}


def schema(value):
    """A schema; in `properties` the keys are names, whatever they are called."""
    if isinstance(value, list):
        return [schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    extensible = value.get("x-ms-enum", {}).get("modelAsString", False)
    kept = {}
    for key, inner in value.items():
        if key in PROSE or key.startswith("x-ms-") or key in ("readOnly", "default") or (key == "enum" and extensible):
            continue
        if key in ("properties", "definitions"):
            kept[key] = {name: schema(part) for name, part in inner.items()}
        else:
            kept[key] = schema(inner)
    return kept


def operation(value):
    responses = {
        status: {"schema": schema(answer["schema"])} if "schema" in answer else {}
        for status, answer in value["responses"].items()
    }
    kept = {"operationId": value["operationId"], "responses": responses}
    if "parameters" in value:
        kept["parameters"] = [schema(parameter) for parameter in value["parameters"]]
    return kept


def swagger(value):
    kept = {key: inner for key, inner in value.items() if key in OUTER}
    kept["paths"] = {
        path: {method: operation(inner) for method, inner in methods.items() if method in METHODS}
        for path, methods in kept["paths"].items()
    }
    kept["definitions"] = {name: schema(inner) for name, inner in kept["definitions"].items()}
    kept["parameters"] = {name: schema(inner) for name, inner in kept.get("parameters", {}).items()}
    return kept


def example(value):
    responses = {
        status: {"body": answer["body"]} if "body" in answer else {} for status, answer in value["responses"].items()
    }
    return {"operationId": value["operationId"], "parameters": value["parameters"], "responses": responses}


def shortened(value):
    """Of a list of examples the first few say it all."""
    body = value["responses"].get("200", {}).get("body", {})
    if value["operationId"] == "Operations_List":
        body["value"] = [{key: inner for key, inner in body["value"][0].items()}]
    return value


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def main(source, examples, target):
    target = Path(target)
    (target / "examples").mkdir(parents=True, exist_ok=True)
    write(target / "redis.json", swagger(json.loads(Path(source).read_text())))
    for path in sorted(Path(examples).glob("*.json")):
        write(target / "examples" / path.name, shortened(example(json.loads(path.read_text()))))


if __name__ == "__main__":
    main(*sys.argv[1:])
