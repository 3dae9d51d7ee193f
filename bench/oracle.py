"""Every decision against a second evaluator, on many more random questions than the tests have time for.

    python -m bench.oracle            # 100,000
    python -m bench.oracle 2000000    # as long as a night allows

Not a benchmark of ours: the figure that counts is the number of differences, which has to be 0.
"""

import sys
import time
from typing import Any

from tests.evidence.access.oracle import cedars, drawn_questions, ours

QUESTIONS = 100_000
AT_ONCE = 10_000


def run(count: int = QUESTIONS) -> list[dict[str, Any]]:
    """Ask so many; some fifteen seconds for each hundred thousand."""
    seconds = {"ours": 0.0, "theirs": 0.0}
    different = allowed = 0
    for part in range(count // AT_ONCE):
        questions = drawn_questions(AT_ONCE, seed=part)
        began = time.perf_counter()
        mine = ours(questions)
        between = time.perf_counter()
        theirs = cedars(questions)
        seconds["ours"] += between - began
        seconds["theirs"] += time.perf_counter() - between
        different += sum(one != other for one, other in zip(mine, theirs, strict=True))
        allowed += sum(mine)
    each = {name: total / count * 1e6 for name, total in seconds.items()}
    return [
        {
            "name": f"decisions that differ from the oracle's, of {count:,} ({allowed:,} allowed)",
            "value": different,
            "unit": "differences",
            "ratio": None,
            "yardstick": f"ours {each['ours']:.1f} us, the oracle {each['theirs']:.1f} us a question",
            "target": 0,
        }
    ]


if __name__ == "__main__":
    for row in run(int(sys.argv[1]) if len(sys.argv) > 1 else QUESTIONS):
        print(row)
        sys.exit(bool(row["value"]))
