"""What a notice says: its kind, an id and an address. Nothing of evidence, no name, no number, no reason."""

from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

from evidence.clock import written
from evidence.notices.models import Kind, Notice

SAID: Mapping[Kind, tuple[str, str, str]] = {
    "approval.requested": (
        "a request waits for your approval",
        "A request waits for your approval or refusal. It lapses 72 hours after it was made.",
        "approvals",
    ),
    "approval.decided": ("a request of yours was decided", "A request of yours was decided.", "approvals"),
    "glass.broken": (
        "the glass was broken",
        "Somebody has broken the glass before an evidence item. Somebody else has to review it.",
        "break-glass",
    ),
    "glass.reviewed": ("your break-glass was reviewed", "Your use of break-glass was reviewed.", "break-glass"),
    "account.reset": (
        "an account was reset at the server's console",
        "The sign-in of an account of your agency was reset at the server's own console.",
        "accounts",
    ),
}
"""Kind -> what the subject says, the sentence, and the resource that its id belongs to."""

CLOSING = "What it is about is not said here. Sign in and ask for it; `evidence tasks` lists all that waits for you."


def mail(notice: Notice, *, to: str, sender: str, url: str) -> EmailMessage:
    """Write the notice as a mail. Its Message-ID is the notice's own, so that a second delivery is known as one."""
    subject, sentence, _ = SAID[notice.kind]
    message = EmailMessage()
    message["From"] = Address(addr_spec=sender)
    message["To"] = Address(addr_spec=to)
    message["Subject"] = f"Evidence room: {subject}"
    message["Date"] = notice.made_at
    message["Message-ID"] = f"<{notice.id}@{sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{sentence}\n\n{link(notice, url)}\n\n{CLOSING}\n")
    return message


def payload(notice: Notice, *, url: str) -> dict[str, Any]:
    """Write the notice as the webhook's body, in the form that Standard Webhooks recommends."""
    return {
        "type": notice.kind,
        "timestamp": written(notice.made_at),
        "data": {"id": str(notice.about_id), "agency": str(notice.agency_id), "link": link(notice, url)},
    }


def link(notice: Notice, url: str) -> str:
    """Return where to ask for what the notice is about."""
    return f"{url}/api/v1/{SAID[notice.kind][2]}/{notice.about_id}"
