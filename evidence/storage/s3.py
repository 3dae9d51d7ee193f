"""A store in an S3 service (AWS, Ceph and others), with Object Lock. The only file that imports boto3.

Two buckets.  The one for evidence has versioning and Object Lock; what arrives there arrives as a
multipart upload and becomes an object when that is completed.  The staging bucket has no lock and
holds tails, which must be removable at once.

What is not left to the service: Ceph before 19 ignores `x-amz-checksum-*`, so every body carries
Content-MD5; CreateMultipartUpload drops lock headers there, so the lock is set on the version
after completion and read again, while the bucket's default retention covers the moment between;
a part can be left out of an object without anybody noticing, so the list of parts is checked for
gaps and size.  That the bytes are right is known when they were read back (vault.py), not before.
"""

import base64
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import md5
from hashlib import sha256 as sha256_of
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar
from urllib.parse import quote, unquote

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError
from botocore.parsers import ResponseParserError
from pydantic import SecretStr

from evidence.errors import IntegrityError, InvalidError, NoSpaceError, SetupError, TooLargeError, UnavailableError
from evidence.storage import layout
from evidence.storage.frames import STORED_FRAME
from evidence.storage.store import (
    AlreadyThereError,
    Area,
    Bytes,
    DigestError,
    LockedError,
    Staged,
    Stored,
    whole_second,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, DefaultRetentionTypeDef, ObjectTypeDef

RETRIES = 4
"""A request that failed in passing is sent again at most this often."""

_BLOCK = STORED_FRAME  # so that whoever reads frames gets each in one block
_PIECE_FRAMES = 8
_PIECE = _PIECE_FRAMES * STORED_FRAME
_MOST_PARTS = 10_000
_TAILS = "tails/"
_GONE = {"404", "ObjectLockConfigurationNotFoundError", "NoSuchKey", "NoSuchVersion", "NoSuchUpload"}
_TAKEN = {"PreconditionFailed", "412", "ConditionalRequestConflict", "BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
_DENIED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_FULL = {"QuotaExceeded", "InsufficientStorage", "InsufficientCapacity", "ServiceQuotaExceeded", "507"}
_PASSING = {
    "BadDigest",
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "XAmzContentSHA256Mismatch",
}
"""Answers that another try may change although their status does not say so: the body was damaged on its way."""

T = TypeVar("T")
LockMode = Literal["COMPLIANCE", "GOVERNANCE"]

_LOCK_BINDS: dict[LockMode, str] = {
    "COMPLIANCE": "Object Lock in compliance mode binds everybody with any credentials of the S3 service; "
    "it does not bind whoever runs the machines of the service.",
    "GOVERNANCE": "Object Lock in governance mode does not bind whoever may bypass it; it is for trials only.",
}


class _DeniedError(UnavailableError):
    """The service refuses; whether for a lock or for credentials, the caller knows better."""


class S3Store:
    """Keeps objects in a bucket with Object Lock. Safe to share between threads.

    `pause` is the longest wait in seconds before the first retry, doubled with each; `timeout` how
    many seconds an answer may take.  `default_lock` is the bucket's default retention, which covers
    an object from its completion until `lock`; none leaves the bucket's own as it is.
    """

    alias = "s3"
    piece_frames = _PIECE_FRAMES
    maximum_size = _MOST_PARTS * _PIECE
    reads_staged = False

    def __init__(
        self,
        *,
        bucket: str,
        staging_bucket: str,
        endpoint: str | None = None,
        region: str = "us-east-1",
        access_key: SecretStr | None = None,
        secret_key: SecretStr | None = None,
        lock_mode: LockMode = "COMPLIANCE",
        default_lock: timedelta | None = timedelta(days=1),
        checksums: Literal["when_required", "when_supported"] = "when_required",
        pause: float = 0.5,
        timeout: float = 60,
    ) -> None:
        self._bucket = bucket
        self._staging_bucket = staging_bucket
        self._region = region
        self._lock_mode: LockMode = lock_mode
        self._default_days = None if default_lock is None else max(1, default_lock.days)
        self.lock_binds = _LOCK_BINDS[lock_mode]
        self._pause = pause
        self._random = random.SystemRandom()
        if (access_key is None) != (secret_key is None):
            missing = "EVIDENCE_S3_ACCESS_KEY" if access_key is None else "EVIDENCE_S3_SECRET_KEY"
            raise SetupError(f"Of the two keys for the S3 service {missing} is not set.", next_step=f"Set {missing}.")
        self._endpoint = endpoint
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key.get_secret_value() if access_key else None,
            aws_secret_access_key=secret_key.get_secret_value() if secret_key else None,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint else "auto"},
                # When supported, boto3 sends checksums in a trailer, which Ceph refuses over HTTPS.
                request_checksum_calculation=checksums,
                response_checksum_validation=checksums,
                retries={"total_max_attempts": 1},
                connect_timeout=min(5, timeout),
                read_timeout=timeout,
                max_pool_connections=50,
            ),
        )

    def prepare(self) -> None:
        """Make both buckets where they are absent. Raises SetupError when the one for evidence has no Object Lock."""
        try:
            if not self._has_bucket(self._bucket):
                self._create_bucket(self._bucket, locked=True)
            if not self._has_bucket(self._staging_bucket):
                self._create_bucket(self._staging_bucket, locked=False)
            self._require_lock()
        except _DeniedError:
            where = self._endpoint or "AWS, for EVIDENCE_S3_ENDPOINT is not set"
            raise SetupError(
                f"The S3 service refuses our credentials ({where}).",
                next_step="Check EVIDENCE_S3_ACCESS_KEY and EVIDENCE_S3_SECRET_KEY, and what they may do.",
            ) from None

    def put(self, key: str, body: Iterable[Bytes], *, size: int, sha256: bytes) -> Stored:
        """Write the object whole, or raise and write nothing."""
        if size > _PIECE:
            return self._put_in_pieces(key, body, size=size, sha256=sha256)
        content = b"".join(body)
        _require_announced(len(content), sha256_of(content).digest(), size=size, sha256=sha256)
        self._require_absent(key)
        try:
            answer = self._call(
                lambda: self._client.put_object(
                    Bucket=self._bucket, Key=key, Body=content, ContentMD5=_md5(content), IfNoneMatch="*"
                )
            )
        except AlreadyThereError:
            # Ours, if it was the answer to our first try that got lost.
            if b"".join(self.read(key)) != content:
                raise
            return self.head(key)
        return self.head(key, version=answer.get("VersionId"))

    def read(
        self, key: str, *, start: int = 0, length: int | None = None, version: str | None = None, afresh: bool = False
    ) -> Iterator[bytes]:
        """Yield the object, or the range asked for, in order; goes on where a connection broke off."""
        end = None if length is None else start + length
        tries = 0
        while end is None or start < end:
            try:
                answer = self._client.get_object(
                    Bucket=self._bucket, Key=layout.check(key), Range=_range(start, end), **_of(version)
                )
                version = answer.get("VersionId", version)
                with closing(answer["Body"]) as arriving:
                    for block in arriving.iter_chunks(_BLOCK):
                        yield block
                        start += len(block)
                        tries = 0
            except _FAILURES as error:
                if _code(error) == "InvalidRange":
                    return
                self._wait_or_fail(error, tries)
                tries += 1
            else:
                return

    def head(self, key: str, *, version: str | None = None) -> Stored:
        """Say what is stored under the key."""
        return self._describe(key, version)[0]

    def lock(self, key: str, *, until: datetime, version: str | None = None) -> Stored:
        """Lock the object until the date, unless it is locked longer already, and see that the lock is there."""
        until = whole_second(until.astimezone(UTC))
        stored, mode = self._describe(key, version)
        if self._locks(stored, mode, until):
            return stored
        # Refused perhaps because another locked it for longer at this moment; what counts is what is there now.
        with suppress(_DeniedError):
            self._call(
                lambda: self._client.put_object_retention(
                    Bucket=self._bucket,
                    Key=key,
                    Retention={"Mode": self._lock_mode, "RetainUntilDate": until},
                    **_of(stored.version),
                )
            )
        stored, mode = self._describe(key, stored.version)
        if not self._locks(stored, mode, until):
            raise UnavailableError("The object store did not lock the object.", next_step="Check its Object Lock.")
        return stored

    def place_hold(self, key: str, *, version: str | None = None) -> Stored:
        """Hold the object until released, and see that the hold is there."""
        return self._set_hold(key, version, held=True)

    def release_hold(self, key: str, *, version: str | None = None) -> Stored:
        """Release the hold; the lock date stands."""
        return self._set_hold(key, version, held=False)

    def remove(self, key: str) -> None:
        """Remove every version of the object, or none and raise LockedError."""
        versions, markers = self._versions(key)
        if not versions:
            raise KeyError(key)
        for version in versions:
            stored = self.head(key, version=version)
            if stored.held or (stored.locked_until is not None and stored.locked_until > datetime.now(UTC)):
                raise LockedError("The object is locked or held.")
        for version in versions + markers:
            try:
                self._call(partial(self._client.delete_object, Bucket=self._bucket, Key=key, VersionId=version))
            except _DeniedError:
                raise LockedError("The object store refuses to remove the object.") from None

    def begin(self, key: str) -> str:
        """Start staging an object."""
        self._require_absent(key)
        answer = self._call(lambda: self._client.create_multipart_upload(Bucket=self._bucket, Key=key))
        return answer["UploadId"]

    def write_piece(self, key: str, token: str, position: int, piece: Bytes) -> None:
        """Stage a whole piece. Durable when this returns."""
        number, odd = divmod(position, _PIECE)
        if odd or len(piece) > _PIECE:
            raise InvalidError(f"A piece begins at a multiple of {_PIECE} bytes and is not longer.")
        if number >= _MOST_PARTS:
            raise TooLargeError(f"The S3 store takes objects of up to {self.maximum_size} bytes.")
        content = bytes(piece)
        self._call(
            lambda: self._client.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=token,
                PartNumber=number + 1,
                Body=content,
                ContentMD5=_md5(content),
            )
        )

    def write_tail(self, key: str, token: str, position: int, tail: Bytes) -> None:
        """Stage what does not fill a piece yet. Durable when this returns."""
        content = bytes(tail)
        self._call(
            lambda: self._client.put_object(
                Bucket=self._staging_bucket,
                Key=_tail_key(key, token, position),
                Body=content,
                ContentMD5=_md5(content),
                Metadata={"sha256": sha256_of(content).hexdigest()},
            )
        )

    def read_tail(self, key: str, token: str, position: int) -> bytes:
        """Return the tail last written at the position."""
        return self._call(lambda: self._whole_tail(_tail_key(key, token, position)))

    def drop_tail(self, key: str, token: str, position: int) -> None:
        """Drop the tail at the position."""
        self._drop(_tail_key(key, token, position))

    def sync(self, key: str, token: str) -> None:
        """Do nothing: whatever the service answered for is durable."""

    def read_staged(self, key: str, token: str, position: int, length: int, *, area: Area | None = None) -> Bytes:
        """Raise: S3 cannot read a multipart upload before it is complete."""
        raise NotImplementedError("S3 cannot read a multipart upload before it is complete")

    def complete(self, key: str, token: str, *, size: int) -> Stored:
        """Make the staged pieces the object, after checking that none is missing."""
        try:
            parts = self._parts_of(key, token, size)
            answer = self._call(
                lambda: self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=token, MultipartUpload={"Parts": parts}
                )
            )
            version = answer.get("VersionId")
        except KeyError:
            # No such upload: completed before, by us or another, or an answer was lost. Look for the object.
            version = None
        stored = self.head(key, version=version)
        if stored.size != size:
            raise IntegrityError(f"The object has {stored.size} bytes, not {size}.")
        self._drop_tails(key, token)
        return stored

    def abandon(self, key: str, token: str) -> None:
        """Drop what was staged."""
        with suppress(KeyError):  # complete, or abandoned before
            self._call(lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=token))
        self._drop_tails(key, token)

    def staged(self) -> Iterator[Staged]:
        """Yield everything that is staged, oldest first."""
        found: dict[tuple[str, str], datetime] = {}
        for tail in self._tails(_TAILS):
            key, token = _key_and_token(tail["Key"])
            found[key, token] = min(tail["LastModified"], found.get((key, token), tail["LastModified"]))
        pages = self._client.get_paginator("list_multipart_uploads")
        for page in self._call(lambda: list(pages.paginate(Bucket=self._bucket))):
            for upload in page.get("Uploads", []):
                found[upload["Key"], upload["UploadId"]] = upload["Initiated"]
        every = [Staged(key, token, begun) for (key, token), begun in found.items()]
        yield from sorted(every, key=lambda each: each.begun_at)

    def _put_in_pieces(self, key: str, body: Iterable[Bytes], *, size: int, sha256: bytes) -> Stored:
        token = self.begin(key)
        try:
            digest, waiting, position = sha256_of(), bytearray(), 0
            for block in body:
                digest.update(block)
                waiting += block
                while len(waiting) > _PIECE:
                    self.write_piece(key, token, position, waiting[:_PIECE])
                    del waiting[:_PIECE]
                    position += _PIECE
            _require_announced(position + len(waiting), digest.digest(), size=size, sha256=sha256)
            self.write_piece(key, token, position, waiting)
            return self.complete(key, token, size=size)
        finally:
            self.abandon(key, token)

    def _parts_of(self, key: str, token: str, size: int) -> "list[CompletedPartTypeDef]":
        """Return the list of parts; raise IntegrityError where one is missing, KeyError when nothing is staged."""
        pages = self._client.get_paginator("list_parts")
        listed = self._call(lambda: list(pages.paginate(Bucket=self._bucket, Key=layout.check(key), UploadId=token)))
        parts = sorted((part for page in listed for part in page.get("Parts", [])), key=lambda part: part["PartNumber"])
        position = 0
        for part in parts:
            if position != (part["PartNumber"] - 1) * _PIECE:
                raise IntegrityError(f"A piece is missing at byte {position} of the object.")
            position += part["Size"]
        if position != size:
            raise IntegrityError(f"{position} bytes are staged, not {size}.")
        return [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]

    def _describe(self, key: str, version: str | None) -> tuple[Stored, str | None]:
        """Return what is stored, and the mode of its lock."""
        answer = self._call(
            lambda: self._client.head_object(Bucket=self._bucket, Key=layout.check(key), **_of(version))
        )
        stored = Stored(
            key=key,
            size=answer["ContentLength"],
            version=answer.get("VersionId", version),
            locked_until=answer.get("ObjectLockRetainUntilDate"),
            held=answer.get("ObjectLockLegalHoldStatus") == "ON",
        )
        return stored, answer.get("ObjectLockMode")

    def _locks(self, stored: Stored, mode: str | None, until: datetime) -> bool:
        """Whether the lock there is at least as strong and as long as the one asked for."""
        return (
            stored.locked_until is not None and stored.locked_until >= until and mode in ("COMPLIANCE", self._lock_mode)
        )

    def _set_hold(self, key: str, version: str | None, *, held: bool) -> Stored:
        stored = self.head(key, version=version)
        if stored.held == held:
            return stored
        self._call(
            lambda: self._client.put_object_legal_hold(
                Bucket=self._bucket, Key=key, LegalHold={"Status": "ON" if held else "OFF"}, **_of(stored.version)
            )
        )
        stored = self.head(key, version=stored.version)
        if stored.held != held:
            raise UnavailableError("The object store did not keep the hold.", next_step="Check its Object Lock.")
        return stored

    def _versions(self, key: str) -> tuple[list[str], list[str]]:
        """Return the ids of all versions of the object, and of what hides them."""
        pages = self._client.get_paginator("list_object_versions")
        listed = self._call(lambda: list(pages.paginate(Bucket=self._bucket, Prefix=layout.check(key))))
        versions = [each["VersionId"] for page in listed for each in page.get("Versions", []) if each["Key"] == key]
        markers = [each["VersionId"] for page in listed for each in page.get("DeleteMarkers", []) if each["Key"] == key]
        return versions, markers

    def _require_absent(self, key: str) -> None:
        try:
            self.head(key)
        except KeyError:
            return
        raise AlreadyThereError("There is an object under this key.")

    def _tails(self, prefix: str) -> "list[ObjectTypeDef]":
        pages = self._client.get_paginator("list_objects_v2")
        listed = self._call(lambda: list(pages.paginate(Bucket=self._staging_bucket, Prefix=prefix)))
        return [each for page in listed for each in page.get("Contents", [])]

    def _whole_tail(self, tail_key: str) -> bytes:
        answer = self._client.get_object(Bucket=self._staging_bucket, Key=tail_key)
        with closing(answer["Body"]) as arriving:
            content = arriving.read()
        if sha256_of(content).hexdigest() != answer["Metadata"].get("sha256"):
            raise _DamagedError
        return content

    def _drop_tails(self, key: str, token: str) -> None:
        for tail in self._tails(_tail_folder(key, token)):
            self._drop(tail["Key"])

    def _drop(self, tail_key: str) -> None:
        self._call(lambda: self._client.delete_object(Bucket=self._staging_bucket, Key=tail_key))

    def _has_bucket(self, bucket: str) -> bool:
        try:
            self._call(lambda: self._client.head_bucket(Bucket=bucket))
        except KeyError:
            return False
        return True

    def _create_bucket(self, bucket: str, *, locked: bool) -> None:
        asked: dict[str, Any] = {"Bucket": bucket, "ObjectLockEnabledForBucket": locked}
        if self._region != "us-east-1":
            asked["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        # Another process may make it at the same moment.
        with suppress(AlreadyThereError):
            self._call(lambda: self._client.create_bucket(**asked))

    def _require_lock(self) -> None:
        try:
            answer = self._call(lambda: self._client.get_object_lock_configuration(Bucket=self._bucket))
            there = answer["ObjectLockConfiguration"]
        except KeyError:
            there = {}
        if there.get("ObjectLockEnabled") != "Enabled":
            raise SetupError(
                f"The bucket {self._bucket} has no Object Lock: whoever has its credentials could delete evidence.",
                next_step="It is chosen when a bucket is made: name one that does not exist yet, to have it made.",
            )
        if "Rule" not in there and self._default_days is not None:
            rule: DefaultRetentionTypeDef = {"Mode": self._lock_mode, "Days": self._default_days}
            self._call(
                lambda: self._client.put_object_lock_configuration(
                    Bucket=self._bucket,
                    ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": rule}},
                )
            )

    def _call(self, request: Callable[[], T]) -> T:
        """Send a request, and again when the failure may pass."""
        tries = 0
        while True:
            try:
                return request()
            except _FAILURES as error:
                self._wait_or_fail(error, tries)
            tries += 1

    def _wait_or_fail(self, error: Exception, tries: int) -> None:
        """Wait before another try, or raise what the failure means."""
        if tries == RETRIES or not _may_pass(error):
            _fail(error)
        time.sleep(self._random.uniform(0, self._pause * 2**tries))


class _DamagedError(OSError):
    """What came over the wire is not what the service was given to keep."""


_FAILURES = (ClientError, BotoCoreError, ResponseParserError, OSError)


def _code(error: Exception) -> str:
    if not isinstance(error, ClientError):
        return type(error).__name__
    return str(error.response.get("Error", {}).get("Code", ""))


def _may_pass(error: Exception) -> bool:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return _code(error) in _PASSING or status in (408, 429) or (status >= 500 and _code(error) not in _FULL)
    return not isinstance(error, NoCredentialsError | ParamValidationError)


def _fail(error: Exception) -> NoReturn:
    code = _code(error)
    if isinstance(error, ParamValidationError):
        raise error
    if code in _GONE:
        raise KeyError(code) from None
    if code in _TAKEN:
        raise AlreadyThereError("There is something under this name.") from None
    if code in _FULL:
        raise NoSpaceError("The object store is full.", next_step="Make room in it, or raise its quota.") from None
    if isinstance(error, NoCredentialsError):
        raise SetupError(
            "There are no credentials for the S3 service.",
            next_step="Set EVIDENCE_S3_ACCESS_KEY and EVIDENCE_S3_SECRET_KEY, or let boto3 find its own (a role, a "
            "profile); and set EVIDENCE_S3_ENDPOINT, unless the service is that of AWS.",
        ) from None
    if code in _DENIED:
        raise _DeniedError("The object store refuses.", next_step="Check the keys, and what they may do.") from None
    raise UnavailableError(f"The object store does not do its work ({code}).") from None


def _require_announced(size_found: int, sha256_found: bytes, *, size: int, sha256: bytes) -> None:
    if size_found != size or sha256_found != sha256:
        raise DigestError("What was received is not what was announced.")


def _md5(content: bytes) -> str:
    """Return Content-MD5. It guards against damage on the way; against intent the frames do."""
    return base64.b64encode(md5(content, usedforsecurity=False).digest()).decode()


def _range(start: int, end: int | None) -> str:
    return f"bytes={start}-" if end is None else f"bytes={start}-{end - 1}"


def _of(version: str | None) -> Any:
    """Return the argument that names a version, if one is named."""
    return {} if version is None else {"VersionId": version}


def _tail_folder(key: str, token: str) -> str:
    return f"{_TAILS}{layout.check(key)}/~{quote(token, safe='')}/"


def _tail_key(key: str, token: str, position: int) -> str:
    return f"{_tail_folder(key, token)}{position:020d}"


def _key_and_token(tail_key: str) -> tuple[str, str]:
    """Undo `_tail_key`, but for the position."""
    key, _, rest = tail_key.removeprefix(_TAILS).rpartition("/~")
    return key, unquote(rest.partition("/")[0])
