"""The closed registry of acts: everything a custody record may say happened (FORMAT.md 5).

One entry an act: on which chain it stands, which members its body has, which plain facts go with
it, and one sentence for people.  Sensitive values (names, titles, reasons, addresses, places) are
never facts: they are salted disclosures.  An act is added here and in FORMAT.md, with a vector,
and never changed afterwards.
"""

import re
from dataclasses import dataclass

from evidence.proof import FormatError, canonical, disclosure

NONCE = re.compile("[0-9a-f]{32}")

_ALWAYS = frozenset({"n", "act", "clk", "actor", "req"})
_OFTEN = frozenset({"on_behalf", "sd", "tool", "pol", "att"})


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `chains` are the kinds of chain it may stand on: the part before the slash, or the whole name."""

    name: str
    chains: frozenset[str]
    sentence: str
    required: frozenset[str]
    allowed: frozenset[str]
    facts_required: frozenset[str]
    facts_allowed: frozenset[str]


def kind_of_chain(chain: str) -> str:
    """Return the kind of a chain: item, case, account, dock, _heads, _keys or _refused."""
    return chain.partition("/")[0]


def check(chain: str, body: canonical.Value) -> Act:
    """Return the act of a body that may stand on this chain, or raise FormatError naming what is wrong with it."""
    if type(body) is not dict:
        raise FormatError("a body is an object")
    act = ACTS.get(body.get("act", ""))
    if act is None:
        raise FormatError(f"{body.get('act')!r} is not in the registry of acts")
    if kind_of_chain(chain) not in act.chains:
        raise FormatError(f"{act.name} does not stand on the chain {chain}")
    _require_members(act.name, body, act.required, act.allowed)
    facts = body.get("facts", {})
    if type(facts) is not dict:
        raise FormatError(f"the facts of {act.name} are an object")
    _require_members(f"facts of {act.name}", facts, act.facts_required, act.facts_allowed)
    for member, value in body.items():
        _SHAPES[member](value)
    return act


def _require_members(
    what: str, members: dict[str, canonical.Value], required: frozenset[str], allowed: frozenset[str]
) -> None:
    if missing := sorted(required - members.keys()):
        raise FormatError(f"{what}: {', '.join(missing)} missing")
    if unknown := sorted(members.keys() - allowed):
        raise FormatError(f"{what}: {', '.join(unknown)} not allowed")


def _nonce(value: canonical.Value) -> None:
    if type(value) is not str or not NONCE.fullmatch(value):
        raise FormatError("n is 16 random bytes in lower-case hex")


def _string(value: canonical.Value) -> None:
    if type(value) is not str or not value:
        raise FormatError("act, req, pol and occ are strings that are not empty")


def _any(_value: canonical.Value) -> None:
    """Facts are held against their names only."""


def _clock(value: canonical.Value) -> None:
    _object("clk", value, required={"source"}, allowed={"source", "error_us"})


def _actor(value: canonical.Value) -> None:
    _object("actor", value, required={"type", "id"}, allowed={"type", "id", "roles", "method", "session"})


def _objects(value: canonical.Value) -> None:
    allowed = {"role", "id", "sha256", "size", "mime", "store", "version", "chunks", "enc"}
    for one in _list("obj", value):
        _object("obj", one, required={"role", "id"}, allowed=allowed)
        if "enc" in one:
            _object("enc", one["enc"], required={"format"}, allowed={"format", "sha256", "size"})


def _tool(value: canonical.Value) -> None:
    _object("tool", value, required={"name", "version"}, allowed={"name", "version", "sha256", "params"})


def _attestations(value: canonical.Value) -> None:
    for one in _list("att", value):
        _object("att", one, required={"kind", "sha256"}, allowed={"kind", "sha256"})


def _sources(value: canonical.Value) -> None:
    for one in _list("src", value):
        if type(one) is not str or not re.fullmatch("[0-9a-f]{64}", one):
            raise FormatError("src holds SHA-256 digests in lower-case hex")


def _salted(value: canonical.Value) -> None:
    digests = [disclosure.require_digest(one) for one in _list("sd", value)]
    if digests != sorted(set(digests)):
        raise FormatError("sd is sorted and holds no digest twice")


def _list(name: str, value: canonical.Value) -> list[canonical.Value]:
    if type(value) is not list or not value:
        raise FormatError(f"{name} is a list that is not empty, or left out")
    return value


def _object(name: str, value: canonical.Value, *, required: set[str], allowed: set[str]) -> None:
    if type(value) is not dict:
        raise FormatError(f"{name} is an object")
    _require_members(name, value, frozenset(required), frozenset(allowed))


_SHAPES = {
    "n": _nonce,
    "act": _string,
    "clk": _clock,
    "occ": _string,
    "actor": _actor,
    "on_behalf": _actor,
    "obj": _objects,
    "src": _sources,
    "tool": _tool,
    "pol": _string,
    "req": _string,
    "att": _attestations,
    "sd": _salted,
    "facts": _any,
}


def _act(
    name: str, sentence: str, *, on: str, needs: str = "", may: str = "", facts: str = "", may_facts: str = ""
) -> Act:
    needed_facts = frozenset(facts.split())
    needed = _ALWAYS | set(needs.split()) | ({"facts"} if needed_facts else set())
    return Act(
        name=name,
        chains=frozenset(on.split()),
        sentence=sentence,
        required=needed,
        allowed=needed | _OFTEN | set(may.split()) | ({"facts"} if may_facts else set()),
        facts_required=needed_facts,
        facts_allowed=needed_facts | set(may_facts.split()),
    )


_ACTOR = "account dock _refused"
_REGISTRY = (
    _act(
        "item.announced",
        "A dock signed what it was about to send; the record before each reception of what a dock brought.",
        on="item",
        needs="src att",
        facts="upload dock fingerprint public",
    ),
    _act(
        "item.received",
        "The original arrived whole, was read back from the store, and is held from now on.",
        on="item",
        needs="obj",
        may="occ",
        facts="upload",
        may_facts="recorded_at",
    ),
    _act(
        "item.received_again",
        "The same bytes arrived once more; the item stays one item.",
        on="item",
        needs="obj",
        may="occ",
        facts="upload",
        may_facts="recorded_at",
    ),
    _act(
        "item.probed",
        "A program read what kind of footage the original holds.",
        on="item",
        needs="obj tool",
        facts="outcome",
        may_facts="container duration_us streams",
    ),
    _act(
        "item.attributed",
        "The roster of cameras was asked whose recording the item is; unresolved, it is on the worklist.",
        on="item",
        facts="outcome",
        may_facts="why account camera assignment",
    ),
    _act(
        "item.reassigned",
        "Somebody decided whose recording the item is.",
        on="item",
        facts="account",
        may_facts="before unit unit_before",
    ),
    _act(
        "item.exported",
        "An export of the item began; written before any byte left.",
        on="item",
        facts="export",
        may="obj",
    ),
    _act(
        "item.export_ended",
        "An export ended, whole or not. An export without this has an unknown outcome.",
        on="item",
        facts="export outcome size",
        may="obj",
    ),
    _act(
        "viewing.begun",
        "Somebody was about to watch the item or to have a copy of it; written before any byte left.",
        on="item",
        needs="obj",
        facts="viewing manner",
    ),
    _act(
        "viewing.ended",
        "A viewing ended; size is the most that can have been sent. A viewing without this has an unknown outcome.",
        on="item",
        facts="viewing manner size",
    ),
    _act(
        "item.redacted",
        "A redacted derivative was rendered from the original.",
        on="item",
        needs="obj src tool",
        facts="redaction",
    ),
    _act(
        "item.produced",
        "The item went into a production, whose list is frozen.",
        on="item",
        needs="obj",
        facts="production",
    ),
    _act(
        "item.transferred",
        "The item was handed to another agency.",
        on="item",
        needs="obj",
        facts="transfer",
        may_facts="to_origin",
    ),
    _act(
        "item.transfer_received",
        "The item came from another agency; src names the last record of its history there.",
        on="item",
        needs="obj src",
        facts="transfer from_origin from_chain from_seq",
    ),
    _act(
        "item.disposed",
        "The original was destroyed as its retention schedule asks.",
        on="item",
        needs="obj pol",
        facts="disposition",
    ),
    _act(
        "item.expunged",
        "The original was destroyed by order of a court; the history stays.",
        on="item",
        needs="obj",
        facts="expungement",
    ),
    _act(
        "key.destroyed",
        "The key of an object was destroyed, so no copy of it can be read again.",
        on="item",
        needs="obj",
    ),
    _act(
        "hold.placed",
        "A legal hold was placed on the item.",
        on="item case",
        facts="hold",
    ),
    _act(
        "hold.released",
        "A legal hold was released.",
        on="item case",
        facts="hold",
    ),
    _act(
        "retention.decided",
        "It was decided how long the item is kept, and by what schedule.",
        on="item",
        facts="schedule keep_until",
        needs="pol",
    ),
    _act(
        "production.delivered",
        "A production that holds the item was handed to its recipient.",
        on="item",
        needs="obj",
        facts="production delivery",
    ),
    _act(
        "case.opened",
        "A case file was opened.",
        on="case",
    ),
    _act(
        "case.closed",
        "A case was closed.",
        on="case",
    ),
    _act(
        "case.reopened",
        "A closed case was opened again.",
        on="case",
    ),
    _act(
        "exhibit.linked",
        "An item was linked to a case as an exhibit; stands on both chains.",
        on="item case",
        facts="exhibit case item",
    ),
    _act(
        "exhibit.withdrawn",
        "An exhibit was withdrawn: the link ended; stands on both chains.",
        on="item case",
        facts="exhibit case item",
    ),
    _act(
        "case.assigned",
        "Somebody was assigned to a case.",
        on="case",
        facts="assignment account",
    ),
    _act(
        "case.assignment_ended",
        "Somebody works a case no longer.",
        on="case",
        facts="assignment account",
    ),
    _act(
        "case.referred",
        "A case was laid before an agency that prosecutes.",
        on="case",
        facts="referral agency",
    ),
    _act(
        "case.referral_ended",
        "A referral of a case ended.",
        on="case",
        facts="referral agency",
    ),
    _act(
        "access.granted",
        "Somebody, or a unit, was put on the access list.",
        on="item case",
        facts="entry extent",
        may_facts="account unit expires_at",
    ),
    _act(
        "access.ended",
        "An entry of the access list ended.",
        on="item case",
        facts="entry",
    ),
    _act(
        "access.restricted",
        "Fewer may know of the item or case from now on.",
        on="item case",
        facts="before now",
    ),
    _act(
        "access.unrestricted",
        "More may know of the item or case from now on.",
        on="item case",
        facts="before now",
    ),
    _act(
        "disclosure.forbidden",
        "The item was marked do-not-disclose.",
        on="item",
    ),
    _act(
        "disclosure.allowed",
        "The mark do-not-disclose was taken from the item.",
        on="item",
    ),
    _act(
        "incident.declared",
        "A critical incident was declared; it covers every item with its number.",
        on="account",
        facts="incident",
    ),
    _act(
        "incident.covers",
        "An item was put under a critical incident whose number it does not carry.",
        on="item",
        facts="incident",
    ),
    _act(
        "incident.listed",
        "Somebody was listed as involved in a critical incident or as its witness, and may not watch for now.",
        on="account",
        facts="incident listing account part",
    ),
    _act(
        "statement.recorded",
        "Somebody listed in a critical incident gave their statement, and may watch.",
        on="account",
        facts="incident listing account",
    ),
    _act(
        "viewing.released",
        "Viewing was released to somebody listed in a critical incident.",
        on="account",
        facts="incident listing account",
    ),
    _act(
        "unit.founded",
        "An agency has a unit more.",
        on="account",
        facts="unit",
    ),
    _act(
        "unit.joined",
        "An account belongs to a unit, or supervises it.",
        on="account",
        facts="account unit standing",
    ),
    _act(
        "unit.left",
        "An account belongs to a unit no longer.",
        on="account",
        facts="account unit",
    ),
    _act(
        "case.described",
        "The title of a case was corrected.",
        on="case",
    ),
    _act(
        "case.merged",
        "A case was merged into another of its agency; stands on the chains of both.",
        on="case",
        facts="into merged",
    ),
    _act(
        "exhibit.carried_over",
        "At a merger an exhibit ended and its item went on as an exhibit of the case that remains.",
        on="item case",
        facts="case exhibit item to_case to_exhibit",
    ),
    _act(
        "case.due_set",
        "Another day was set on which a referral is due.",
        on="case",
        facts="agency referral",
    ),
    _act(
        "incident.added",
        "A case or item was said to belong to an incident.",
        on="item case",
        facts="incident",
    ),
    _act(
        "incident.withdrawn",
        "An incident number was withdrawn from a case or item.",
        on="item case",
        facts="incident",
    ),
    _act(
        "reference.added",
        "An agency said what another system of its own calls a case or item.",
        on="item case",
        facts="agency reference",
    ),
    _act(
        "reference.withdrawn",
        "A reference to another system was withdrawn.",
        on="item case",
        facts="agency reference",
    ),
    _act(
        "expectation.added",
        "Something was listed that is expected of a referral.",
        on="case",
        facts="agency expectation referral",
    ),
    _act(
        "expectation.fulfilled",
        "An exhibit was said to be what was expected of a referral, or part of it.",
        on="case",
        facts="agency exhibit expectation referral",
    ),
    _act(
        "expectation.withdrawn",
        "Something is expected of a referral no longer.",
        on="case",
        facts="agency expectation referral",
    ),
    _act(
        "agency.case_numbers_set",
        "An administrator set how the agency's case numbers are written.",
        on="account",
        facts="agency",
    ),
    _act(
        "approval.requested",
        "Somebody asked for an act that a second person has to approve; sha256 is of the frozen request.",
        on="account",
        facts="approval action sha256",
    ),
    _act(
        "approval.given",
        "A second person approved exactly the request with this digest.",
        on="account",
        facts="approval action sha256 requester",
    ),
    _act(
        "approval.refused",
        "A second person refused a request.",
        on="account",
        facts="approval action sha256 requester",
    ),
    _act(
        "approval.withdrawn",
        "Whoever had made a request withdrew it.",
        on="account",
        facts="approval action sha256",
    ),
    _act(
        "approval.voided",
        "What a request is about had changed before it was approved, which ended the request.",
        on="account",
        facts="approval action sha256 requester",
    ),
    _act(
        "approval.carried_out",
        "What two people asked for and approved took effect; the act itself stands beside this.",
        on="item case account",
        facts="approval action sha256 requester approver",
    ),
    _act(
        "glass.broken",
        "An administrator broke the glass before an item, to watch it until ends_at; stands on both chains.",
        on="item account",
        facts="glass item account ends_at",
    ),
    _act(
        "glass.reviewed",
        "Somebody else reviewed a use of break-glass; stands on both chains.",
        on="item account",
        facts="glass item account",
    ),
    _act(
        "upload.opened",
        "An upload began.",
        on="account dock",
        facts="upload",
        may_facts="size declared",
    ),
    _act(
        "upload.quarantined",
        "An upload failed a check; its bytes are kept apart and explained.",
        on="account dock",
        facts="upload reason",
        may="obj",
        may_facts="size declared",
    ),
    _act(
        "upload.terminated",
        "An unfinished upload was ended by its sender.",
        on="account dock",
        facts="upload",
        may_facts="size received",
    ),
    _act(
        "upload.expired",
        "An unfinished upload was left idle too long and ended.",
        on="account dock",
        facts="upload",
        may_facts="size received",
    ),
    _act(
        "account.created",
        "An account was created.",
        on="account",
        facts="account",
    ),
    _act(
        "role.granted",
        "A role was granted to an account; mapping names the mapping of a group by which it was.",
        on="account",
        facts="account role",
        may_facts="mapping",
    ),
    _act(
        "role.ended",
        "A role of an account ended.",
        on="account",
        facts="account role",
    ),
    _act(
        "group.mapped",
        "A group of an identity provider gives roles at a first sign-in.",
        on="account",
        facts="mapping provider roles",
    ),
    _act(
        "group.unmapped",
        "A group of an identity provider gives the roles of that mapping no longer.",
        on="account",
        facts="mapping provider",
    ),
    _act(
        "account.suspended",
        "An account was suspended.",
        on="account",
        facts="account",
    ),
    _act(
        "account.signed_in",
        "An account signed in.",
        on="account",
        may_facts="amr banner",
    ),
    _act(
        "account.sign_in_refused",
        "A sign-in was refused.",
        on="account _refused",
        facts="reason",
    ),
    _act(
        "session.ended",
        "A session of an account was ended before its time.",
        on="account",
        facts="account session reason",
    ),
    _act(
        "account.proved_again",
        "Somebody proved their second factor again, within a session.",
        on="account",
        facts="amr",
    ),
    _act(
        "second_factor.enrolled",
        "An account has a second factor from now on.",
        on="account",
        facts="account",
    ),
    _act(
        "recovery_codes.made",
        "An account was given recovery codes; earlier ones count no longer.",
        on="account",
        facts="account count",
    ),
    _act(
        "recovery_code.used",
        "A recovery code stood in for the second factor.",
        on="account",
        facts="account left",
    ),
    _act(
        "account.password_changed",
        "The password of an account was changed.",
        on="account",
        facts="account",
    ),
    _act(
        "account.locked_out",
        "An account or a network address was locked out after too many failures.",
        on="account _refused",
        facts="failures",
        may_facts="account",
    ),
    _act(
        "account.released",
        "An account that was locked out or idle was let in again.",
        on="account",
        facts="account",
    ),
    _act(
        "source.released",
        "A network address that was locked out was let in again.",
        on="account _refused",
    ),
    _act(
        "account.reset",
        "An account was reset at the server's own console: one-time password, no second factor, no session.",
        on="account",
        facts="account",
    ),
    _act(
        "identity.expected",
        "Somebody is expected to sign in to an account at an identity provider.",
        on="account",
        facts="account provider",
    ),
    _act(
        "identity.linked",
        "An account belongs to somebody at an identity provider from now on.",
        on="account",
        facts="account provider",
    ),
    _act(
        "dock.invited",
        "A code was given out by which one dock may enroll.",
        on="account dock",
        may_facts="dock",
    ),
    _act(
        "dock.enrolled",
        "A dock enrolled with its key.",
        on="dock account",
        facts="dock fingerprint",
    ),
    _act(
        "dock.key_replaced",
        "A dock changed its key: the old one named the new one, and is good for nothing from now on.",
        on="dock",
        facts="dock fingerprint replaced",
    ),
    _act(
        "dock.retired",
        "A dock was retired; its key is good for nothing from now on.",
        on="dock account",
        facts="dock",
    ),
    _act(
        "dock.signed_in",
        "A dock signed in with its key.",
        on="dock",
    ),
    _act(
        "camera.enrolled",
        "A camera came onto the books.",
        on="account",
        facts="camera",
    ),
    _act(
        "camera.assigned",
        "Somebody carries a camera, or carried it, from when to when.",
        on="account",
        facts="assignment camera account since",
        may_facts="until",
    ),
    _act(
        "camera.assignment_ended",
        "It became known until when somebody carried a camera.",
        on="account",
        facts="assignment camera account since until",
    ),
    _act(
        "camera.retired",
        "A camera is in use no longer.",
        on="account",
        facts="camera",
    ),
    _act(
        "key.added",
        "A signing key of this installation came into use.",
        on="_keys",
        facts="name id role algorithm public",
    ),
    _act(
        "access.refused",
        "Somebody was refused what they asked for.",
        on=_ACTOR,
        facts="action",
        may_facts="reason",
    ),
)

ACTS: dict[str, Act] = {act.name: act for act in _REGISTRY}
"""Every act by its name. Closed: nothing else is ever written."""

ENDS_OF_ORIGINAL = frozenset({"item.disposed", "item.expunged", "key.destroyed"})
"""Acts after which the original is lawfully no longer there."""
