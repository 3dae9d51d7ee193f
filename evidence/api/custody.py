"""The chain of custody of an item or a case over HTTP."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from evidence.access.reach import Seen, SeenCase
from evidence.api.dependencies import CurrentPrincipal, DatabaseSession
from evidence.api.guards import CaseFor, ItemFor
from evidence.api.paging import Limit, link
from evidence.custody import history
from evidence.custody.events import chain_of
from evidence.custody.history import Entry
from evidence.proof import FormatError

router = APIRouter(tags=["Chain of custody"])

UNREADABLE = "unreadable"
"""What is shown as the act of a record whose body no event of ours could have written."""

CustodyOfItem = Annotated[Seen, Depends(ItemFor("custody.read"))]
CustodyOfCase = Annotated[SeenCase, Depends(CaseFor("custody.read"))]


class RecordShown(BaseModel):
    """One custody record. `record` are its sealed bytes as text: they, and nothing else here, are the truth."""

    seq: int
    at: datetime
    act: str
    hash: str = Field(description="Leaf hash, in hex; the next record names it as `prev`.")
    body: dict[str, Any]
    disclosures: dict[str, Any] | None = Field(description="What it says beyond digests; absent for some roles.")
    record: str
    receipt: str | None


class ChainPage(BaseModel):
    """Records of a chain, oldest first. The Link header says where the next page is."""

    chain: str
    records: list[RecordShown]


After = Annotated[int, Query(ge=0, le=2**53, description="The record number after which to go on.")]


@router.get("/items/{item}/custody")
def show_custody(
    request: Request,
    response: Response,
    item: CustodyOfItem,
    session: DatabaseSession,
    after: After = 0,
    limit: Limit = 100,
) -> ChainPage:
    """Show the chain of custody of an evidence item."""
    chain = chain_of("item", item.item.id)
    return _page(request, response, session, chain, after=after, limit=limit, tells=lambda _: item.content)


@router.get("/cases/{case}/custody")
def show_custody_of_case(
    request: Request,
    response: Response,
    case: CustodyOfCase,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    after: After = 0,
    limit: Limit = 100,
) -> ChainPage:
    """Show the chain of custody of a case file."""
    chain, mine, owner = chain_of("case", case.case.id), str(principal.agency_id), str(case.case.agency_id)

    def tells(entry: Entry) -> bool:
        return case.content and _is_party(entry, mine, owner)

    return _page(request, response, session, chain, after=after, limit=limit, tells=tells)


def _page(
    request: Request,
    response: Response,
    session: DatabaseSession,
    chain: str,
    *,
    after: int,
    limit: int,
    tells: Callable[[Entry], bool],
) -> ChainPage:
    entries = history.page(session, chain, after=after, limit=limit)
    if len(entries) == limit:
        link(request, response, after=entries[-1].seq)
    # For a role that sees no content (an auditor), custody is shown without what it discloses.
    return ChainPage(chain=chain, records=[_shown(entry, content=tells(entry)) for entry in entries])


def _is_party(entry: Entry, mine: str, owner: str) -> bool:
    """Say whether an agency is told what the record says: each its own references and expectations, and the owner's.

    What an agency expects is told to the owner as well, who has to bring it.
    """
    try:
        act, whose = str(entry.body["act"]), entry.body.get("facts", {}).get("agency")
    except (FormatError, KeyError, AttributeError):
        return False
    if act.startswith("reference."):
        return whose in (mine, owner)
    if act.startswith("expectation."):
        return mine in (whose, owner)
    return True


def _shown(entry: Entry, *, content: bool) -> RecordShown:
    try:
        body, act = entry.body, str(entry.body["act"])
    except (FormatError, KeyError):
        # Somebody wrote past the program. The page must still show it, and everything after it.
        body, act = {}, UNREADABLE
    return RecordShown(
        seq=entry.seq,
        at=datetime.fromisoformat(entry.record.at),
        act=act,
        hash=entry.hash.hex(),
        body=body,
        disclosures={each.name: each.value for each in entry.disclosures} if content else None,
        record=entry.raw.decode(),
        receipt=entry.receipt,
    )
