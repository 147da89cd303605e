"""The published description of a service's HTTP interface: FastAPI's for the reads, with every command added."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from chassis.edge import Intake
from chassis.problem import MEDIA_TYPE

_REFERENCE = "#/components/schemas/{model}"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "urn:attune:problem: and the rule"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "id under which an internal error was logged"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "rule"],
                "properties": {"field": {"type": ["string", "null"]}, "rule": {"type": "string"}},
            },
        },
    },
}
_REFUSALS = {
    "400": "The body or a header cannot be read.",
    "401": "No valid token.",
    "403": "The caller's roles do not permit this.",
    "404": "What the command names is not known.",
    "408": "The body did not arrive in time.",
    "409": "A rule says no as things stand.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "The input breaks a rule, named with its field.",
    "503": "The service cannot take it now; Retry-After says when to come again.",
}
_ANY_OBJECT = {"type": "object"}
_EMPTY = {"type": "object", "maxProperties": 0, "description": "Nothing more to say."}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key by the same caller takes effect once and is answered alike. A UUIDv7 is best.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def describe(schema: dict[str, Any], commands: Sequence[Intake], permissions: Iterable[tuple[str, str, str]]) -> None:
    """Completes FastAPI's document in place. `permissions`: method, path and permission of each read."""
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    components.setdefault("securitySchemes", {})["bearer"] = {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
    }
    components["responses"] = {
        f"Problem{status}": {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
        }
        for status, text in _REFUSALS.items()
    }
    paths = schema.setdefault("paths", {})
    for method, path, permission in permissions:
        _add_permission(paths[path][method.lower()], permission)
    found = _schemas_of(commands, schemas)
    for intake in commands:
        name = found[intake.name, "validation"]["$ref"].rpartition("/")[2]
        operation = _operation(intake, schemas, name, found.get((intake.name, "serialization"), _ANY_OBJECT))
        paths.setdefault(intake.path, {})[intake.method.lower()] = operation


def _schemas_of(commands: Sequence[Intake], schemas: dict[str, Any]) -> dict[tuple[str, JsonSchemaMode], Any]:
    """What comes in (validation) and what is answered (serialization), as schemas; their parts go to `schemas`."""
    asked: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = []
    for intake in commands:
        asked.append((intake.name, "validation", TypeAdapter(intake.model)))
        if intake.reply is not Any and intake.reply is not type(None):
            asked.append((intake.name, "serialization", TypeAdapter(intake.reply)))
    found, definitions = TypeAdapter.json_schemas(asked, ref_template=_REFERENCE)
    schemas.update(definitions.get("$defs", {}))
    empty: dict[tuple[str, JsonSchemaMode], Any] = {
        (i.name, "serialization"): _EMPTY for i in commands if i.reply is type(None)
    }
    return found | empty


def _operation(intake: Intake, schemas: dict[str, Any], name: str, reply: dict[str, Any]) -> dict[str, Any]:
    in_path = re.findall(r"\{([a-z_]+)\}", intake.path)
    whole = schemas[name]
    parameters = [
        {"name": field, "in": "path", "required": True, "schema": whole["properties"].get(field, {"type": "string"})}
        for field in in_path
    ]
    body = {key: value for key, value in whole.items() if key not in ("properties", "required")}
    body["properties"] = {field: value for field, value in whole["properties"].items() if field not in in_path}
    if required := [field for field in whole.get("required", ()) if field not in in_path]:
        body["required"] = required
    sentence = " ".join((intake.model.__doc__ or "").split())
    schema = body if in_path else {"$ref": _REFERENCE.format(model=name)}
    operation: dict[str, Any] = {
        "operationId": intake.name,
        "summary": " ".join(re.findall(r"[A-Z]+[a-z]*", intake.name)).capitalize(),
        "description": sentence,
        "parameters": [*parameters, _IDEMPOTENCY_KEY],
        "requestBody": {
            "required": "required" in body or not in_path,
            "content": {"application/json": {"schema": schema}},
        },
        "responses": {
            str(intake.status): {
                "description": "Done, and durable.",
                "content": {"application/json": {"schema": reply}},
            }
        },
    }
    _add_permission(operation, intake.may)
    return operation


def _add_permission(operation: dict[str, Any], permission: str) -> None:
    sentence = f"Needs the permission `{permission}`."
    operation["description"] = f"{operation.get('description', '')} {sentence}".strip()
    operation["security"] = [{"bearer": []}]
    responses = operation["responses"]
    for status in _REFUSALS:
        responses[status] = {"$ref": f"#/components/responses/Problem{status}"}
