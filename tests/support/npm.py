"""Packages of npm that tests need: installed as their lock file says, once, whoever of several runs comes first."""

import fcntl
import shutil
import subprocess
from pathlib import Path

from tests.support.left_out import left_out


def install(here: Path, to: Path, *, script: str) -> None:
    """Have what the lock file in `here` names in `to`, beside the script that uses it, or leave the test out."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        left_out(f"{here.name}: Node.js and npm are not installed")
    to.mkdir(parents=True, exist_ok=True)
    with (to / "installing").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        lock, marker = (here / "package-lock.json").read_text(), to / "installed-lock.json"
        for name in ("package.json", "package-lock.json", script):
            shutil.copy(here / name, to / name)
        if not marker.exists() or marker.read_text() != lock:
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=to, check=True, capture_output=True)
            marker.write_text(lock)
