"""Every kind of custody event: what happened, in the domain's words, one frozen class each.

An event becomes a custody record when it is sealed (ledger.py).  What it says openly goes into
the record's body: who by pseudonymous id, what by digest, plain facts.  What it says in
`sensitive` (names, reasons, addresses) enters the record only as salted digests.

The acts and what each may hold are in evidence/proof/acts.py; an event that says more is refused
when it is recorded.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import ClassVar, Self
from uuid import UUID

from auth.principals import Principal, PrincipalKind
from evidence.proof.canonical import Value

Members = dict[str, Value]

REFUSED_CHAIN = "_refused"
KEYS_CHAIN = "_keys"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as they were at that moment. Name, badge and agency are disclosures, never part of a body.

    `type` is a kind of principal, or "unknown" for whoever could not say who they are.
    """

    type: str
    id: str
    roles: tuple[str, ...] = ()
    method: str | None = None
    session: str | None = None
    name: str | None = None
    badge: str | None = None
    agency: str | None = None

    @classmethod
    def of(cls, principal: Principal) -> Self:
        """Describe a principal."""
        return cls(
            type=principal.kind,
            id=str(principal.id),
            roles=tuple(sorted(principal.roles)),
            method=principal.method,
            session=principal.session and sha256(principal.session.encode()).hexdigest(),
            name=principal.name,
            badge=principal.badge,
            agency=str(principal.agency_id),
        )

    @classmethod
    def system(cls) -> Self:
        """Describe this installation itself, acting by its own rules."""
        return cls(type="system", id="system", method="internal")

    @classmethod
    def unknown(cls) -> Self:
        """Describe somebody nobody knows."""
        return cls(type="unknown", id="unknown")

    @property
    def chain(self) -> str | None:
        """The chain on which this actor's own doings stand; the system and strangers have none."""
        return chain_of(self.type, self.id) if self.type in ("account", "dock") else None

    def members(self) -> Members:
        """Return what a body says of the actor."""
        said = {
            "type": self.type,
            "id": self.id,
            "roles": list(self.roles) or None,
            "method": self.method,
            "session": self.session,
        }
        return _said(said)

    def sensitive(self) -> Members:
        """Return what only a disclosure says of the actor."""
        return _said({"name": self.name, "badge": self.badge, "agency": self.agency})


def chain_of(kind: str, id: UUID | str) -> str:
    """Return the chain of an item, account or dock."""
    return f"{kind}/{id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enciphered:
    """How an object is stored: the frame format, and digest (32 bytes) and size of the ciphertext."""

    format: str
    sha256: bytes
    size: int

    def members(self) -> Members:
        """Return what a body says of it."""
        return {"format": self.format, "sha256": self.sha256.hex(), "size": self.size}


@dataclass(frozen=True, slots=True, kw_only=True)
class CitedObject:
    """An object as a record names it. `sha256` (32 bytes) and `size` (bytes) are of the plaintext.

    `store` is the store's alias and `version` its version of the object; `chunks` is the SHA-256
    (32 bytes) of the object that lists the digests of its 8 MiB chunks.
    """

    role: str
    id: UUID
    sha256: bytes | None = None
    size: int | None = None
    mime: str | None = None
    store: str | None = None
    version: str | None = None
    chunks: bytes | None = None
    enc: Enciphered | None = None

    def members(self) -> Members:
        """Return what a body says of it."""
        said = {
            "role": self.role,
            "id": str(self.id),
            "sha256": self.sha256 and self.sha256.hex(),
            "size": self.size,
            "mime": self.mime,
            "store": self.store,
            "version": self.version,
            "chunks": self.chunks and self.chunks.hex(),
            "enc": self.enc and self.enc.members(),
        }
        return _said(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """The program that did it. `sha256` (32 bytes) is of the program, `params` of its parameters."""

    name: str
    version: str
    sha256: bytes | None = None
    params: bytes | None = None

    def members(self) -> Members:
        """Return what a body says of it."""
        said = {
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256 and self.sha256.hex(),
            "params": self.params and self.params.hex(),
        }
        return _said(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyEvent:
    """Something that happened. `request_id` makes a retry of the same request the same record."""

    act: ClassVar[str]

    actor: Actor
    request_id: str
    on_behalf: Actor | None = None

    @property
    def chain(self) -> str:
        """The chain it stands on: the actor's own, unless the event says otherwise."""
        return self.actor.chain or REFUSED_CHAIN

    @property
    def key(self) -> str:
        """What tells this event from every other on its chain, however often its request is sent."""
        return f"{self.request_id}:{self.act}" + (f":{self.subject}" if self.subject else "")

    @property
    def subject(self) -> str:
        """What tells apart two events of one act in one request on one chain."""
        return ""

    def members(self) -> Members:
        """Return what the body says besides who, when and in which request. None is left out."""
        return {}

    def facts(self) -> Members:
        """Return the plain facts. None is left out."""
        return {}

    def sensitive(self) -> Members:
        """Return what is committed to and disclosed apart from the record. None is left out."""
        return {}


def _said(members: Members) -> Members:
    """Leave out what was not said."""
    return {name: value for name, value in members.items() if value is not None}


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class _ItemEvent(CustodyEvent):
    item_id: UUID

    @property
    def chain(self) -> str:
        return chain_of("item", self.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival(_ItemEvent):
    """`declared`, `streamed` and `read_back` are the three digests (32 bytes) that had to agree."""

    upload_id: UUID
    original: CitedObject
    chunk_list: CitedObject
    declared: bytes | None
    streamed: bytes
    read_back: bytes
    filename: str
    number: str | None = None
    recorded_at: datetime | None = None
    camera_serial: str | None = None
    officer_badge: str | None = None
    source: str | None = None

    def members(self) -> Members:
        digests = {"declared": self.declared, "streamed": self.streamed, "read_back": self.read_back}
        return {
            "obj": [self.original.members(), self.chunk_list.members()],
            "occ": _instant(self.recorded_at),
            "att": [{"kind": kind, "sha256": digest.hex()} for kind, digest in digests.items() if digest],
        }

    def facts(self) -> Members:
        return {"upload": str(self.upload_id)}

    def sensitive(self) -> Members:
        return {
            "filename": self.filename,
            "number": self.number,
            "camera_serial": self.camera_serial,
            "officer_badge": self.officer_badge,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemReceived(_Arrival):
    """The original arrived whole, was read back from the store, and is held from now on."""

    act = "item.received"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemReceivedAgain(_Arrival):
    """The same bytes arrived once more."""

    act = "item.received_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemProbed(_ItemEvent):
    """A program read what kind of footage the original holds. `streams` is how many there are."""

    act = "item.probed"

    original: CitedObject
    tool: Tool
    outcome: str
    container: str | None = None
    duration_us: int | None = None
    streams: int | None = None
    note: str | None = None

    def members(self) -> Members:
        return {"obj": [self.original.members()], "tool": self.tool.members()}

    def facts(self) -> Members:
        return {
            "outcome": self.outcome,
            "container": self.container,
            "duration_us": self.duration_us,
            "streams": self.streams,
        }

    def sensitive(self) -> Members:
        return {"note": self.note}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExportEvent(_ItemEvent):
    export_id: UUID
    objects: tuple[CitedObject, ...] = ()

    @property
    def subject(self) -> str:
        return str(self.export_id)

    def members(self) -> Members:
        return {"obj": [cited.members() for cited in self.objects] or None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemExported(_ExportEvent):
    """An export of the item began: the intent, committed before any byte leaves."""

    act = "item.exported"

    reason: str | None = None
    recipient: str | None = None
    source: str | None = None

    def facts(self) -> Members:
        return {"export": str(self.export_id)}

    def sensitive(self) -> Members:
        return {"reason": self.reason, "recipient": self.recipient, "source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemExportEnded(_ExportEvent):
    """An export ended: the completion. `size` is bytes sent, `outcome` whole or not."""

    act = "item.export_ended"

    outcome: str
    size: int

    def facts(self) -> Members:
        return {"export": str(self.export_id), "outcome": self.outcome, "size": self.size}


@dataclass(frozen=True, slots=True, kw_only=True)
class _UploadEvent(CustodyEvent):
    """Stands on the chain of whoever sends: `sender_kind` and `sender_id`, also when the system acts."""

    upload_id: UUID
    sender_kind: PrincipalKind
    sender_id: UUID

    @property
    def chain(self) -> str:
        return chain_of(self.sender_kind, self.sender_id)

    @property
    def subject(self) -> str:
        return str(self.upload_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOpened(_UploadEvent):
    """An upload began. `size` in bytes as announced, `declared` is "sha256" or "none"."""

    act = "upload.opened"

    size: int | None = None
    declared: str | None = None
    filename: str | None = None
    source: str | None = None

    def facts(self) -> Members:
        return {"upload": str(self.upload_id), "size": self.size, "declared": self.declared}

    def sensitive(self) -> Members:
        return {"filename": self.filename, "source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadQuarantined(_UploadEvent):
    """An upload failed a check; its bytes are kept apart. `reason` is a short code, `explanation` for people."""

    act = "upload.quarantined"

    reason: str
    explanation: str | None = None
    size: int | None = None
    declared: str | None = None
    objects: tuple[CitedObject, ...] = ()

    def members(self) -> Members:
        return {"obj": [cited.members() for cited in self.objects] or None}

    def facts(self) -> Members:
        return {
            "upload": str(self.upload_id),
            "reason": self.reason,
            "size": self.size,
            "declared": self.declared,
        }

    def sensitive(self) -> Members:
        return {"explanation": self.explanation}


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnfinishedUpload(_UploadEvent):
    """`size` bytes were announced, `received` had arrived."""

    size: int | None = None
    received: int | None = None

    def facts(self) -> Members:
        return {"upload": str(self.upload_id), "size": self.size, "received": self.received}


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTerminated(_UnfinishedUpload):
    """An unfinished upload was ended by its sender."""

    act = "upload.terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadExpired(_UnfinishedUpload):
    """An unfinished upload was left idle too long."""

    act = "upload.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class _AccountEvent(CustodyEvent):
    """Stands on the chain of whoever acts; what the system does to an account stands on that account's."""

    account_id: UUID

    @property
    def chain(self) -> str:
        return self.actor.chain or chain_of("account", self.account_id)

    @property
    def subject(self) -> str:
        return str(self.account_id)

    def facts(self) -> Members:
        return {"account": str(self.account_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCreated(_AccountEvent):
    """An account was created."""

    act = "account.created"

    email: str
    name: str
    badge: str | None = None

    def sensitive(self) -> Members:
        return {"email": self.email, "name": self.name, "badge": self.badge}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSuspended(_AccountEvent):
    """An account was suspended."""

    act = "account.suspended"

    reason: str | None = None

    def sensitive(self) -> Members:
        return {"reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted(_AccountEvent):
    """A role was granted to an account."""

    act = "role.granted"

    role: str

    @property
    def subject(self) -> str:
        return f"{self.account_id}:{self.role}"

    def facts(self) -> Members:
        return {"account": str(self.account_id), "role": self.role}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSignedIn(CustodyEvent):
    """An account signed in. `source` is the network address it came from."""

    act = "account.signed_in"

    source: str | None = None

    def sensitive(self) -> Members:
        return {"source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(CustodyEvent):
    """A sign-in was refused. Stands on the account that was claimed, or among the refused."""

    act = "account.sign_in_refused"

    reason: str
    account_id: UUID | None = None
    dock_id: UUID | None = None
    source: str | None = None

    @property
    def chain(self) -> str:
        if self.account_id is not None:
            return chain_of("account", self.account_id)
        return REFUSED_CHAIN

    def facts(self) -> Members:
        return {"reason": self.reason}

    def sensitive(self) -> Members:
        return {"dock": self.dock_id and str(self.dock_id), "source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class DockInvited(CustodyEvent):
    """A code was given out by which one dock may enroll."""

    act = "dock.invited"

    invitation_id: UUID
    name: str

    @property
    def chain(self) -> str:
        return self.actor.chain or chain_of("dock", self.invitation_id)

    @property
    def subject(self) -> str:
        return str(self.invitation_id)

    def sensitive(self) -> Members:
        return {"name": self.name, "invitation": str(self.invitation_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _DockEvent(CustodyEvent):
    """Stands on the chain of whoever acts; what the system does to a dock stands on that dock's."""

    dock_id: UUID

    @property
    def chain(self) -> str:
        return self.actor.chain or chain_of("dock", self.dock_id)

    @property
    def subject(self) -> str:
        return str(self.dock_id)

    def facts(self) -> Members:
        return {"dock": str(self.dock_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DockEnrolled(_DockEvent):
    """A dock enrolled with its key. `fingerprint` is of the key."""

    act = "dock.enrolled"

    fingerprint: str
    name: str
    invitation_id: UUID | None = None

    def facts(self) -> Members:
        return {"dock": str(self.dock_id), "fingerprint": self.fingerprint}

    def sensitive(self) -> Members:
        return {"name": self.name, "invitation": self.invitation_id and str(self.invitation_id)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DockRetired(_DockEvent):
    """A dock was retired; its key is good for nothing from now on."""

    act = "dock.retired"

    reason: str | None = None

    def sensitive(self) -> Members:
        return {"reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class DockSignedIn(CustodyEvent):
    """A dock signed in with its key."""

    act = "dock.signed_in"

    source: str | None = None

    def sensitive(self) -> Members:
        return {"source": self.source}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAdded(CustodyEvent):
    """A signing key came into use. `public` is the raw public key, `id` its key id in a signed note (4 bytes)."""

    act = "key.added"

    name: str
    id: bytes
    role: str
    algorithm: str
    public: bytes

    @property
    def chain(self) -> str:
        return KEYS_CHAIN

    @property
    def subject(self) -> str:
        return f"{self.name}+{self.id.hex()}"

    def facts(self) -> Members:
        return {
            "name": self.name,
            "id": self.id.hex(),
            "role": self.role,
            "algorithm": self.algorithm,
            "public": self.public.hex(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRefused(CustodyEvent):
    """Somebody was refused an action. `reason` is for people; `named` is what they asked for, as they named it."""

    act = "access.refused"

    action: str
    reason: str | None = None
    named: str | None = None

    def facts(self) -> Members:
        return {"action": self.action}

    def sensitive(self) -> Members:
        return {"reason": self.reason, "named": self.named}
