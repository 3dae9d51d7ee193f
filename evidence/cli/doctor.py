"""`evidence doctor`: is this installation well, and what to do where it is not."""

from typing import Annotated

import typer

from evidence.cli.boundary import command
from evidence.cli.exits import ExitCode
from evidence.cli.output import Output


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    command(app, "doctor")(examine)


def examine(
    out: Output,
    cjis: Annotated[
        bool, typer.Option("--cjis", help="Instead: which module does each piece of cryptography, validated or not.")
    ] = False,
) -> ExitCode:
    """Look at database, store, keys, disk, worker, clock and tools; the server may run or not."""
    from evidence import doctor
    from evidence.cli.server import read_settings

    if cjis:
        return _cryptography(out)
    idle = False
    counts = {"well": 0, "note": 0, "wrong": 0}
    for finding in doctor.examine(read_settings()):
        counts[finding.health] += 1
        idle = idle or (finding.subject, finding.health) == ("worker", "note")
        if finding.health == "wrong":
            out.problem(finding.sentence, exit_code=ExitCode.ERROR, name=finding.subject, next_step=finding.next_step)
        else:
            advice = f" ({finding.next_step})" if finding.next_step else ""
            out.verified(finding.subject, finding.sentence + advice)
    code = ExitCode.ERROR if counts["wrong"] else ExitCode.OK
    well = "Well, but neither server nor worker runs: start them with `evidence serve`." if idle else "Well."
    out.say("Not well: see above." if counts["wrong"] else well)
    out.sum_up(code, **counts)
    return code


def _cryptography(out: Output) -> ExitCode:
    from evidence.cjis import kernel_in_fips_mode, uses
    from evidence.cli.server import read_settings

    found = list(uses(read_settings()))
    rows = [[each.use, each.algorithm, each.module.name, each.validated] for each in found]
    out.table(("use", "algorithm", "module", "validated"), rows)
    out.say(
        f"The system runs in FIPS mode: {'yes' if kernel_in_fips_mode() else 'no'}. evidence/guide/cjis.md says more."
    )
    shown = [{"use": use, "algorithm": how, "module": module, "validated": said} for use, how, module, said in rows]
    out.sum_up(uses=shown, kernel_in_fips_mode=kernel_in_fips_mode())
    return ExitCode.OK
