"""Hash and check a password; the rules a new one has to meet.

Argon2id with the second recommended parameters of RFC 9106 (64 MiB, three passes).  Whoever calls
this from a server limits how many run at once: each takes its memory for a tenth of a second.
"""

import unicodedata
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth.errors import PasswordError

SHORTEST, LONGEST = 12, 256

_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)

NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$Cbq/y48QJxeuu87mJUSmaA$/KVz9+mtXoCI4d/amFdlOhOgFuQdWtZPLA4WU/afEfc"
"""A hash that no password is known for, so that an unknown account costs as much time as a known one."""

_OFTEN_CHOSEN = frozenset(
    (
        *("password", "passwords", "passw0rd", "letmein", "welcome", "qwerty", "qwertyuiop", "qwertyuiopasdf"),
        *("iloveyou", "admin", "administrator", "changeme", "football", "baseball", "superman", "trustno"),
        *("sunshine", "princess", "monkey", "dragon", "evidence", "police"),
    )
)


def digest(password: str) -> str:
    """Return the text to keep for a password."""
    return _HASHER.hash(_normal(password))


def matches(kept: str, password: str) -> bool:
    """Say whether this is the password that was kept; anything unreadable is not."""
    if len(password) > LONGEST:
        return False
    try:
        return _HASHER.verify(kept, _normal(password))
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


def is_outdated(kept: str) -> bool:
    """Say whether the kept text was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


def check_rules(password: str, *, email: str, name: str) -> None:
    """Raise PasswordError, saying which rule, unless this may become somebody's password."""
    password = _normal(password)
    if len(password) < SHORTEST:
        raise PasswordError(f"A password has at least {SHORTEST} characters.")
    if len(password) > LONGEST:
        raise PasswordError(f"A password has at most {LONGEST} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise PasswordError("A password has no control characters.")
    if len(set(password)) < 5 or _is_a_row(password):
        raise PasswordError("This password repeats itself or counts along; choose one that is harder to guess.")
    folded = password.casefold()
    own = {email.casefold(), email.casefold().partition("@")[0], *name.casefold().split(), name.casefold()}
    if any(len(word) >= 4 and word in folded for word in own):
        raise PasswordError("A password does not contain your name or e-mail address.")
    if "".join(character for character in folded if character.isalpha()) in _OFTEN_CHOSEN:
        raise PasswordError("This password is one that many people choose; add something of your own.")


def _normal(password: str) -> str:
    # NIST SP 800-63B 5.1.1.2: the same characters typed on two machines are the same password.
    return unicodedata.normalize("NFKC", password)


def _is_a_row(password: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(password)}
    return steps <= {1, -9} or steps <= {-1, 9}
