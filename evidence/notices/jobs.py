"""In the background of notices: deliver one, and try again later and later when it is not taken.

Delivery is at least once: who gets a notice twice knows it by its Message-ID or webhook-id.
"""

from typing import Final
from uuid import UUID

import structlog
from procrastinate import JobContext, RetryStrategy

from auth.models import Account
from evidence.database import unit_of_work
from evidence.jobs import NOTICE_SEND, NOTICES, queue
from evidence.notices import channels, words
from evidence.notices.channels import NotDeliveredError
from evidence.notices.models import Notice
from evidence.room import Room

MOST_RETRIES: Final = 6

PATIENT: Final = RetryStrategy(max_attempts=MOST_RETRIES, exponential_wait=4)
"""After 4 and 16 seconds, then 1, 4, 17 and 68 minutes: mail servers are restarted by people."""

log = structlog.get_logger()


@queue.task(name=NOTICE_SEND, queue=NOTICES, retry=PATIENT, pass_context=True)
def send_notice(context: JobContext, notice_id: str) -> None:
    """Deliver one notice, on the worker that the context describes."""
    deliver(context.additional_context["room"], UUID(notice_id))


def deliver(room: Room, notice_id: UUID) -> None:
    """Send the notice where it has to go. Raises NotDeliveredError as long as another attempt is to come."""
    with unit_of_work(room.sessions) as session:
        notice = session.get_one(Notice, notice_id)
        account = session.get_one(Account, notice.account_id) if notice.account_id else None
    if notice.state in ("sent", "kept"):
        return
    try:
        is_sent = _send(room, notice, account)
    except NotDeliveredError as error:
        if not _note_failure(room, notice_id, str(error)):
            raise
        log.error("a notice is given up", notice=str(notice_id), problem=str(error))
        return
    with unit_of_work(room.sessions) as session:
        session.get_one(Notice, notice_id).state = "sent" if is_sent else "kept"


def _send(room: Room, notice: Notice, account: Account | None) -> bool:
    """Send it, or return False when there is nowhere to send it to."""
    settings = room.settings.notices
    if account is None:
        if settings.webhook_url is None:
            return False
        payload = words.payload(notice, url=room.settings.url)
        channels.webhook(settings, payload, id=str(notice.id), at=room.clock())
        return True
    if settings.smtp_host is None or account.suspended_at is not None:
        return False
    message = words.mail(notice, to=account.email, sender=settings.sender_address, url=room.settings.url)
    channels.mail(settings, message)
    return True


def _note_failure(room: Room, notice_id: UUID, problem: str) -> bool:
    """Note that it was not taken, and say whether it is given up."""
    with unit_of_work(room.sessions) as session:
        notice = session.get_one(Notice, notice_id, with_for_update=True)
        notice.attempts += 1
        notice.problem = problem[:64]
        if notice.attempts > MOST_RETRIES:
            notice.state = "failed"
        return notice.state == "failed"
