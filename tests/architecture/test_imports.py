"""The import contracts of pyproject.toml hold, and a broken one would be seen."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_arrow_points_down() -> None:
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout


def test_an_arrow_that_points_up_is_caught(tmp_path: Path) -> None:
    for name in ("evidence", "auth", "transcode"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "evidence").unlink()
    (tmp_path / "evidence").mkdir()
    for each in (ROOT / "evidence").iterdir():
        if each.name != "clock.py":
            (tmp_path / "evidence" / each.name).symlink_to(each)
    (tmp_path / "evidence" / "clock.py").write_text("from evidence.main import create_app\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())

    result = lint(tmp_path)

    assert result.returncode != 0
    assert "evidence.clock" in result.stdout
