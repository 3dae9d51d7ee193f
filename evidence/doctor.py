"""Is this installation well? One finding for each thing that can be wrong, with the next step.

Works with the server running or stopped, and goes on after what it finds wrong.  It looks and
changes nothing, except that it starts the embedded database for as long as it looks.
"""

import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Literal

import httpx2
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from auth.errors import ProviderAwayError
from auth.providers import Provider
from evidence import database, notices
from evidence.clock import Clock, system_clock
from evidence.custody.keys import SigningKeys
from evidence.engines import schema
from evidence.errors import EvidenceError, SetupError
from evidence.jobs.rescue import SILENT_SECONDS
from evidence.notices.models import Notice
from evidence.room import database_url
from evidence.settings import Settings
from evidence.storage import open_store
from evidence.storage.keyring import AgencyKeyring
from transcode import ffmpeg, probe
from transcode.errors import TranscodeError

Health = Literal["well", "note", "wrong"]

NOT_MADE = "check EVIDENCE_HOME, or run `evidence migrate` to make one"

SEALED_TABLES = ("custody_origin", "custody_head", "custody_record")
"""What nobody changes or removes: triggers refuse it even to the owner."""

KEPT_TABLES = (*SEALED_TABLES, "custody_receipt", "signing_key")
"""What the application may never change or remove, whatever it does with the rest."""

MOST_ORIGINALS = 1000
"""The newest evidence items whose originals are asked for."""

LISTED = 5
"""How many of them are named when they are wrong."""

LEAST_FREE = 2 * 10**9
"""Bytes. With less, uploads will soon be refused."""

LOW_SHARE = 0.1
"""Of the disk. With less it is time to think about it."""

LARGEST_DIFFERENCE = timedelta(seconds=2)
"""Between the clocks of this machine and of the database."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found on one subject. `wrong` must be mended; a `note` is good to know."""

    subject: str
    health: Health
    sentence: str
    next_step: str = ""


def examine(settings: Settings, *, clock: Clock = system_clock) -> Iterator[Finding]:
    """Look at everything and yield one finding after the other. Nothing is wrong if none is `wrong`."""
    yield from _database(settings, clock)
    yield from _store(settings)
    yield from _agency_key(settings)
    yield from _space(settings)
    yield from _footage(settings)
    yield from providers(settings, clock)


def _database(settings: Settings, clock: Clock) -> Iterator[Finding]:
    try:
        with ExitStack() as opened:
            engine = database.connect(opened.enter_context(database_url(settings)), pool_size=1, for_system=True)
            opened.callback(engine.dispose)
            connection = opened.enter_context(engine.connect())
            version = connection.execute(text("SHOW server_version")).scalar_one()
            kind = "embedded" if settings.embedded_database else "external"
            yield Finding("database", "well", f"PostgreSQL {version} answers ({kind}).")
            yield _clock(connection, clock)
            at_head = _schema(engine)
            yield at_head
            if at_head.health == "well":
                yield _roles(connection)
                yield _sealed(connection)
                yield _signing_keys(connection, settings)
                yield _worker(connection, settings)
                yield _administrators(connection)
                yield _break_glass(connection)
                yield _notices(connection, settings, clock)
                yield from _originals(connection, settings)
    except EvidenceError as error:
        yield Finding("database", "wrong", _sentence(error), error.next_step)
    except SQLAlchemyError as error:
        sentence = f"The database does not answer ({type(error).__name__})."
        yield Finding("database", "wrong", sentence, "check EVIDENCE_DATABASE_URL and that PostgreSQL runs")


def _sentence(error: EvidenceError) -> str:
    said = str(error).rstrip(".")
    return f"{said[:1].upper()}{said[1:]}."


def _clock(connection: Connection, clock: Clock) -> Finding:
    before = clock()
    theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC)
    ours = before + (clock() - before) / 2
    difference = abs(theirs - ours)
    sentence = f"The clocks of this machine and of the database differ by {difference.total_seconds():.3f} s."
    if difference <= LARGEST_DIFFERENCE:
        return Finding("clock", "well", sentence)
    return Finding("clock", "wrong", sentence, "run a time service (chrony, systemd-timesyncd) on both")


def _schema(engine: Engine) -> Finding:
    try:
        schema.require_head(engine)
    except SetupError as error:
        return Finding("schema", "wrong", f"{error}.", error.next_step)
    return Finding("schema", "well", "The database has the schema of this program.")


def _roles(connection: Connection) -> Finding:
    role, powerful, owns = connection.execute(
        text(
            "SELECT current_user, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication,"
            " EXISTS (SELECT FROM pg_class c WHERE c.relname = ANY(:tables) AND c.relkind = 'r'"
            "   AND c.relnamespace = current_schema()::regnamespace"
            "   AND pg_has_role(current_user, c.relowner, 'MEMBER'))"
            " FROM pg_roles r WHERE r.rolname = current_user"
        ),
        {"tables": list(KEPT_TABLES)},
    ).one()
    if powerful or owns:
        why = "an administrator of the database" if powerful else "a member of the role that owns the tables"
        return Finding(
            "roles",
            "wrong",
            f"The application's role {role} is {why}, so nothing keeps it from the custody records.",
            "give the application a role of its own in EVIDENCE_DATABASE_URL and run `evidence migrate`",
        )
    return Finding("roles", "well", f"The application's role {role} neither owns the tables nor administers.")


def _sealed(connection: Connection) -> Finding:
    """Ask PostgreSQL's own privilege functions, and whether the triggers that refuse everyone else stand."""
    granted = connection.execute(
        text(
            "SELECT t || ': ' || p FROM unnest(CAST(:tables AS text[])) AS t,"
            " unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS p"
            " WHERE has_table_privilege(t, p) OR (p = 'UPDATE' AND has_any_column_privilege(t, p)) ORDER BY 1"
        ),
        {"tables": list(KEPT_TABLES)},
    ).scalars()
    unguarded = connection.execute(
        text(
            "SELECT t FROM unnest(CAST(:tables AS text[])) AS t WHERE 2 > ("
            " SELECT count(*) FROM pg_trigger g WHERE g.tgrelid = t::regclass AND g.tgenabled = 'A'"
            "  AND g.tgname IN (t || '_refuse_update', t || '_refuse_removal')) ORDER BY 1"
        ),
        {"tables": list(SEALED_TABLES)},
    ).scalars()
    if wrong := list(granted):
        return Finding(
            "custody", "wrong", f"The application could change sealed rows ({', '.join(wrong)}).", "revoke these rights"
        )
    if wrong := list(unguarded):
        return Finding(
            "custody",
            "wrong",
            f"The triggers that refuse changes are missing or disabled on {', '.join(wrong)}.",
            "find out who disabled them, and since when; then enable them ALWAYS",
        )
    return Finding("custody", "well", "The application can neither change nor remove custody records.")


def _signing_keys(connection: Connection, settings: Settings) -> Finding:
    origin = connection.execute(text("SELECT origin FROM custody_origin")).scalar_one()
    try:
        keys = SigningKeys.open(settings.signing_keys_path, origin)
    except SetupError as error:
        return Finding("signing keys", "wrong", f"{error}.", error.next_step)
    known = {bytes(each) for each in connection.execute(text("SELECT public FROM signing_key")).scalars()}
    unknown = [role for role in ("receipt", "export") if keys.verifier_key(role).public not in known]
    if unknown:
        return Finding(
            "signing keys",
            "wrong",
            f"The key for {', '.join(unknown)} is not the one that custody knows of.",
            "put the right key back, or run `evidence migrate` to enter the new one",
        )
    return Finding("signing keys", "well", f"The keys for receipts and exports of {origin} are here and known.")


def _worker(connection: Connection, settings: Settings) -> Finding:
    beats, waiting = connection.execute(
        text(
            "SELECT (SELECT count(*) FROM procrastinate_workers"
            "  WHERE last_heartbeat > now() - make_interval(secs => :silent)),"
            " (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = 'footage')"
        ),
        {"silent": SILENT_SECONDS},
    ).one()
    if beats:
        return Finding("worker", "well", f"A worker is alive; {waiting} recordings wait to be read.")
    if _answers(settings.url):
        return Finding("worker", "wrong", f"The server runs without a worker; {waiting} wait.", "evidence worker")
    return Finding("worker", "note", f"Neither server nor worker runs; {waiting} recordings wait.", "evidence serve")


def _administrators(connection: Connection) -> Finding:
    """Count who could approve what another asks for, agency by agency."""
    rows = connection.execute(
        text(
            "SELECT g.name, count(DISTINCT a.id) FROM agency g LEFT JOIN account a ON a.agency_id = g.id"
            " AND a.suspended_at IS NULL AND EXISTS (SELECT FROM role_assignment r WHERE r.account_id = a.id"
            "  AND r.role = 'agency_admin' AND r.granted_at <= now() AND (r.ended_at IS NULL OR r.ended_at > now()))"
            " GROUP BY g.name HAVING count(DISTINCT a.id) < 2 ORDER BY g.name"
        )
    ).all()
    if rows:
        named = ", ".join(f"{name} has {count}" for name, count in rows[:LISTED])
        return Finding(
            "administrators",
            "wrong",
            f"Every agency needs two living administrators: {named}.",
            "make another on this console: evidence admin create",
        )
    return Finding("administrators", "well", "No agency has fewer than two living administrators.")


def _break_glass(connection: Connection) -> Finding:
    waiting = connection.execute(text("SELECT count(*) FROM broken_glass WHERE reviewed_at IS NULL")).scalar_one()
    if waiting:
        uses = "use waits" if waiting == 1 else "uses wait"
        return Finding(
            "break-glass",
            "note",
            f"{waiting} {uses} for a review by somebody else.",
            "evidence glass list, as an auditor",
        )
    return Finding("break-glass", "well", "No use of break-glass waits for a review.")


def _notices(connection: Connection, settings: Settings, clock: Clock) -> Finding:
    asked = select(func.count()).select_from(Notice).where(notices.is_undelivered(clock()))
    failing = connection.execute(asked).scalar_one()
    if failing:
        last = connection.execute(
            select(Notice.problem).where(notices.is_undelivered(clock())).order_by(Notice.id.desc()).limit(1)
        ).scalar_one()
        return Finding(
            "notices",
            "wrong",
            f"{failing} notices were not delivered (the last: {last}).",
            "mend EVIDENCE_NOTICES__...; meanwhile `evidence tasks` shows each person theirs",
        )
    if settings.notices.smtp_host is None:
        return Finding(
            "notices",
            "note",
            "No mail server is set, so nobody is mailed: notices are only kept and shown.",
            "set EVIDENCE_NOTICES__SMTP_HOST and EVIDENCE_NOTICES__SENDER",
        )
    return Finding("notices", "well", "Notices are mailed, and none has failed in the last 30 days.")


def _originals(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Ask the store for what the newest rows name. Sizes only: whether the bytes are right is no matter of seconds."""
    if not _is_made(settings):
        return  # the finding on the store says so
    rows = connection.execute(
        text(
            "SELECT i.number, o.key, o.version, o.stored_size FROM evidence_item i"
            " JOIN stored_object o ON o.id = i.original_object_id"
            " WHERE o.key_destroyed_at IS NULL ORDER BY i.received_at DESC LIMIT :most"
        ),
        {"most": MOST_ORIGINALS},
    ).all()
    wrong: list[str] = []
    try:
        store = open_store(settings)
        for number, key, version, size in rows:
            try:
                found = store.head(key, version=version).size
            except KeyError:
                wrong.append(f"{number} is gone")
            else:
                if found != size:
                    wrong.append(f"{number} has {found} stored bytes, not {size}")
    except EvidenceError as error:
        yield Finding("originals", "wrong", f"The originals cannot be asked for: {error}", error.next_step)
        return
    if wrong:
        more = f", and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
        yield Finding(
            "originals",
            "wrong",
            f"Originals are not in the store as their rows say: {', '.join(wrong[:LISTED])}{more}.",
            "find out who changed the store, and since when; bring them back from a copy",
        )
        return
    yield Finding(
        "originals",
        "well",
        f"The newest {len(rows)} originals are in the store with the size they had; their bytes were not read.",
    )


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", timeout=3.0).is_success
    except (httpx2.TransportError, httpx2.InvalidURL):
        return False


def _store(settings: Settings) -> Iterator[Finding]:
    # Preparing a store makes what is missing, and that is for `migrate` alone.
    if not _is_made(settings):
        where = settings.objects_path if settings.store == "local" else f"the bucket {settings.s3_bucket}"
        yield Finding("store", "wrong", f"No object store was made ready here ({where}).", NOT_MADE)
        return
    try:
        store = open_store(settings)
        store.prepare()
    except EvidenceError as error:
        yield Finding("store", "wrong", f"The object store does not answer: {error}", error.next_step)
        return
    mode = f" Its lock mode is {settings.s3_lock_mode}." if settings.store == "s3" else ""
    yield Finding("store", "well", f"The object store `{store.alias}` answers.{mode}")
    yield Finding("store lock", "note", store.lock_binds)


def _is_made(settings: Settings) -> bool:
    return settings.objects_path.is_dir() if settings.store == "local" else settings.agency_key_path.exists()


def _agency_key(settings: Settings) -> Iterator[Finding]:
    path = settings.agency_key_path
    if not path.exists() and not _is_made(settings):
        yield Finding("agency key", "wrong", "There is no agency key yet.", "evidence migrate")
        return
    try:
        AgencyKeyring.load(path)
    except SetupError as error:
        yield Finding("agency key", "wrong", str(error), error.next_step)
        return
    if settings.store == "local" and path.resolve().is_relative_to(settings.objects_path.resolve()):
        yield Finding(
            "agency key",
            "wrong",
            "The agency key lies among the objects, so whoever copies them has the key to them.",
            "move it elsewhere and name it in EVIDENCE_AGENCY_KEY_FILE",
        )
        return
    if _others_may_enter(path.parent):
        yield Finding(
            "agency key", "note", "Others may look into the folder of the agency key.", f"chmod 700 {path.parent}"
        )
    yield Finding(
        "agency key",
        "well",
        "The agency key is here, whole, and only we can read it.",
        "keep a copy elsewhere, apart from the copies of database and objects: without it nothing can be read",
    )


def _others_may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def providers(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Ask every identity provider for its description and keys, as the server would."""
    for name, each in sorted(settings.auth.providers.items()):
        provider, at, subject = Provider(name, each), clock(), f"provider {name}"
        if not each.secret_is_readable():
            yield Finding(
                subject, "wrong", "The file with our secret there cannot be read.", "check client_secret_file"
            )
        try:
            provider.description(at=at)
        except ProviderAwayError as error:
            yield Finding(
                subject,
                "wrong",
                f"{each.issuer} does not describe itself as it should ({error.reason}): nobody can sign in there.",
                "check the issuer, letter for letter, and the way there; keys that the server has count for a day",
            )
            continue
        provider.keys.find("", at=at)
        state = provider.keys.state()
        if state.failing_since is not None:
            yield Finding(
                subject,
                "wrong",
                f"{each.issuer} answers, but gives no key that can be used.",
                "its keys must be RSA of 2048 bits or more (RS256) or P-256 (ES256), each with an id of its own",
            )
            continue
        yield Finding(subject, "well", f"{each.issuer} answers; {state.keys} of its keys can be used.")


def _space(settings: Settings) -> Iterator[Finding]:
    try:
        disk = shutil.disk_usage(settings.home)
    except OSError:
        yield Finding("disk", "wrong", "The folder of this installation is not there.", NOT_MADE)
        return
    sentence = f"{disk.free / 1e9:.1f} GB of {disk.total / 1e9:.1f} GB are free."
    if disk.free < LEAST_FREE:
        yield Finding("disk", "wrong", sentence, "make room before uploads are refused")
    elif disk.free < disk.total * LOW_SHARE:
        yield Finding("disk", "note", sentence, "make room soon")
    else:
        yield Finding("disk", "well", sentence)


def _footage(settings: Settings) -> Iterator[Finding]:
    try:
        engine = ffmpeg.find(settings.transcode)
        yield Finding("ffmpeg", "well", f"ffmpeg {engine.version} will be used.")
    except TranscodeError as error:
        yield Finding("ffmpeg", "wrong", f"{error}", "set EVIDENCE_TRANSCODE__FFMPEG or install a newer one")
    try:
        walls = probe.sandbox_state(settings.transcode)
    except TranscodeError as error:
        yield Finding("sandbox", "wrong", f"{error}", "recordings are kept but cannot be read until this is mended")
        return
    said = f"network {walls.network}, files {walls.files}, calls {walls.calls}"
    if not walls.sound:
        yield Finding("sandbox", "wrong", f"Nothing keeps a hostile recording from the network ({said}).")
    elif not walls.complete:
        yield Finding("sandbox", "note", f"Recordings are read behind some walls, not all ({said}).")
    else:
        yield Finding("sandbox", "well", "Recordings are read in a child without network, files or other programs.")
