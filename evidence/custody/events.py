"""Every kind of custody event: what happened, in the domain's words, one frozen class each.

An event becomes a custody record when it is sealed (ledger.py).  What it says openly goes into
the record's body: who by pseudonymous id, what by digest, plain facts.  What it says in
confidence (names, reasons, addresses) enters the record only as salted digests.

Each class lists what it says openly (`open_facts`) and what only in disclosures (`withheld`), by the
names of its fields.  The acts and what each may hold are in evidence/proof/acts.py; an event that
says more is refused when it is recorded.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import ClassVar, Self
from uuid import UUID

from auth.principals import Principal, PrincipalKind
from evidence.clock import written
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
            session=principal.session and digest_of_session(principal.session),
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


def digest_of_session(session: str) -> str:
    """Return what records call a session or token by: to know it is not to hold it."""
    return sha256(session.encode()).hexdigest()


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
    open_facts: ClassVar[tuple[str, ...]] = ()
    withheld: ClassVar[tuple[str, ...]] = ()
    told_apart_by: ClassVar[tuple[str, ...]] = ()
    """What tells two events of one act in one request on one chain apart."""

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
        return ":".join((self.request_id, self.act, *(str(getattr(self, name)) for name in self.told_apart_by)))

    def members(self) -> Members:
        """Return what the body says besides who, when, in which request and the facts."""
        return {}

    def facts(self) -> Members:
        """Return the plain facts of the body: strings and whole numbers."""
        facts = self._named(self.open_facts)
        for name, value in facts.items():
            if not isinstance(value, str | int):
                raise TypeError(f"the fact {name} of {self.act} is a {type(value).__name__}")
        return facts

    def sensitive(self) -> Members:
        """Return what the record only commits to. It is held against the canonical profile when it is salted."""
        return self._named(self.withheld)

    def _named(self, names: tuple[str, ...]) -> Members:
        """Take fields by name; what was not said is left out. `upload_id` is called `upload` in a record."""
        return _said({name.removesuffix("_id"): _plain(getattr(self, name)) for name in names})


def _said(members: Members) -> Members:
    return {name: value for name, value in members.items() if value is not None}


def _plain(value: Value) -> Value:
    if isinstance(value, UUID):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value


def _instant(at: datetime | None) -> str | None:
    return None if at is None else written(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ItemEvent(CustodyEvent):
    item_id: UUID

    @property
    def chain(self) -> str:
        return chain_of("item", self.item_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival(_ItemEvent):
    """Three accounts of the bytes that had to agree, as digests of 32 bytes each.

    `declared` beforehand and `read_back` from the store are of the whole; `streamed_chunks` and
    `read_back_chunks` are of the chunk list, for only digests of chunks outlive a restart of the
    server in the middle of a stream.
    """

    open_facts = ("upload_id",)
    withheld = ("filename", "number", "camera_serial", "officer_badge", "incident", "source")

    upload_id: UUID
    original: CitedObject
    chunk_list: CitedObject
    declared: bytes | None
    read_back: bytes
    streamed_chunks: bytes
    read_back_chunks: bytes
    filename: str
    number: str | None = None
    recorded_at: datetime | None = None
    camera_serial: str | None = None
    officer_badge: str | None = None
    incident: str | None = None
    source: str | None = None

    def members(self) -> Members:
        digests = {
            "declared": self.declared,
            "read_back": self.read_back,
            "streamed_chunks": self.streamed_chunks,
            "read_back_chunks": self.read_back_chunks,
        }
        return _said(
            {
                "obj": [self.original.members(), self.chunk_list.members()],
                "occ": _instant(self.recorded_at),
                "att": [{"kind": kind, "sha256": digest.hex()} for kind, digest in digests.items() if digest],
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAnnounced(_ItemEvent):
    """A dock signed what it was about to send, before it sent it.

    `manifest` is what it signed, whole; `digest` its SHA-256, `announced` the recording's by what it
    says (32 bytes each).  `fingerprint` names the key, and `public` is that key (x || y, 64 bytes).
    """

    act = "item.announced"
    open_facts = ("upload_id", "dock_id", "fingerprint", "public")
    withheld = ("manifest",)
    told_apart_by = ("upload_id",)

    upload_id: UUID
    dock_id: UUID
    fingerprint: str
    public: bytes
    manifest: str
    digest: bytes
    announced: bytes

    def members(self) -> Members:
        """Return the digests of the manifest and of what it announces."""
        return {"src": [self.digest.hex()], "att": [{"kind": "announced", "sha256": self.announced.hex()}]}


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
    """A program read what kind of footage the original holds.

    `streams` is how many there are, `media` everything the program found (transcode/media.py).
    """

    act = "item.probed"
    open_facts = ("outcome", "container", "duration_us", "streams")
    withheld = ("note", "media")

    original: CitedObject
    tool: Tool
    outcome: str
    container: str | None = None
    duration_us: int | None = None
    streams: int | None = None
    note: str | None = None
    media: Members | None = None

    def members(self) -> Members:
        """Return the original and the program."""
        return {"obj": [self.original.members()], "tool": self.tool.members()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExportEvent(_ItemEvent):
    told_apart_by = ("export_id",)

    export_id: UUID
    objects: tuple[CitedObject, ...] = ()

    def members(self) -> Members:
        return _said({"obj": [cited.members() for cited in self.objects] or None})


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemExported(_ExportEvent):
    """An export of the item began: the intent, committed before any byte leaves."""

    act = "item.exported"
    open_facts = ("export_id",)
    withheld = ("reason", "recipient", "source")

    reason: str | None = None
    recipient: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemExportEnded(_ExportEvent):
    """An export ended: the completion. `size` is bytes sent, `outcome` whole or not."""

    act = "item.export_ended"
    open_facts = ("export_id", "outcome", "size")

    outcome: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _UploadEvent(CustodyEvent):
    """Stands on the chain of whoever sends: `sender_kind` and `sender_id`, also when the system acts."""

    told_apart_by = ("upload_id",)

    upload_id: UUID
    sender_kind: PrincipalKind
    sender_id: UUID

    @property
    def chain(self) -> str:
        return chain_of(self.sender_kind, self.sender_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadOpened(_UploadEvent):
    """An upload began. `size` in bytes as announced, `declared` is "sha256" or "none"."""

    act = "upload.opened"
    open_facts = ("upload_id", "size", "declared")
    withheld = ("filename", "source")

    size: int | None = None
    declared: str | None = None
    filename: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadQuarantined(_UploadEvent):
    """An upload failed a check; its bytes are kept apart. `reason` is a short code, `explanation` for people."""

    act = "upload.quarantined"
    open_facts = ("upload_id", "reason", "size", "declared")
    withheld = ("explanation",)

    reason: str
    explanation: str | None = None
    size: int | None = None
    declared: str | None = None
    objects: tuple[CitedObject, ...] = ()

    def members(self) -> Members:
        """Return the objects kept."""
        return _said({"obj": [cited.members() for cited in self.objects] or None})


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnfinishedUpload(_UploadEvent):
    """`size` bytes were announced, `received` had arrived."""

    open_facts = ("upload_id", "size", "received")

    size: int | None = None
    received: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTerminated(_UnfinishedUpload):
    """An unfinished upload was ended by its sender."""

    act = "upload.terminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadExpired(_UnfinishedUpload):
    """An unfinished upload was left idle too long."""

    act = "upload.expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent(CustodyEvent):
    """Stands on the chain of whoever acts; what the system does to an account stands on that account's."""

    open_facts: ClassVar[tuple[str, ...]] = ("account_id",)
    told_apart_by: ClassVar[tuple[str, ...]] = ("account_id",)

    account_id: UUID

    @property
    def chain(self) -> str:
        """The chain of whoever acts, or the account's."""
        return self.actor.chain or chain_of("account", self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCreated(AccountEvent):
    """An account was created."""

    act = "account.created"
    withheld = ("email", "name", "badge")

    email: str
    name: str
    badge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSuspended(AccountEvent):
    """An account was suspended."""

    act = "account.suspended"
    withheld = ("reason",)

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleGranted(AccountEvent):
    """A role was granted to an account; `mapping_id` says by which mapping of a group, if by one."""

    act = "role.granted"
    open_facts = ("account_id", "role", "mapping_id")
    told_apart_by = ("account_id", "role")

    role: str
    mapping_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEnded(AccountEvent):
    """An account holds a role no longer."""

    act = "role.ended"
    open_facts = ("account_id", "role")
    told_apart_by = ("account_id", "role")

    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSignedIn(CustodyEvent):
    """An account signed in. `source` is the network address it came from, `provider` whose word it was if not ours.

    `amr` says by what means (RFC 8176, with blanks between), `banner` which system-use notice was
    acknowledged: its SHA-256 in hex.
    """

    act = "account.signed_in"
    open_facts = ("amr", "banner")
    withheld = ("source", "provider")

    amr: str | None = None
    banner: str | None = None
    source: str | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused(CustodyEvent):
    """A sign-in was refused. Stands on the account that was claimed, or among the refused."""

    act = "account.sign_in_refused"
    open_facts = ("reason",)
    withheld = ("dock_id", "source", "provider")

    reason: str
    account_id: UUID | None = None
    dock_id: UUID | None = None
    source: str | None = None
    provider: str | None = None

    @property
    def chain(self) -> str:
        """The claimed account's chain, if there is such an account."""
        return REFUSED_CHAIN if self.account_id is None else chain_of("account", self.account_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DockInvited(CustodyEvent):
    """A code was given out by which one dock may enroll."""

    act = "dock.invited"
    withheld = ("name", "invitation_id")
    told_apart_by = ("invitation_id",)

    invitation_id: UUID
    name: str

    @property
    def chain(self) -> str:
        """The inviting account's chain; the system's invitation has one of its own."""
        return self.actor.chain or chain_of("dock", self.invitation_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DockEvent(CustodyEvent):
    """Stands on the chain of whoever acts; what the system does to a dock stands on that dock's."""

    open_facts: ClassVar[tuple[str, ...]] = ("dock_id",)
    told_apart_by: ClassVar[tuple[str, ...]] = ("dock_id",)

    dock_id: UUID

    @property
    def chain(self) -> str:
        return self.actor.chain or chain_of("dock", self.dock_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DockEnrolled(_DockEvent):
    """A dock enrolled with its key. `fingerprint` is of the key."""

    act = "dock.enrolled"
    open_facts = ("dock_id", "fingerprint")
    withheld = ("name", "invitation_id")

    fingerprint: str
    name: str
    invitation_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DockKeyReplaced(_DockEvent):
    """A dock has another key: the old one, `replaced`, named the new one. Both are fingerprints."""

    act = "dock.key_replaced"
    open_facts = ("dock_id", "fingerprint", "replaced")
    withheld = ("name",)

    fingerprint: str
    replaced: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DockRetired(_DockEvent):
    """A dock was retired; its key is good for nothing from now on."""

    act = "dock.retired"
    withheld = ("reason",)

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DockSignedIn(CustodyEvent):
    """A dock signed in with its key."""

    act = "dock.signed_in"
    withheld = ("source",)

    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAdded(CustodyEvent):
    """A signing key came into use.

    `public` is the raw public key, `key_id` the four bytes that name it in a signed note.
    """

    act = "key.added"
    open_facts = ("name", "role", "algorithm", "public")

    name: str
    key_id: bytes
    role: str
    algorithm: str
    public: bytes

    @property
    def chain(self) -> str:
        """The chain of all keys."""
        return KEYS_CHAIN

    @property
    def key(self) -> str:
        """The key itself: it is added once, whoever asks and however often."""
        return f"{self.act}:{self.public.hex()}"

    def facts(self) -> Members:
        """Return the facts; a key's id is called `id`."""
        return {**self._named(self.open_facts), "id": self.key_id.hex()}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRefused(CustodyEvent):
    """Somebody was refused an action. `reason` is for people; `named` is what they asked for, as they named it."""

    act = "access.refused"
    open_facts = ("action",)
    withheld = ("reason", "named")

    action: str
    reason: str | None = None
    named: str | None = None
