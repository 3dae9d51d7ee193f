"""The lines of --json as pydantic reads them, strictly; and the schema file made of them.

    python -m tests.support.output_lines        write evidence/cli/output.schema.json anew

The offline verifier speaks for itself (it stands on the standard library and loads nothing of the
command line), so its lines are of the same five kinds with members of their own.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from evidence.cli import output
from evidence.cli.output import Line

SCHEMA = Path(output.__file__).with_name("output.schema.json")

STRICT = ConfigDict(extra="forbid")

for each in (output.Plan, output.Step, output.Progress, output.Verified, output.Problem, output.Summary):
    each.__pydantic_config__ = STRICT  # type: ignore[union-attr]  # read by pydantic only


class PackagePlan(TypedDict):
    """`evidence verify`: what is in the package. `of` in bytes."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    kind: Literal["plan"]
    package: str | None
    items: int
    files: int
    of: int


class PackageProgress(TypedDict):
    """`evidence verify`: bytes read."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    kind: Literal["progress"]
    done: int
    of: int


class PackageItem(TypedDict):
    """`evidence verify`: an item of the package against which nothing was found."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    kind: Literal["verified"]
    item: str
    number: str
    records: int
    receipts: int
    disclosed: int
    withheld: int
    declared: Literal["sha256", "none"] | None
    original: Literal["unchanged", "changed", "withheld", "missing", "ended", "unknown"]
    size: int | None
    unknown_acts: int


class PackageFinding(TypedDict):
    """`evidence verify`: one finding, with its place."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    code: str
    item: str | None
    seq: int | None
    place: str
    message: str


class PackageProblem(PackageFinding):
    """`evidence verify`: one finding, as it is found."""

    kind: Literal["problem"]


class PackageWithheld(TypedDict):
    """`evidence verify`: what the package says it leaves out."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    disclosures: int
    objects: int
    reason: str | None


class PackageSummary(TypedDict):
    """`evidence verify`: the verdict."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    kind: Literal["summary"]
    verdict: Literal["verified", "broken", "incomplete"]
    findings: list[PackageFinding]
    package: str | None
    origin: str | None
    made_at: str | None
    items: int
    records: int
    disclosed: int
    withheld: PackageWithheld
    witnessed: bool


class PackageUnreadable(TypedDict):
    """`evidence verify`: there was nothing to verify."""

    __pydantic_config__ = STRICT  # type: ignore[misc]
    kind: Literal["summary"]
    verdict: Literal["unreadable"]
    findings: list[PackageFinding]
    error: str
    next_step: str


VerifierLine = PackagePlan | PackageProgress | PackageItem | PackageProblem | PackageSummary | PackageUnreadable

LINES: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
"""Every command's but the verifier's."""

VERIFIER_LINES: TypeAdapter[VerifierLine] = TypeAdapter(VerifierLine)

ALL_LINES: TypeAdapter[Line | VerifierLine] = TypeAdapter(Annotated[Line, Field(discriminator="kind")] | VerifierLine)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of --json. Which kind a line is has to be said, whatever the default."""
    made = ALL_LINES.json_schema()
    for definition in made["$defs"].values():
        if "kind" in definition.get("properties", {}):
            definition["required"] = sorted({"kind", *definition["required"]})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One line of `evidence ... --json`",
        **made,
    }


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(schema(), indent=1) + "\n")
