"""The two ways out: a mail server, and one webhook signed as Standard Webhooks says. No address comes from a user."""

import hashlib
import hmac
import smtplib
import ssl
from base64 import b64encode
from datetime import datetime
from email.message import EmailMessage
from typing import Any

import httpx2
import orjson

from evidence.settings import NoticeSettings

TIMEOUT = 10.0
"""Seconds that either of them may keep us waiting at a time."""


class NotDeliveredError(Exception):
    """It was not taken. Says why in a word that holds nothing of what was sent."""


def mail(settings: NoticeSettings, message: EmailMessage) -> None:
    """Hand the message to the mail server; raise NotDeliveredError."""
    assert settings.smtp_host is not None
    walls = ssl.create_default_context(cafile=settings.smtp_ca_file)
    try:
        with _server(settings, walls) as server:
            if settings.smtp_security == "starttls":
                server.starttls(context=walls)
            if settings.smtp_username is not None and settings.smtp_password is not None:
                server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
            server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        # Only its kind: what servers answer quotes addresses.
        raise NotDeliveredError(type(error).__name__) from error


def _server(settings: NoticeSettings, walls: ssl.SSLContext) -> smtplib.SMTP:
    host, port = settings.smtp_host or "", settings.smtp_port
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=walls)
    return smtplib.SMTP(host, port, timeout=TIMEOUT)


def webhook(settings: NoticeSettings, payload: dict[str, Any], *, id: str, at: datetime) -> None:
    """Post the payload to the webhook; anything but a plain success is NotDeliveredError, a redirect too."""
    assert settings.webhook_url is not None
    body = orjson.dumps(payload)
    headers = {"Content-Type": "application/json", **signed(settings.webhook_key, body, id=id, at=at)}
    try:
        with (
            # No proxy of the environment either: the address is the one that was set, and nothing else.
            httpx2.Client(follow_redirects=False, timeout=TIMEOUT, trust_env=False) as client,
            client.stream("POST", settings.webhook_url, content=body, headers=headers) as answer,
        ):
            status, is_success = answer.status_code, answer.is_success
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NotDeliveredError(type(error).__name__) from error
    if not is_success:
        raise NotDeliveredError(f"answered {status}")


def signed(key: bytes, body: bytes, *, id: str, at: datetime) -> dict[str, str]:
    """Return the three headers of Standard Webhooks: HMAC-SHA256 over id, time and body."""
    seconds = str(int(at.timestamp()))
    digest = hmac.new(key, b".".join((id.encode(), seconds.encode(), body)), hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{b64encode(digest).decode()}",
    }
