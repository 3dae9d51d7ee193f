"""Any folder of footage: upload it, export it, verify it offline; a table of how long each took.

    python -m bench.folder FOLDER

An installation of its own is made in a temporary folder and goes away afterwards.  Nothing in
FOLDER is changed.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from evidence import demo


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what:44} {time.monotonic() - began:7.2f} s", flush=True)


def main(footage: Path) -> None:
    before = {path: sha256(path.read_bytes()).hexdigest() for path in footage.rglob("*") if path.is_file()}
    with tempfile.TemporaryDirectory() as work:
        story = demo.begin(Path(work) / "room")
        with demo.serving(story):
            demo.people(story)
            with timed("dock upload"):
                lines = story.run("dock", "upload", str(footage), "--still", "0", "--camera", "CAM-1")
            received = [line for line in lines if line["kind"] == "verified"]
            items = [str(line["number"]) for line in received]
            size = sum(int(line["size"]) for line in received)
            out = story.folder / "package.zip"
            with timed("export"):
                story.run("export", *items, "--out", str(out), "--reason", "trial", profile="technician")
            with timed("verify"):
                summary = demo.verify(story, out, expect=0)
    after = {path: sha256(path.read_bytes()).hexdigest() for path in footage.rglob("*") if path.is_file()}
    if after != before:
        raise SystemExit("the folder was changed")
    print(f"{len(received)} of {len(before)} files received, {size:,} bytes; verdict: {summary['verdict']}")
    for line in received:
        print(f"  {line['number']}  {line['size']:>12,}  {line['name']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
