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
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from sqlalchemy.orm import Session

from auth import identities, linking, local_sign_in, once, provider_sessions, sessions
from auth.errors import BannerError, NotSignedInError, ProviderAwayError, RenewingError, TakenError, TokenRequestError
from auth.events import Ending, Reason, Recorder, SignInRefused
from auth.models import Account, ProviderIdentity, ProviderSession, SignInSession
from auth.principals import Principal
from auth.provider_tokens import ProvedMachine, ProvedPerson, read_id_token
from auth.providers import GrantRefusedError, Handed, Provider, Providers
from auth.sealing import Sealer
from auth.settings import AuthSettings
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
    rules: AuthSettings
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
    banner: str | None = None
    desk: Desk | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """Somebody who has signed in: who they are, until when, and what their next token is called."""

    principal: Principal
    ends_at: datetime
    jti: str

    @property
    def session_id(self) -> UUID:
        """Which session of ours it is."""
        return UUID(self.principal.session)


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


def begin(
    doors: SignInDoors, provider: Provider, *, fresh: bool, desk: Desk | None, banner: str | None = None
) -> tuple[str, str]:
    """Return the address at the provider to send the browser to, and what it has to bring back, sealed.

    Raises BannerError unless the installation's system-use notice, if it has one, was acknowledged.
    """
    at = doors.clock()
    if doors.rules.banner_sha256 not in (None, banner):
        raise BannerError
    settings, profile = provider.settings, provider.profile
    endpoint = provider.description(at=at).authorization_endpoint
    begun = Begun(
        provider=provider.name,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        ends=(at + BEGUN_LIFE).timestamp(),
        banner=doors.rules.banner_sha256,
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
        signed_in = _sign_in(doors, provider, person, handed, refusing, banner=begun.banner)
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
        doors, {"session": str(signed_in.session_id), "challenge": desk.challenge, "ends": ends}, purpose=_CODE
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
        ours = session.get_one(SignInSession, row.id)
        if unused and sessions.is_open(ours, at=at):
            return _signed_in(session, _account_of(session, row), row, ours, at=at)
        # A code that comes twice was stolen: nobody keeps what it gave.
        _end(session, doors, row.id, _account_of(session, row), "code_reused", at=at, request_id=request_id)
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
        row, ours = provider_sessions.standing(session, proof.jti, at=at)
        account, identity = _account_of(session, row), session.get_one(ProviderIdentity, row.identity_id)
        if account.id != proof.id or account.suspended_at is not None:
            raise NotSignedInError("suspended")
        try:
            claimed = provider_sessions.claim(session, row, proof.jti, at=at, sealer=doors.sealer)
        except BlockingIOError:
            raise RenewingError from None
        if claimed is None:
            _end(session, doors, row.id, account, "renewal_reused", at=at, request_id=request_id)
        signed_in = _signed_in(session, account, row, ours, at=at)
    if claimed is None:
        raise NotSignedInError("renewal_reused")
    if claimed.refresh_token is None:
        return signed_in
    return _renew_there(doors, signed_in.session_id, identity, claimed.refresh_token, at=at, request_id=request_id)


def issue(doors: SignInDoors, signed_in: SignIn) -> IssuedToken:
    """Give out our own token for a session at a provider, which lives no longer than that goes on."""
    at = doors.clock()
    life = signed_in.ends_at - at
    if life < timedelta(seconds=1):
        raise NotSignedInError("session_ended")
    return doors.tokens.issue(signed_in.principal, at=at, life=life, jti=signed_in.jti)


def identify_machine(
    session: Session, proved: ProvedMachine, *, at: datetime, rules: AuthSettings, source: str | None
) -> Principal:
    """Return the account that a machine client acts as, as the database knows it now; raise NotSignedInError.

    Roles that do not count from this network address are set aside.
    """
    identity = identities.of_subject(session, proved.provider, proved.issuer, proved.subject)
    account = None if identity is None else session.get_one(Account, identity.account_id)
    if account is None or account.suspended_at is not None:
        raise NotSignedInError("unknown_account" if account is None else "suspended")
    known = linking.person_of(session, account, at=at)
    return Principal(
        kind="account",
        id=known.id,
        agency_id=known.agency_id,
        roles=frozenset(role for role in known.roles if rules.counts_from(role, source)),
        name=known.name,
        method="provider_token",
        session=proved.jti,
        badge=known.badge,
        set_aside=frozenset(role for role in known.roles if not rules.counts_from(role, source)),
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
    doors: SignInDoors,
    provider: Provider,
    person: ProvedPerson,
    handed: Handed,
    refusing: _Refusing,
    *,
    banner: str | None,
) -> SignIn | None:
    at = refusing.at
    with doors.unit_of_work() as session:
        found = linking.account_of(session, doors.recorder, person, provider, at=at, request_id=refusing.request_id)
        if found is None:
            refusing.report("not_expected", session=session)
            return None
        account, identity = found
        session.refresh(account, with_for_update={"key_share": True})
        if reason := _refusal(session, account, doors.rules, at):
            refusing.report(reason, session=session, account=account)
            return None
        begun = sessions.begin(
            session,
            doors.recorder,
            account,
            rules=doors.rules,
            method="single_sign_on",
            amr=("fed", "mfa") if person.proved_at else ("fed",),
            at=at,
            request_id=refusing.request_id,
            strong_at=person.proved_at,
            ends_at=at + provider_sessions.TOKEN_LIFE,
            source=refusing.source,
            banner=banner,
            provider=provider.name,
        )
        row = provider_sessions.note(
            session,
            UUID(begun.principal.session),
            identity,
            refresh_token=handed.refresh_token,
            at=at,
            sealer=doors.sealer,
        )
        # The token that renews every other session is shown to nobody: this one goes on by the provider's word alone.
        return SignIn(begun.principal, begun.ends_at, provider_sessions.jti_of(row))


def _refusal(session: Session, account: Account, rules: AuthSettings, at: datetime) -> Reason | None:
    """Return what stands in the way. Not a lockout: nothing was guessed here, and the provider counts its own."""
    if account.suspended_at is not None:
        return "suspended"
    return "idle" if local_sign_in.idle_since(session, account) <= at - rules.idle_account_life else None


def _signed_in(
    session: Session, account: Account, row: ProviderSession, ours: SignInSession, *, at: datetime
) -> SignIn:
    return SignIn(sessions.person_of(session, account, ours, at=at), ours.ends_at, provider_sessions.jti_of(row))


def _renew_there(
    doors: SignInDoors,
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
        account = session.get_one(Account, identity.account_id)
        if good:
            row, ours = provider_sessions.renewed(
                session,
                session_id,
                refresh_token=handed.refresh_token,
                rules=doors.rules,
                at=at,
                sealer=doors.sealer,
            )
            return _signed_in(session, account, row, ours, at=at)
        _end(session, doors, session_id, account, "provider", at=at, request_id=request_id)
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
    session_id: UUID,
    account: Account,
    because: Ending,
    *,
    at: datetime,
    request_id: str,
) -> None:
    provider_sessions.forget(session, session_id)
    ours = provider_sessions.ours_locked(session, session_id)
    if ours.ended_at is None:
        sessions.close(session, doors.recorder, ours, account, because=because, by=None, at=at, request_id=request_id)


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
    members: dict[str, Any] = json.loads(doors.sealer.open(read_base64url(text), purpose=purpose))
    return members
