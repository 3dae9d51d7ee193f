"""Build the verifier as one file that bare Python runs: python -m evidence.verify.archive OUT.

The same sources give the same bytes, so that anybody can build it and compare digests.
"""

import sys
import zipfile
from pathlib import Path

import evidence

PARTS = ("proof", "verify")

_START = b"from evidence.verify.__main__ import run\n\nrun()\n"
_OLDEST = (1980, 1, 1, 0, 0, 0)


def build(out: Path) -> Path:
    """Write the archive, replacing one that is there, and return its path."""
    root = Path(evidence.__file__).parent
    sources = {"__main__.py": _START, "evidence/__init__.py": (root / "__init__.py").read_bytes()}
    for part in PARTS:
        for file in sorted((root / part).glob("*.py")):
            sources[f"evidence/{part}/{file.name}"] = file.read_bytes()
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, source in sorted(sources.items()):
                entry = zipfile.ZipInfo(name, _OLDEST)
                entry.external_attr = 0o644 << 16
                entry.create_system = 3
                archive.writestr(entry, source)
    out.chmod(0o755)
    return out


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
