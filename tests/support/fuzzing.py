"""Requests made up from the description of the interface, by schemathesis, and its checks of every answer."""

from collections import Counter
from itertools import cycle
from typing import Any, cast

import httpx2
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from evidence.main import create_app
from tests.support.town import Town

REFUSED_AS_WELL = ("400", "401", "403", "404", "405", "409", "412", "413", "415", "422", "423", "428")
"""With what may be refused that is not as described: 412 by the upload protocol, before it looks further."""

SCHEMA = schemathesis.openapi.from_dict(
    create_app().openapi(),
    config=SchemathesisConfig.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": list(REFUSED_AS_WELL)}}}
    ),
)

OPERATIONS: list[Any] = [cast("Ok[Any]", found).ok() for found in SCHEMA.get_all_operations()]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def fuzz(client: TestClient, town: Town, operation: Any, *, examples: int) -> Counter[int]:
    """Ask an operation so many times with what it allows, and as many with what it does not; count the statuses."""
    statuses: Counter[int] = Counter()
    people = cycle([*(person.auth for person in town.people.values()), town.nobody.auth, httpx2.Auth()])
    modes = [schemathesis.GenerationMode.POSITIVE]
    if operation.path_parameters or operation.query or operation.body:
        modes.append(schemathesis.GenerationMode.NEGATIVE)  # else all it takes is text, of which any is allowed
    for mode in modes:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            asked = case.as_transport_kwargs()
            url = asked.pop("url")
            asked.pop("cookies", None)
            if isinstance(asked.get("data"), bytes | str):
                asked["content"] = asked.pop("data")
            answer = client.request(asked.pop("method"), url, **asked, auth=next(people))
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        ask()
    return statuses
