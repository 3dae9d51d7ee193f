"""`make bench`: run every benchmark, print one table, write bench/results.json.

Ratios are what counts: each figure stands against a yardstick measured in the same run on the
same machine.  One by one: `python -m bench.custody`.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

BENCHMARKS = ("custody", "verification", "storage", "ingest", "wall", "access", "oracle")


def main(names: list[str]) -> None:
    rows: list[dict[str, Any]] = []
    for name in names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        for row in importlib.import_module(f"bench.{name}").run():
            rows.append({"benchmark": name} | row)
            print(f"  {told(row)}", flush=True)
    results = Path(__file__).parent / "results.json"
    results.write_text(json.dumps(rows, indent=2) + "\n")
    print(f"written to {results}", file=sys.stderr)


def told(row: dict[str, Any]) -> str:
    """Say one row as a line."""
    ratio = "" if row.get("ratio") is None else f"  ratio {row['ratio']:.2f} of {row['yardstick']}"
    target = f"  (target {row['target']})" if row.get("target") else ""
    return f"{row['name']}: {row['value']:,.4g} {row['unit']}{ratio}{target}"


if __name__ == "__main__":
    main(sys.argv[1:])
