#!/bin/sh
# Builds the wheel and tries it in an environment of its own: the commands answer and the migrations are inside.
set -eu
bin=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bin/pip" wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$work" .
"$bin/python" -m venv --system-site-packages "$work/venv"
# What the wheel needs is taken from the environment that is there already; only the wheel itself is installed.
site=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --target "$work/site" "$work"/*.whl
cd "$work"
PYTHONPATH="$work/site:$site" "$work/venv/bin/python" - <<'PY'
import evidence
from pathlib import Path

assert Path(evidence.__file__).is_relative_to(Path.cwd()), evidence.__file__
from evidence.cli import run  # noqa: F401
from evidence.engines import schema

assert schema.configuration().get_main_option("script_location").startswith(str(Path.cwd()))
print("the wheel installs, and brings its commands and migrations")
PY
