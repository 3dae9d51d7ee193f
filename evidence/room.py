"""Room: what one process of an installation holds open, and how it is opened.

The server, the worker and the commands of the server's own console each open one.  Nothing is
connected while importing; a room that is not ready raises SetupError and says what to run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr
from sqlalchemy import Engine, make_url

from auth.events import Recorder
from auth.keys import KeyRing
from auth.providers import Providers
from auth.tokens import TokenIssuer
from evidence import database
from evidence.clock import Clock, system_clock
from evidence.custody import origin as origins
from evidence.custody.keys import SigningKeys
from evidence.custody.people import CustodyRecorder
from evidence.database import Sessions, unit_of_work
from evidence.engines import agencys_own, postgres, schema
from evidence.engines.cluster import APP_ROLE
from evidence.errors import SetupError
from evidence.ids import new_id
from evidence.settings import Settings
from evidence.storage import open_store
from evidence.storage.allocation import keep_freed_blocks
from evidence.storage.keyring import AgencyKeyring
from evidence.storage.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Settings, database, object store, keys and clock of one process. `url` is the database's, for the queue."""

    settings: Settings
    url: str
    engine: Engine
    sessions: Sessions
    vault: Vault
    signing: SigningKeys
    tokens: TokenIssuer
    providers: Providers
    recorder: Recorder
    clock: Clock
    origin: str


@contextmanager
def open_room(settings: Settings, *, clock: Clock = system_clock) -> Iterator[Room]:
    """Open the room for as long as the block lasts. Raises SetupError when it is not ready."""
    keep_freed_blocks()
    with _database(settings) as urls:
        engine = database.connect(urls.application, for_system=True)
        try:
            yield _furnish(settings, urls.application, engine, clock)
        finally:
            database.close(engine)


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Have the database there and give its address for the application's role, in whatever state it is."""
    with _database(settings) as urls:
        yield urls.application


def prepare(settings: Settings, *, clock: Clock = system_clock) -> str:
    """Bring schema, keys and store to where a room can be opened, and return the installation's origin.

    Harmless to repeat: what is there stays.  Raises SetupError when something cannot be done here.
    """
    with _database(settings, create=True) as urls:
        schema.upgrade(urls.owner, app_role=urls.application_role, origin=settings.origin)
        engine = database.connect(urls.application, pool_size=1, for_system=True)
        try:
            make_session = database.sessions(engine)
            with unit_of_work(make_session) as session:
                origin = origins.require(session, settings.origin)
            if not settings.agency_key_path.exists():
                AgencyKeyring.create(settings.agency_key_path)
            signing = SigningKeys.create(settings.signing_keys_path, origin)
            KeyRing.open(settings.signing_keys_path / "tokens", at=clock())
            _register_keys(signing, urls.owner)
            open_store(settings).prepare()
        finally:
            database.close(engine)
    return origin


def _register_keys(signing: SigningKeys, owner_url: str) -> None:
    """Enter new keys as the owner: whoever holds the application's role may not add one to the trust file."""
    engine = database.connect(owner_url, pool_size=1)
    try:
        with unit_of_work(database.sessions(engine)) as session:
            signing.register(session, request_id=str(new_id()))
    finally:
        database.close(engine)


@dataclass(frozen=True, slots=True)
class _Urls:
    application: str
    owner_url: str | None
    application_role: str

    @property
    def owner(self) -> str:
        if self.owner_url is None:
            raise SetupError(
                "the address of the database for its owner is not set",
                next_step="set EVIDENCE_OWNER_DATABASE_URL for `evidence migrate`",
            )
        return self.owner_url


@contextmanager
def _database(settings: Settings, *, create: bool = False) -> Iterator[_Urls]:
    """Have the database there: the city's own, or the embedded one for as long as the block lasts.

    Only who may `create` an embedded one makes it where there is none.
    """
    if settings.database_url is not None:
        application = _external(settings.database_url, "EVIDENCE_DATABASE_URL")
        owner = None
        if settings.owner_database_url is not None and create:
            owner = _external(settings.owner_database_url, "EVIDENCE_OWNER_DATABASE_URL")
        role = make_url(application).username
        assert role is not None, "an address without a role was refused"
        yield _Urls(application, owner, role)
        return
    with postgres.attached(settings.home, create=create) as cluster:
        yield _Urls(cluster.app_url, cluster.owner_url, APP_ROLE)


def _external(address: SecretStr, setting: str) -> str:
    url = agencys_own.read_url(address.get_secret_value(), setting=setting)
    agencys_own.require_answer(url, setting=setting)
    return url.render_as_string(hide_password=False)


def _furnish(settings: Settings, url: str, engine: Engine, clock: Clock) -> Room:
    schema.require_head(engine)
    schema.require_wall(engine)
    make_session = database.sessions(engine)
    with unit_of_work(make_session) as session:
        origin = origins.require(session, settings.origin)
    if not settings.agency_key_path.exists():
        raise SetupError(
            "the agency key is missing, and without it no object can be read",
            next_step="bring it back from its copy and name it in EVIDENCE_AGENCY_KEY_FILE; "
            "on a new installation run `evidence migrate`",
        )
    ring = KeyRing.open(settings.signing_keys_path / "tokens", at=clock())
    return Room(
        settings=settings,
        url=url,
        engine=engine,
        sessions=make_session,
        vault=Vault(open_store(settings), AgencyKeyring.load(settings.agency_key_path)),
        signing=SigningKeys.open(settings.signing_keys_path, origin),
        tokens=TokenIssuer(
            ring,
            issuer=settings.url,
            audience=settings.auth.audience,
            life=settings.auth.token_life,
            leeway=settings.auth.leeway,
        ),
        providers=Providers(settings.auth.providers),
        recorder=CustodyRecorder(),
        clock=clock,
        origin=origin,
    )
