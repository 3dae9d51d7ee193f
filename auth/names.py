"""What may be a name or an e-mail address: printable, of sensible length, spelled one way."""

import re
import unicodedata

from auth.errors import AccountError

_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*\Z")


def check_name(text: str, *, what: str, longest: int = 120) -> str:
    """Return the name without blanks around it; raise AccountError unless people can read it whole.

    Control characters, and marks that turn the direction of writing, would let one name pass for another.
    """
    name = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(name) <= longest:
        raise AccountError(f"{what} has between 1 and {longest} characters.")
    if not name.isprintable():
        raise AccountError(f"{what} has characters that cannot be shown.")
    return name


def normal_email(text: str) -> str:
    """Return the address as we keep it: lower case, without blanks around it; raise AccountError."""
    email = text.strip().lower()
    if len(email) > 254 or not _EMAIL.match(email):
        raise AccountError("This is not an e-mail address we can take; it may only have plain (ASCII) characters.")
    return email
