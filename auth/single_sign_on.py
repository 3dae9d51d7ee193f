"""Sign in at an agency's identity provider: authorization code with PKCE, bound to the browser that began.

What a browser began travels sealed in a cookie of its own (state, nonce, PKCE verifier, provider), so that
beginning costs no row and what comes back is good only there, once, within ten minutes.  The provider's
ID token is exchanged for our own session; its tokens are shown to nobody.  While a provider is asked, no
transaction is open.
"""

import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, NoReturn
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from sqlalchemy.orm import Session

from auth import identities, linking, once, provider_sessions
from auth.errors import NotSignedInError, ProviderAwayError, RenewingError, TakenError, TokenRequestError
from auth.events import Reason, Recorder, SessionEnded, SignedIn, SignInRefused
from auth.models import Account, ProviderIdentity, ProviderSession
from auth.principals import Principal
from auth.provider_tokens import ProvedMachine, ProvedPerson, read_id_token
from auth.providers import GrantRefusedError, Handed, Provider, Providers
from auth.sealing import Sealer
from auth.strict import read_base64url, write_base64url
from auth.tokens import IssuedToken, TokenIssuer

BEGUN_LIFE = timedelta(minutes=10)
CODE_LIFE = timedelta(seconds=60)

_BEGUN = "begun sign-in"
_CODE = "code for a desk"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")
_STATE = re.compile(r"[A-Za-z0-9._~-]{8,256}\Z")


@dataclass(frozen=True, slots=True)
class SignInDoors:
    """What signing in at providers needs of the application it is part of. `url`: how clients reach it."""

    unit_of_work: Callable[[], AbstractContextManager[Session]]
    recorder: Recorder
    tokens: TokenIssuer
    providers: Providers
    sealer: Sealer
    url: str
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A program on the person's own machine that waits for the answer (RFC 8252): where, and its own PKCE."""

    return_to: str
    challenge: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What one browser began. Travels sealed, in its cookie."""

    provider: str
    state: str
    nonce: str
    verifier: str
    ends: float
    desk: Desk | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who has signed in: who they are, and their session."""

    principal: Principal
    session: ProviderSession


def read_desk(return_to: str | None, challenge: str | None, state: str | None) -> Desk | None:
    """Read where a program waits; None if there is none. Raises TokenRequestError for anything but loopback."""
    if return_to is None and challenge is None and state is None:
        return None
    if return_to is None or not _is_loopback(return_to):
        raise TokenRequestError("invalid_request", "return_to is an address http://127.0.0.1:PORT/... of this machine.")
    if challenge is None or not _CHALLENGE.match(challenge):
        raise TokenRequestError("invalid_request", "code_challenge is a SHA-256 in base64url (PKCE, S256).")
    if state is None or not _STATE.match(state):
        raise TokenRequestError("invalid_request", "state has 8 to 256 plain characters.")
    return Desk(return_to=return_to, challenge=challenge, state=state)


def begin(doors: SignInDoors, provider: Provider, *, fresh: bool, desk: Desk | None) -> tuple[str, str]:
    """Return the address at the provider to send the browser to, and what it has to bring back, sealed."""
    at = doors.clock()
    settings, profile = provider.settings, provider.profile
    endpoint = provider.description(at=at).authorization_endpoint
    begun = Begun(
        provider=provider.name,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        ends=(at + BEGUN_LIFE).timestamp(),
        desk=desk,
    )
    asked = {
        "response_type": "code",
        "client_id": settings.client_id or "",
        "redirect_uri": redirect_address(doors, provider),
        "scope": " ".join(settings.scopes or profile.scopes),
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": challenge_of(begun.verifier),
        "code_challenge_method": "S256",
        **profile.asked_too,
    }
    if fresh:
        strong = (settings.strong_values or sorted(profile.strong_values) or [""])[0]
        asked |= {name: value.replace("VALUE", strong) for name, value in profile.asked_afresh.items()}
        asked |= {"max_age": "0", "prompt": "login"}
    joint = "&" if "?" in endpoint else "?"
    return endpoint + joint + urlencode(asked), _seal(doors, asdict(begun), purpose=_BEGUN)


def redirect_address(doors: SignInDoors, provider: Provider) -> str:
    """Return the address that has to be registered at the provider."""
    return f"{doors.url}/api/v1/sign-in/{provider.name}/callback"


def finish(
    doors: SignInDoors,
    provider: Provider,
    *,
    cookie: str | None,
    answer: Mapping[str, str],
    request_id: str,
    source: str | None,
) -> tuple[SignIn, Desk | None]:
    """Take what a browser brought back from the provider, and sign its person in.

    Every refusal is on record before NotSignedInError (or ProviderAwayError) is raised.
    """
    at = doors.clock()
    refusing = _Refusing(doors, provider.name, at, request_id, source)
    begun = _begun_here(doors, provider, cookie, answer, at)
    if begun is None:
        refusing.refuse("not_begun_here")
    with doors.unit_of_work() as session:
        unused = once.spend(session, begun.state.encode(), expires_at=datetime.fromtimestamp(begun.ends, UTC), at=at)
    if not unused:
        refusing.refuse("replayed")
    try:
        if not _is_from(provider, answer.get("iss"), at):
            refusing.refuse("not_begun_here")
        if "error" in answer or "code" not in answer:
            refusing.refuse("provider_refused")
        handed = _exchange(doors, provider, answer["code"], begun.verifier, at)
        person = read_id_token(
            handed.id_token or "",
            provider,
            nonce=begun.nonce,
            at=at,
            leeway=doors.tokens.leeway,
            access_token=handed.access_token,
        )
    except GrantRefusedError:
        refusing.refuse("provider_refused")
    except ProviderAwayError:
        refusing.report("provider_away")
        raise
    except NotSignedInError as error:
        if refusing.refused:
            raise
        refusing.refuse("bad_provider_token", because=error.reason)
    try:
        signed_in = _sign_in(doors, provider, person, handed, refusing)
    except TakenError:
        # The same person came twice at once for the first time; the second may come again.
        refusing.refuse("not_expected")
    if signed_in is None:
        raise NotSignedInError("sign-in refused")
    return signed_in, begun.desk


def code_for(doors: SignInDoors, signed_in: SignIn, desk: Desk) -> str:
    """Return the address of the waiting program, with a code that it alone can use, once, within a minute."""
    ends = (doors.clock() + CODE_LIFE).timestamp()
    code = _seal(
        doors, {"session": str(signed_in.session.id), "challenge": desk.challenge, "ends": ends}, purpose=_CODE
    )
    return f"{desk.return_to}?{urlencode({'code': code, 'state': desk.state})}"


def redeem(doors: SignInDoors, *, code: str, verifier: str, request_id: str, source: str | None) -> SignIn:
    """Return who signed in, for the code that a waiting program was handed and its PKCE verifier."""
    at = doors.clock()
    refusing = _Refusing(doors, None, at, request_id, source)
    try:
        sealed = _unseal(doors, code, purpose=_CODE)
        good = at.timestamp() < sealed["ends"] and _VERIFIER.match(verifier)
        good = good and hmac.compare_digest(challenge_of(verifier), sealed["challenge"])
    except ValueError:
        good = None
    if not good:
        refusing.refuse("not_begun_here")
    with doors.unit_of_work() as session:
        unused = once.spend(session, code.encode(), expires_at=at + CODE_LIFE, at=at)
        row = session.get_one(ProviderSession, UUID(sealed["session"]))
        if unused and row.ended_at is None:
            account = _account_of(session, row)
            return SignIn(linking.person_of(session, account, at=at), row)
        # A code that comes twice was stolen: nobody keeps what it gave.
        provider_sessions.end(session, row.id, at=at)
        refusing.report("replayed", session=session)
    raise NotSignedInError("sign-in refused")


def renew(doors: SignInDoors, token: str, *, request_id: str, source: str | None) -> SignIn:
    """Let the provider renew the session of this token, and say whose it is.

    Raises NotSignedInError if it cannot be renewed any more, RenewingError while another renewal is under way,
    ProviderAwayError while the provider does not answer: then the token is good until its own end.
    """
    at = doors.clock()
    proof = doors.tokens.verifier.verify(token, at=at)
    if proof.kind != "account" or proof.method != "single_sign_on":
        raise NotSignedInError("not renewable")
    with doors.unit_of_work() as session:
        row = provider_sessions.standing(session, proof.jti, at=at)
        account, identity = _account_of(session, row), session.get_one(ProviderIdentity, row.identity_id)
        if account.id != proof.id or account.suspended_at is not None:
            raise NotSignedInError("suspended")
        try:
            claimed = provider_sessions.claim(session, row, proof.jti, at=at, sealer=doors.sealer)
        except BlockingIOError:
            raise RenewingError from None
        if claimed is None:
            _end(session, doors, row, account, identity.provider, "reused", at=at, request_id=request_id)
        principal = linking.person_of(session, account, at=at)
    if claimed is None:
        raise NotSignedInError("reused")
    if claimed.refresh_token is None:
        return SignIn(principal, row)
    return _renew_there(doors, principal, row.id, identity, claimed.refresh_token, at=at, request_id=request_id)


def issue(doors: SignInDoors, signed_in: SignIn) -> IssuedToken:
    """Give out our own token for a session at a provider. The one place where such a sign-in becomes a token."""
    at = doors.clock()
    life = provider_sessions.life_of(signed_in.session, at=at)
    if life < timedelta(seconds=1):
        raise NotSignedInError("session_ended")
    return doors.tokens.issue(signed_in.principal, at=at, life=life, jti=provider_sessions.jti_of(signed_in.session))


def identify_machine(session: Session, proved: ProvedMachine, *, at: datetime) -> Principal:
    """Return the account that a machine client acts as, as the database knows it now; raise NotSignedInError."""
    identity = identities.of_subject(session, proved.provider, proved.issuer, proved.subject)
    account = None if identity is None else session.get_one(Account, identity.account_id)
    if account is None or account.suspended_at is not None:
        raise NotSignedInError("unknown_account" if account is None else "suspended")
    known = linking.person_of(session, account, at=at)
    return Principal(
        kind="account",
        id=known.id,
        agency_id=known.agency_id,
        roles=known.roles,
        name=known.name,
        method="provider_token",
        session=proved.jti,
        badge=known.badge,
    )


def challenge_of(verifier: str) -> str:
    """Return the PKCE challenge of a verifier (S256)."""
    return write_base64url(sha256(verifier.encode("ascii")).digest())


@dataclass
class _Refusing:
    """Puts the refusals of one attempt on record."""

    doors: SignInDoors
    provider: str | None
    at: datetime
    request_id: str
    source: str | None
    refused: bool = False

    def refuse(self, reason: Reason, *, because: str = "") -> NoReturn:
        self.report(reason)
        self.refused = True
        raise NotSignedInError(because or reason)

    def report(self, reason: Reason, *, session: Session | None = None, account: Account | None = None) -> None:
        event = SignInRefused(
            reason=reason,
            kind="account" if account else None,
            id=account.id if account else None,
            agency_id=account.agency_id if account else None,
            source=self.source,
            provider=self.provider,
            at=self.at,
            request_id=self.request_id,
        )
        if session is not None:
            self.doors.recorder.record(session, event)
            return
        with self.doors.unit_of_work() as alone:
            self.doors.recorder.record(alone, event)


def _begun_here(
    doors: SignInDoors, provider: Provider, cookie: str | None, answer: Mapping[str, str], at: datetime
) -> Begun | None:
    try:
        members = _unseal(doors, cookie or "", purpose=_BEGUN)
    except ValueError:
        return None
    desk = members.pop("desk")
    begun = Begun(**members, desk=Desk(**desk) if desk else None)
    same = hmac.compare_digest(begun.state.encode(), answer.get("state", "").encode("utf-8", "replace"))
    return begun if same and begun.provider == provider.name and at.timestamp() < begun.ends else None


def _is_from(provider: Provider, issuer: str | None, at: datetime) -> bool:
    if issuer is None:
        return not provider.description(at=at).names_itself
    return issuer == provider.settings.issuer


def _exchange(doors: SignInDoors, provider: Provider, code: str, verifier: str, at: datetime) -> Handed:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_address(doors, provider),
        "code_verifier": verifier,
    }
    return provider.exchange(form, at=at)


def _sign_in(
    doors: SignInDoors, provider: Provider, person: ProvedPerson, handed: Handed, refusing: _Refusing
) -> SignIn | None:
    at = refusing.at
    with doors.unit_of_work() as session:
        found = linking.account_of(session, doors.recorder, person, provider, at=at, request_id=refusing.request_id)
        if found is None:
            refusing.report("not_expected", session=session)
            return None
        account, identity = found
        if account.suspended_at is not None:
            refusing.report("suspended", session=session, account=account)
            return None
        row = provider_sessions.begin(
            session,
            identity,
            refresh_token=handed.refresh_token,
            proved_at=person.proved_at,
            at=at,
            sealer=doors.sealer,
        )
        principal = linking.person_of(session, account, at=at)
        event = SignedIn(
            principal=principal,
            agency_id=account.agency_id,
            source=refusing.source,
            provider=provider.name,
            at=at,
            request_id=refusing.request_id,
        )
        doors.recorder.record(session, event)
        return SignIn(principal, row)


def _renew_there(
    doors: SignInDoors,
    principal: Principal,
    session_id: UUID,
    identity: ProviderIdentity,
    refresh_token: str,
    *,
    at: datetime,
    request_id: str,
) -> SignIn:
    try:
        provider = doors.providers.named(identity.provider)
        handed = provider.exchange({"grant_type": "refresh_token", "refresh_token": refresh_token}, at=at)
        good = handed.id_token is None or _is_still(handed.id_token, provider, identity, doors, at)
    except GrantRefusedError as refusal:
        # Only this says that the session there is over; anything else is wrong with us or with them.
        good = refusal.code != "invalid_grant"
        if good:
            _release(doors, session_id)
            raise ProviderAwayError("grant refused") from None
    except BaseException:
        _release(doors, session_id)
        raise
    with doors.unit_of_work() as session:
        if good:
            row = provider_sessions.renewed(
                session, session_id, refresh_token=handed.refresh_token, at=at, sealer=doors.sealer
            )
            return SignIn(principal, row)
        row = session.get_one(ProviderSession, session_id)
        account = session.get_one(Account, identity.account_id)
        _end(session, doors, row, account, identity.provider, "provider_refused", at=at, request_id=request_id)
    raise NotSignedInError("provider_refused")


def _is_still(id_token: str, provider: Provider, identity: ProviderIdentity, doors: SignInDoors, at: datetime) -> bool:
    try:
        person = read_id_token(id_token, provider, nonce=None, at=at, leeway=doors.tokens.leeway)
    except NotSignedInError:
        return False
    return (person.issuer, person.subject) == (identity.issuer, identity.subject)


def _release(doors: SignInDoors, session_id: UUID) -> None:
    with doors.unit_of_work() as session:
        provider_sessions.release(session, session_id)


def _end(
    session: Session,
    doors: SignInDoors,
    row: ProviderSession,
    account: Account,
    provider: str,
    why: Literal["provider_refused", "reused"],
    *,
    at: datetime,
    request_id: str,
) -> None:
    provider_sessions.end(session, row.id, at=at)
    event = SessionEnded(
        principal=linking.person_of(session, account, at=at),
        agency_id=account.agency_id,
        provider=provider,
        why=why,
        at=at,
        request_id=request_id,
    )
    doors.recorder.record(session, event)


def _account_of(session: Session, row: ProviderSession) -> Account:
    return session.get_one(Account, session.get_one(ProviderIdentity, row.identity_id).account_id)


def _is_loopback(address: str) -> bool:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    plain = re.fullmatch(r"[A-Za-z0-9._/~-]*", parts.path) is not None
    return (
        len(address) <= 200
        and parts.scheme == "http"
        and parts.netloc == f"127.0.0.1:{port}"
        and port is not None
        and plain
        and not parts.query
        and not parts.fragment
    )


def _seal(doors: SignInDoors, members: Mapping[str, Any], *, purpose: str) -> str:
    return write_base64url(doors.sealer.seal(json.dumps(members).encode(), purpose=purpose))


def _unseal(doors: SignInDoors, text: str, *, purpose: str) -> dict[str, Any]:
    """Open what we sealed. Raises ValueError."""
    if len(text) > 4096 or not text.isascii():
        raise ValueError("too long")
    members: dict[str, Any] = json.loads(doors.sealer.unseal(read_base64url(text), purpose=purpose))
    return members
