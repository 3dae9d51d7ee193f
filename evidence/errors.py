"""What can go wrong, as one family.

EvidenceError
├── RefusedError              the rules say no
├── NotFoundError             no such thing, or none you may know of
├── InvalidError              what was sent cannot be understood or accepted
│   ├── TooLargeError
│   ├── OtherVersionError     the protocol is spoken in another version
│   ├── OtherContentError     the body is of a kind that is not taken here
│   └── ManifestError         what a dock signs of a recording is missing, not by it, or not of this one
├── ConflictError             the thing is in the wrong state for this
│   ├── OffsetConflictError   an upload goes on at another byte than was sent
│   ├── BusyError             somebody else is at it now; try again shortly
│   └── GoneError             it was here and has ended (expired, terminated)
├── IntegrityError            what is stored or sent is not what was recorded or announced
│   └── ChecksumError         one piece of an upload arrived damaged; send it again
├── UnavailableError          a part we stand on does not answer; nothing was lost; try again
│   ├── NoSpaceError
│   └── NotCarriedOutError    a server failed at this one request, which says nothing of others
└── SetupError                the installation is not ready (old schema, missing key): says what to run

Raise the narrowest.  Catch where something can be done about it, which is seldom; the one
table that turns these into HTTP answers is evidence/api/problems.py.  A message says what
happened and why, and never holds a secret, a path of the server or an exception's text;
`next_step` says what the reader can do.
"""


class EvidenceError(Exception):
    """Any failure that a caller may be expected to handle."""

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.next_step = next_step


class RefusedError(EvidenceError):
    """The rules say no."""


class NotFoundError(EvidenceError):
    """There is no such thing, or none that the principal may know of."""


class InvalidError(EvidenceError):
    """What was sent cannot be understood or accepted."""


class TooLargeError(InvalidError):
    """What was announced or sent is larger than can be taken."""


class OtherVersionError(InvalidError):
    """The protocol is spoken in another version."""


class OtherContentError(InvalidError):
    """The body is of a kind that is not taken here."""


class ManifestError(InvalidError):
    """What a dock signs of a recording is missing, not signed by it, or not of this recording."""


class ConflictError(EvidenceError):
    """The thing is in the wrong state for what was asked."""


class OffsetConflictError(ConflictError):
    """An upload goes on at another byte than the one sent."""


class BusyError(ConflictError):
    """Somebody else is at work on the same thing; try again shortly."""


class GoneError(ConflictError):
    """The thing was here and has ended."""


class IntegrityError(EvidenceError):
    """What is stored or sent is not what was recorded or announced."""


class ChecksumError(IntegrityError):
    """A piece of an upload arrived damaged and was not kept."""


class UnavailableError(EvidenceError):
    """A part we stand on does not answer; nothing was lost and a retry is harmless."""

    def __init__(self, message: str, *, next_step: str = "", retry_after: int = 5) -> None:
        super().__init__(message, next_step=next_step)
        self.retry_after = retry_after


class NoSpaceError(UnavailableError):
    """There is no room to keep what was sent."""


class NotCarriedOutError(UnavailableError):
    """A server failed at this one request; it may well carry out others."""


class SetupError(EvidenceError):
    """The installation is not ready."""
