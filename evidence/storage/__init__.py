"""The object store: one small port (store.py), three adapters, and the encryption over them.

`open_store` picks the adapter.  Objects are read and written through vault.Vault, which encrypts
them frame by frame (frames.py); only the adapters touch a disk or a network.
"""

from evidence.settings import Settings
from evidence.storage.local import LocalStore
from evidence.storage.store import ObjectStore


def open_store(settings: Settings) -> ObjectStore:
    """Return the store that the settings name. It is not prepared yet (`ObjectStore.prepare`)."""
    if settings.store == "local":
        return LocalStore(settings.objects_path)
    from evidence.storage.s3 import S3Store  # here, because boto3 takes long to import

    return S3Store(
        bucket=settings.s3_bucket,
        staging_bucket=settings.staging_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
        lock_mode=settings.s3_lock_mode,
    )
