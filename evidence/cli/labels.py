"""`evidence case|item incident` and `reference`: what is said of a case or an item."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from evidence.cli import profiles
from evidence.cli.case_shown import CaseNamed, address_of
from evidence.cli.output import Output
from evidence.cli.profiles import ProfileName

ItemNamed = Annotated[str, typer.Argument(metavar="ITEM", help="Evidence number or id.")]
Number = Annotated[str, typer.Argument(help="Number of the incident.")]
System = Annotated[str, typer.Argument(help="Name of another system of your agency.")]
ExternalId = Annotated[str, typer.Argument(metavar="ID", help="What that system calls it.")]
Address = Annotated[str | None, typer.Option(help="Where that system shows it (http or https).")]
Withdraw = Annotated[str | None, typer.Option("--withdraw", metavar="REASON", help="Withdraw it, for this reason.")]


def case_incident(
    out: Output, case: CaseNamed, number: Number, withdraw: Withdraw = None, profile: ProfileName = "default"
) -> None:
    """Say that a case belongs to an incident, or withdraw that."""
    _say(out, "case", address_of(case), "incidents", {"number": number}, withdraw, profile=profile)


def case_reference(
    out: Output,
    case: CaseNamed,
    system: System,
    external_id: ExternalId,
    address: Address = None,
    withdraw: Withdraw = None,
    profile: ProfileName = "default",
) -> None:
    """Say what another system of your agency calls a case, or withdraw that."""
    asked = {"system": system, "id": external_id, "address": address}
    _say(out, "case", address_of(case), "references", asked, withdraw, profile=profile)


def item_incident(
    out: Output, item: ItemNamed, number: Number, withdraw: Withdraw = None, profile: ProfileName = "default"
) -> None:
    """Say that an item belongs to an incident, or withdraw that."""
    _say(out, "item", _item(item), "incidents", {"number": number}, withdraw, profile=profile)


def item_reference(
    out: Output,
    item: ItemNamed,
    system: System,
    external_id: ExternalId,
    address: Address = None,
    withdraw: Withdraw = None,
    profile: ProfileName = "default",
) -> None:
    """Say what another system of your agency calls an item, or withdraw that."""
    asked = {"system": system, "id": external_id, "address": address}
    _say(out, "item", _item(item), "references", asked, withdraw, profile=profile)


def _item(item: str) -> str:
    return f"/api/v1/items/{quote(item, safe='')}"


def _say(
    out: Output, of: str, address: str, kind: str, asked: dict[str, str | None], withdraw: str | None, *, profile: str
) -> None:
    with profiles.signed_in(profile) as connection:
        if withdraw is None:
            shown: dict[str, Any] = connection.post(f"{address}/{kind}", asked)
        else:
            shown = connection.post(f"{address}/{kind}/withdraw", {**asked, "reason": withdraw})
    known = [each if isinstance(each, str) else f"{each['system']}: {each['id']}" for each in shown[kind]]
    out.say(f"{kind}: {', '.join(known) or 'none'}")
    out.sum_up(**{of: shown})
