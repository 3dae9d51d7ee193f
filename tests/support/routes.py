"""The route table of the application as tests read it: guards, parameters, bodies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from tests.support.town import Things

NAMED_IN_PATHS: Mapping[str, str] = {
    "item": "item",
    "case": "case",
    "number": "exhibit",
    "assignment_id": "assignment",
    "referral_id": "referral",
    "account_id": "account",
    "account": "account",
    "dock_id": "dock",
    "upload_id": "upload",
    "unit": "unit",
    "entry_id": "entry",
    "incident": "incident",
    "listing_id": "listing",
    "email": "email",
    "viewing_id": "viewing",
    "approval_id": "approval",
    "glass_id": "glass",
    "expectation_id": "expectation",
    "system": "system",
    "external_id": "external",
    "provider": "provider",
    "camera": "camera",
}
"""Parameter of an address -> kind of thing it names (tests/support/town.py makes one of each)."""

NAMED_IN_BODIES: Mapping[str, str] = {"item": "loose_item", "items": "item", "email": "email"}
"""The same of the members of a body. What is not here is filled from the examples of the schema."""

HEADERS = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Upload-Length": "3"}
BYTES = {"Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one address."""

    method: str
    path: str
    actions: tuple[str, ...]
    """The actions its guards declare."""
    body: Mapping[str, Any] | None
    """Members of its body by name, filled from their examples; None if it takes none."""

    @property
    def named(self) -> tuple[str, ...]:
        """The parameters and members by which it names things; raise KeyError for a parameter nobody knows."""
        parameters = [each.partition("}")[0] for each in self.path.split("{")[1:]]
        for each in parameters:
            if each not in NAMED_IN_PATHS:
                raise KeyError(
                    f"{self.method} {self.path}: say in tests/support/routes.py what {{{each}}} names, "
                    "and make one of it in tests/support/town.py"
                )
        members = [
            f"body.{name}" for name in self.body or () if name in NAMED_IN_BODIES and self.path != "/api/v1/accounts"
        ]
        return (*parameters, *members)

    def ask(self, client: Any, auth: httpx2.Auth, things: Mapping[str, Things]) -> Any:
        """Ask it, every parameter and member named by the thing given for it."""
        path = self.path
        body = dict(self.body) if self.body is not None else None
        for name in self.named:
            if name.startswith("body."):
                assert body is not None
                member = name.removeprefix("body.")
                value = things[name][NAMED_IN_BODIES[member]]
                body[member] = [value] if isinstance(body[member], list) else value
            else:
                path = path.replace(f"{{{name}}}", things[name][NAMED_IN_PATHS[name]])
        if self.method == "PATCH":
            return client.request(self.method, path, content=b"abc", headers=HEADERS | BYTES, auth=auth)
        return client.request(self.method, f"{path}?reason=the trial", json=body, headers=HEADERS, auth=auth)


def routes(app: FastAPI) -> Iterator[Route]:
    """Return every method of every address."""
    described = app.openapi()
    for each in iter_route_contexts(app.routes):
        dependant = getattr(each, "dependant", None)
        calls = list(_dependencies(dependant)) if dependant else []
        actions = tuple(dict.fromkeys(call.action for call in calls if hasattr(call, "action")))
        path = str(each.path).replace(":path}", "}")  # as it is described and asked
        for method in sorted(getattr(each, "methods", None) or {"*"}):
            operation = described["paths"].get(path, {}).get(method.lower(), {})
            yield Route(method, path, actions, _body(operation, described))


def _dependencies(of: Dependant) -> Iterator[Any]:
    for each in of.dependencies:
        yield each.call
        yield from _dependencies(each)


def _body(operation: Mapping[str, Any], described: Mapping[str, Any]) -> Mapping[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    example = _example(content["application/json"]["schema"], described)
    assert isinstance(example, dict)
    return example


def _example(schema: Mapping[str, Any], described: Mapping[str, Any]) -> Any:
    """Return an example of what the schema asks: its own if it has one."""
    if "$ref" in schema:
        return _example(described["components"]["schemas"][schema["$ref"].rpartition("/")[2]], described)
    if "examples" in schema:
        return schema["examples"][0]
    for choice in ("default", "const"):
        if choice in schema:
            return schema[choice]
    if "enum" in schema:
        return schema["enum"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return _example(schema[several][0], described)
    if schema.get("type") == "object":
        members = schema.get("properties", {})
        return {name: _example(members[name], described) for name in schema.get("required", ())}
    return _PLAIN[str(schema.get("type"))](schema, described)


_PLAIN: Mapping[str, Any] = {
    "string": lambda schema, _: {"date": "2026-04-01", "date-time": "2099-01-01T00:00:00Z"}.get(
        schema.get("format"), "x" * max(12, schema.get("minLength", 1))
    ),
    "array": lambda schema, described: [_example(schema["items"], described)],
    "integer": lambda schema, _: schema.get("minimum", 1),
    "boolean": lambda _schema, _: True,
}
