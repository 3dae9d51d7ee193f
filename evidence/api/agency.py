"""The principal's own agency over HTTP: how it numbers its cases."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from auth import agencies
from auth.principals import Principal
from evidence.api.dependencies import AppRoom, DatabaseSession, RequestId
from evidence.api.guards import Guard
from evidence.cases import numbering

router = APIRouter(tags=["Agency"])

Member = Annotated[Principal, Depends(Guard("case.read"))]
# The one right that only an agency's administrator has, and only with a second factor just proved.
Administrator = Annotated[Principal, Depends(Guard("users.manage"))]


class CaseNumbersRequest(BaseModel):
    """How your agency writes its case numbers."""

    pattern: str | None = Field(
        max_length=64,
        description="Text with {seq} or {seq:6}, {year} and {yy}; null: as people type them.",
        examples=["{year}-{seq:6}"],
    )


class AgencyShown(BaseModel):
    """Your agency."""

    id: UUID
    name: str
    case_numbers: str | None = Field(description="Pattern of its case numbers; none: as people type them.")
    example: str | None = Field(description="A number of that pattern.")


@router.get("/agency")
def show_agency(room: AppRoom, session: DatabaseSession, principal: Member) -> AgencyShown:
    """Show your agency and how it numbers its cases."""
    return _shown(room, session, principal)


@router.put("/agency/case-numbers")
def set_case_numbers(
    asked: CaseNumbersRequest,
    room: AppRoom,
    session: DatabaseSession,
    principal: Administrator,
    request_id: RequestId,
) -> AgencyShown:
    """Set the pattern by which your agency's cases are numbered; cases keep the numbers they have."""
    numbering.set_pattern(session, asked.pattern, by=principal, at=room.clock(), request_id=request_id)
    return _shown(room, session, principal)


def _shown(room: AppRoom, session: DatabaseSession, principal: Principal) -> AgencyShown:
    agency = agencies.by_id(session, principal.agency_id)
    assert agency is not None
    pattern = numbering.of_agency(session, agency.id)
    return AgencyShown(
        id=agency.id,
        name=agency.name,
        case_numbers=pattern and pattern.text,
        example=pattern and pattern.write(year=room.clock().year, seq=123),
    )
