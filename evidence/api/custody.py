"""The chain of custody of an item or a case, and what an account or dock did on all of them, over HTTP."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field

from auth import accounts, machines
from auth.principals import Principal
from evidence.access import reach, telling
from evidence.access.reach import Seen, SeenCase
from evidence.api import paging
from evidence.api.dependencies import AppRoom, CurrentPrincipal, DatabaseSession
from evidence.api.guards import CaseFor, Guard, ItemFor
from evidence.api.instants import Instant
from evidence.api.paging import Limit, link
from evidence.clock import written
from evidence.custody.events import chain_of
from evidence.custody.history import Asked, Entry
from evidence.errors import InvalidError
from evidence.proof import FormatError
from evidence.proof.acts import ACTS, kind_of_chain

router = APIRouter(tags=["Chain of custody"])

UNREADABLE = "unreadable"
"""What is shown as the act of a record whose body no event of ours could have written."""

FACT = "facts."
"""Begins the query members that ask for a fact of the body by its name."""

FACTS = frozenset[str]().union(*(act.facts_allowed for act in ACTS.values()))

OF_PEOPLE = (
    "account.",
    "session.",
    "second_factor.",
    "recovery_code",
    "identity.",
    "role.",
    "unit.",
    "source.",
    "dock.",
)
"""How the acts begin that are about who somebody is: what they disclose is no content of evidence.

Other acts on the chain of an account or dock disclose file names, incidents, or what was asked for.
"""

CustodyOfItem = Annotated[Seen, Depends(ItemFor("custody.read"))]
CustodyOfCase = Annotated[SeenCase, Depends(CaseFor("custody.read"))]
Auditor = Annotated[Principal, Depends(Guard("audit.read"))]


class RecordShown(BaseModel):
    """One custody record. `record` are its sealed bytes as text: they, and nothing else here, are the truth."""

    chain: str
    seq: int
    at: datetime
    act: str
    hash: str = Field(description="Leaf hash, in hex; the next record of its chain names it as `prev`.")
    prev: str = Field(description="Leaf hash of the record before it on its chain, which may be one not shown.")
    body: dict[str, Any]
    disclosures: dict[str, Any] | None = Field(description="What it says beyond digests; absent for some roles.")
    record: str
    receipt: str | None


class ChainPage(BaseModel):
    """Records of a chain, oldest first. The Link header says where the next page is."""

    chain: str
    records: list[RecordShown]
    left_out: int = Field(
        description="How many numbers are passed over before and between these: not asked for, or not yours to see. "
        "Nothing is missing from the chain itself."
    )


class ActorPage(BaseModel):
    """What an account or dock did, on every chain that you may read as auditor, in the order of the log.

    `seq` counts on the record's own chain.  The Link header says where the next page is.
    """

    actor: UUID
    records: list[RecordShown]


def _asked(
    request: Request,
    act: Annotated[
        list[Annotated[str, Field(max_length=64)]] | None,
        Query(max_length=50, description="Only these acts, as `exhibit.linked`; as often as there are."),
    ] = None,
    actor: Annotated[str | None, Query(max_length=64, description="Only what this account or dock did, by id.")] = None,
    at_from: Annotated[Instant | None, Query(description="From this instant on.")] = None,
    at_to: Annotated[Instant | None, Query(description="Before this instant.")] = None,
    kind: Annotated[
        Literal["item", "case", "account", "dock"] | None, Query(description="Only records of chains of this kind.")
    ] = None,
    request_id: Annotated[str | None, Query(max_length=200, description="Only what this request did.")] = None,
) -> Asked:
    """Read what is asked for. Beside these, `facts.NAME=VALUE` asks for a fact of the body, as `facts.case`."""
    acts = [paging.typed(each) or "" for each in act or ()]
    named = [each for each in request.query_params.multi_items() if each[0].startswith(FACT)]
    facts = {name.removeprefix(FACT): paging.typed(value) or "" for name, value in named}
    _require_known(acts, ACTS, "act")
    _require_known(facts, FACTS, "fact")
    if len(facts) < len(named):
        raise InvalidError("A fact is asked for twice.", next_step="Ask for each once: a record has it once.")
    for instant in (at_from, at_to):
        _require_writable(instant)
    return Asked(
        acts=acts,
        actor=paging.typed(actor),
        at_from=at_from,
        at_to=at_to,
        kind=kind,
        request_id=paging.typed(request_id),
        facts=facts,
    )


AccountNamed = Annotated[str, Path(max_length=254, description="Id or e-mail address of an account of your agency.")]
AskedFor = Annotated[Asked, Depends(_asked)]
After = Annotated[int, Query(ge=0, le=2**53, description="The record number after which to go on.")]


@router.get("/items/{item}/custody")
def show_custody(
    request: Request,
    response: Response,
    item: CustodyOfItem,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    asked: AskedFor,
    after: After = 0,
    limit: Limit = 100,
) -> ChainPage:
    """Show the chain of custody of an evidence item, or what is asked for of it."""
    chain = chain_of("item", item.item.id)
    entries = telling.of_chain(session, principal, chain, after=after, limit=limit, asked=asked, at=room.clock())
    if len(entries) == limit:
        link(request, response, after=entries[-1].seq)
    # For a role that sees no content (an auditor), custody is shown without what it discloses.
    return _page(chain, [_shown(each, content=item.content) for each in entries], after=after)


@router.get("/cases/{case}/custody")
def show_custody_of_case(
    request: Request,
    response: Response,
    case: CustodyOfCase,
    room: AppRoom,
    session: DatabaseSession,
    principal: CurrentPrincipal,
    asked: AskedFor,
    after: After = 0,
    limit: Limit = 100,
) -> ChainPage:
    """Show the chain of custody of a case file, or what is asked for of it."""
    chain = chain_of("case", case.case.id)
    entries = telling.of_chain(session, principal, chain, after=after, limit=limit, asked=asked, at=room.clock())
    if len(entries) == limit:
        link(request, response, after=entries[-1].seq)
    mine, owner = str(principal.agency_id), str(case.case.agency_id)
    shown = [_shown(each, content=case.content and _is_party(each, mine, owner)) for each in entries]
    return _page(chain, shown, after=after)


@router.get("/accounts/{account}/custody")
def show_custody_of_account(
    request: Request,
    response: Response,
    account: AccountNamed,
    room: AppRoom,
    session: DatabaseSession,
    principal: Auditor,
    asked: AskedFor,
    limit: Limit = 100,
    cursor: paging.Cursor = None,
) -> ActorPage:
    """Show what an account of your agency did, and what it was refused, or what is asked for of it."""
    found = accounts.named(session, account, principal.agency_id)
    return _of_actor(
        request, response, session, principal, found.id, asked, at=room.clock(), limit=limit, cursor=cursor
    )


@router.get("/docks/{dock_id}/custody")
def show_custody_of_dock(
    request: Request,
    response: Response,
    dock_id: UUID,
    room: AppRoom,
    session: DatabaseSession,
    principal: Auditor,
    asked: AskedFor,
    limit: Limit = 100,
    cursor: paging.Cursor = None,
) -> ActorPage:
    """Show what a dock of your agency did, and what it was refused, or what is asked for of it."""
    dock = machines.in_agency(session, dock_id, principal.agency_id)
    return _of_actor(request, response, session, principal, dock.id, asked, at=room.clock(), limit=limit, cursor=cursor)


def _of_actor(
    request: Request,
    response: Response,
    session: DatabaseSession,
    principal: Principal,
    actor: UUID,
    asked: Asked,
    *,
    at: datetime,
    limit: int,
    cursor: str | None,
) -> ActorPage:
    after = paging.after_record(cursor)
    entries = telling.of_actor(session, principal, str(actor), after=after, limit=limit, asked=asked, at=at)
    if len(entries) == limit:
        paging.link_next_record(request, response, entries[-1].record_id)
    saying = reach.audited_content(session, principal, {each.chain for each in entries}, at=at)
    reviews, mine = reach.may_review(principal, at=at), str(principal.agency_id)

    def tells(entry: Entry) -> bool:
        if entry.chain in saying:
            return _is_party(entry, mine, mine)
        return reviews and kind_of_chain(entry.chain) in ("account", "dock") and _act(entry).startswith(OF_PEOPLE)

    return ActorPage(actor=actor, records=[_shown(each, content=tells(each)) for each in entries])


def _page(chain: str, records: list[RecordShown], *, after: int) -> ChainPage:
    # Only what the numbers tell by themselves: what is left out at the end of the chain shows nowhere.
    left_out = records[-1].seq - after - len(records) if records else 0
    return ChainPage(chain=chain, records=records, left_out=left_out)


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


def _act(entry: Entry) -> str:
    try:
        return str(entry.body["act"])
    except (FormatError, KeyError):
        # Somebody wrote past the program. The page must still show it, and everything after it.
        return UNREADABLE


def _shown(entry: Entry, *, content: bool) -> RecordShown:
    act = _act(entry)
    return RecordShown(
        chain=entry.chain,
        seq=entry.seq,
        at=datetime.fromisoformat(entry.record.at),
        act=act,
        hash=entry.hash.hex(),
        prev=entry.record.prev.hex(),
        body={} if act == UNREADABLE else entry.body,
        disclosures={each.name: each.value for each in entry.disclosures} if content else None,
        record=entry.raw.decode(),
        receipt=entry.receipt,
    )


def _require_known(asked: Collection[str], known: Collection[str], what: str) -> None:
    for each in asked:
        if each not in known:
            raise InvalidError(
                f"No custody record has the {what} {each!r}.", next_step=f"There are: {', '.join(sorted(known))}."
            )


def _require_writable(instant: datetime | None) -> None:
    try:
        written(instant) if instant else None
    except OverflowError as error:
        raise InvalidError(
            "An instant lies outside the years 1 to 9999 of UTC.", next_step="Leave it out to ask for all there is."
        ) from error
