"""Uploads one file with an unmodified tuspy, and says each step as a line of JSON.

Arguments as for upload.mjs; `checksum` has each piece sent with its SHA-1, all that tuspy knows.
"""

import json
import sys
from pathlib import Path

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage


def say(step: str, **more: object) -> None:
    print(json.dumps({"step": step, **more}), flush=True)


given = json.loads(sys.argv[1])
client = TusClient(given["endpoint"], headers={"Authorization": f"Bearer {given['token']}"})
uploader = client.uploader(
    given["file"],
    chunk_size=given["chunkSize"],
    metadata={"filename": "stop.mp4", "sha256": given["sha256"]} if given["sha256"] else None,
    store_url=True,
    url_storage=FileStorage(given["urls"]),  # type: ignore[no-untyped-call]
    retries=12,
    retry_delay=1,
    upload_checksum=given["checksum"],
)
say("asked", offset=uploader.offset)
has_paused = False
while uploader.offset < Path(given["file"]).stat().st_size:
    uploader.upload_chunk()  # type: ignore[no-untyped-call]
    if given["pauseAt"] is not None and uploader.offset >= given["pauseAt"] and not has_paused:
        has_paused = True
        say("paused", sent=uploader.offset)
        sys.stdin.read(1)
say("done", url=uploader.url)
