"""Settings: the whole configuration, read once by main, worker and cli and handed to everyone else.

Every field is set by the environment (`EVIDENCE_` and its name; nested ones with `__`, as in
`EVIDENCE_AUTH__TOKEN_LIFE`) or by a TOML file named by `EVIDENCE_CONFIG`.  Secrets may be given
as files.
"""

import binascii
import os
from base64 import b64decode
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from auth.settings import AuthSettings
from transcode.settings import TranscodeSettings


class NoticeSettings(BaseModel):
    """How notices leave: by a mail server and by one signed webhook, nested as `notices`. None of it: they are kept."""

    smtp_host: str | None = Field(default=None, description="Mail server; none: nobody is mailed, notices are kept.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the way there is encrypted; `none` is for a server on this machine only."
    )
    smtp_username: str | None = Field(default=None, description="Name to sign in to the mail server with, if it asks.")
    smtp_password: SecretStr | None = Field(default=None, description="The password that belongs to it.")
    smtp_ca_file: Path | None = Field(
        default=None, description="Certificates that vouch for the mail server; none: those of the system."
    )
    sender: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="Address that mails come from; needed with a mail server.",
    )
    webhook_url: str | None = Field(default=None, description="Where notices are posted, by https; none: nowhere.")
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="Key of its signatures: `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks has it.",
    )
    webhook_loopback: bool = Field(default=False, description="Permit plain http to this very machine.")

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.smtp_host is not None:
            if self.sender is None:
                raise ValueError("with a mail server, name the sender's address too")
            if self.smtp_security == "none" and not _is_loopback(self.smtp_host):
                raise ValueError("mail leaves this machine encrypted: use starttls or tls")
        if self.webhook_url is not None:
            there = urlsplit(self.webhook_url)
            is_near = there.scheme == "http" and self.webhook_loopback and _is_loopback(there.hostname or "")
            if not there.hostname or there.username is not None or not (there.scheme == "https" or is_near):
                raise ValueError("the webhook's address is https://host/..., without a name and password in it")
            if not 24 <= len(self.webhook_key) <= 64:
                raise ValueError("the webhook's secret is whsec_ and 24 to 64 bytes in base64")
        return self

    @property
    def sender_address(self) -> str:
        """The address that mails come from."""
        assert self.sender is not None, "a mail server without a sender was refused"
        return self.sender

    @property
    def webhook_key(self) -> bytes:
        """The key that the webhook's signatures are made with; empty if none can be read."""
        said = self.webhook_secret.get_secret_value() if self.webhook_secret else ""
        try:
            return b64decode(said.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            return b""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Settings(BaseSettings):
    """One installation. The defaults run everything embedded under `home`."""

    model_config = SettingsConfigDict(env_prefix="EVIDENCE_", env_nested_delimiter="__", extra="ignore")

    environment: Literal["production", "development"] = Field(
        default="production", description="`development` permits what is unsafe for evidence, and says so."
    )
    home: Path = Field(
        default=Path("evidence-home"), description="Folder of everything embedded: database, objects, keys."
    )
    origin: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9./-]{0,127}$",
        description="Name of this installation in every custody record. Chosen at the first `migrate`, then fixed.",
    )

    database_url: SecretStr | None = Field(
        default=None, description="PostgreSQL for the application role (postgresql://...); none: embedded."
    )
    owner_database_url: SecretStr | None = Field(
        default=None, description="The same database for the role that owns the tables; needed by `migrate` only."
    )

    store: Literal["local", "s3"] = Field(default="local", description="Where objects are kept.")
    s3_endpoint: str | None = Field(default=None, description="Address of the S3 service; none: the default of AWS.")
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_bucket: str = Field(default="evidence", description="Bucket with Object Lock, for evidence.")
    s3_staging_bucket: str | None = Field(
        default=None, description="Bucket without a lock, for what is still arriving; none: bucket name + '-staging'."
    )
    s3_access_key: SecretStr | None = Field(default=None, description="Access key; none: as boto3 finds it.")
    s3_secret_key: SecretStr | None = Field(default=None, description="Secret key; none: as boto3 finds it.")
    s3_lock_mode: Literal["COMPLIANCE", "GOVERNANCE"] = Field(
        default="COMPLIANCE", description="Object Lock mode. GOVERNANCE can be undone by an administrator of the store."
    )

    agency_key_file: Path | None = Field(
        default=None,
        description="The agency key that wraps every data key; none: `home`/keys/agency.json. Keep a copy.",
    )
    signing_keys_folder: Path | None = Field(
        default=None, description="Signing keys for receipts, exports and tokens; none: `home`/keys/signing."
    )

    minimum_retention_days: int = Field(
        default=90, ge=1, description="An original is locked for this many days from the day it was received."
    )
    maximum_upload: int = Field(default=1 << 40, description="The largest upload taken, in bytes.")
    upload_life_hours: int = Field(default=72, description="An unfinished upload expires after this many idle hours.")
    maximum_merge_delay_seconds: int = Field(
        default=86_400, description="Promise in every receipt: the record is in the log within this many seconds."
    )

    proposal_window_minutes: int = Field(
        default=60,
        ge=0,
        le=1440,
        description="An officer's recording within so many minutes of an exhibit of theirs is proposed for its case.",
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8400, ge=1, le=65535, description="Port to listen on.")
    public_url: str | None = Field(default=None, description="How clients reach us, when it is not http://host:port.")
    worker_concurrency: int = Field(default=2, ge=1, description="Jobs one worker runs at the same time.")

    notices: NoticeSettings = Field(default_factory=NoticeSettings, description="Mail and webhook for notices.")
    auth: AuthSettings = Field(default_factory=AuthSettings, description="Sign-in and tokens (auth/settings.py).")
    transcode: TranscodeSettings = Field(
        default_factory=TranscodeSettings, description="Limits for what reads footage (transcode/settings.py)."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments before the environment, and the environment before the file."""
        named = os.environ.get("EVIDENCE_CONFIG")
        file = (TomlConfigSettingsSource(settings_cls, Path(named)),) if named else ()
        return (init_settings, env_settings, *file)

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Self:
        if self.environment == "production" and self.store == "s3" and self.s3_lock_mode != "COMPLIANCE":
            raise ValueError(
                "EVIDENCE_S3_LOCK_MODE=GOVERNANCE lets an administrator of the store delete evidence; "
                "use COMPLIANCE, or EVIDENCE_ENVIRONMENT=development for a trial"
            )
        if self.environment == "production" and self.auth.second_factor == "optional":
            raise ValueError(
                "EVIDENCE_AUTH__SECOND_FACTOR=optional lets a password alone do what needs a second factor; "
                "use required, or EVIDENCE_ENVIRONMENT=development for a trial"
            )
        return self

    @property
    def embedded_database(self) -> bool:
        """Whether PostgreSQL is ours to start and stop."""
        return self.database_url is None

    @property
    def url(self) -> str:
        """How clients reach this installation."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def agency_key_path(self) -> Path:
        """Where the agency key is."""
        return self.agency_key_file or self.home / "keys" / "agency.json"

    @property
    def signing_keys_path(self) -> Path:
        """Where the signing keys are."""
        return self.signing_keys_folder or self.home / "keys" / "signing"

    @property
    def objects_path(self) -> Path:
        """Where the local store keeps objects."""
        return self.home / "objects"

    @property
    def staging_bucket(self) -> str:
        """The bucket for what is still arriving."""
        return self.s3_staging_bucket or f"{self.s3_bucket}-staging"
