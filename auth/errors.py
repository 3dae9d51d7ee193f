"""What can go wrong in auth, as one family.

AuthError
├── NotSignedInError          nobody we know, or not any more; always the same words, whatever the cause
│   └── ProofMissingError     a dock's token without the proof that belongs to it; says so
├── SignInIncompleteError     the password was right, and something more is needed: the code, another password
│   ├── SecondFactorNeededError
│   └── NewPasswordNeededError
├── BannerError               the system-use notice was not acknowledged, or another version of it
├── CodeError                 a second factor cannot be enrolled or confirmed like this
├── ProviderAwayError         an agency's identity provider does not answer, or not as it should
├── TokenRequestError         a request for a token that cannot be read (`code` is OAuth's name for it)
├── RenewingError             another renewal of the same sign-in is under way
├── NotPermittedError         the rules of accounts say no (a role for oneself, another agency)
├── UnknownError              no such account, agency or dock
├── TakenError                the name or address is in use
├── PasswordError             the password does not meet the rules; says which
├── AccountError              an address, name or role that cannot be accepted; says which
├── EnrolmentError            a dock's enrolment code or key is not good
│   ├── EnrolmentCodeError    unknown, used, expired or another dock's: always the same words
│   └── DockKeyError          the public key offered is not a P-256 key we take
└── KeyRingError              the keys that sign tokens are missing, damaged or readable by others

Raise the narrowest.  A message never holds a secret and never says which part of a sign-in was
wrong: the reason goes to the Recorder, not to the caller.
"""

from typing import Literal


class AuthError(Exception):
    """Any failure of auth that a caller may be expected to handle. `next_step` says what the reader can do."""

    next_step = ""


class NotSignedInError(AuthError):
    """Whoever asks has not proved who they are, or may not come in any more.

    `reason` is for our own counters and custody; it must not reach the caller.  `challenge` is the
    way to sign in that the answer names (`WWW-Authenticate`).
    """

    next_step = "Ask POST /api/v1/tokens for a new token."
    challenge = "Bearer"

    def __init__(self, reason: str = "", *, said: str | None = None) -> None:
        super().__init__(said or "You are not signed in, or your sign-in is no longer good.")
        self.reason = reason


class SignInIncompleteError(AuthError):
    """What was sent was right, and is not all that this account needs."""


class SecondFactorNeededError(SignInIncompleteError):
    """The account has a second factor, and no code of it was sent."""

    next_step = "Send the code of your authenticator as `totp`, or one of your recovery codes as `recovery_code`."

    def __init__(self) -> None:
        super().__init__("This account needs a second factor as well.")


class NewPasswordNeededError(SignInIncompleteError):
    """The password was a one-time password; it lets its owner choose another."""

    next_step = "Send the password you choose as `new_password`, in the same request."

    def __init__(self) -> None:
        super().__init__("This is a one-time password; choose one of your own.")


class BannerError(AuthError):
    """The system-use notice was not acknowledged."""

    next_step = "Read GET /api/v1/banner and send its `sha256` as `banner_acknowledged`."

    def __init__(self) -> None:
        super().__init__("The system-use notice has to be acknowledged at every sign-in.")


class CodeError(AuthError):
    """A second factor cannot be enrolled or confirmed like this."""


class ProviderAwayError(AuthError):
    """An identity provider does not answer, or with something that is no answer.

    `reason` is for the log; nothing of what the provider said reaches the caller.
    """

    next_step = "Try again in a minute; if it stays so, ask whoever runs your agency's sign-in."

    def __init__(self, reason: str = "") -> None:
        super().__init__("The identity provider does not answer as it should.")
        self.reason = reason


class ProofMissingError(NotSignedInError):
    """The token is a dock's, and the request came without the proof that belongs to it.

    The one refusal that says what is missing: it tells nothing that the request does not show by itself.
    """

    challenge = 'DPoP algs="ES256"'
    next_step = "Send `Authorization: DPoP <token>` and, with every request, a new proof in the header DPoP (RFC 9449)."

    def __init__(self) -> None:
        super().__init__(
            "no proof",
            said="The token of a dock is good only with one DPoP proof, and this request has none or several.",
        )


class TokenRequestError(AuthError):
    """A request for a token that cannot be read."""

    next_step = "Send it as /openapi.json describes it."

    def __init__(
        self, code: Literal["invalid_request", "unsupported_grant_type", "invalid_dpop_proof"], message: str
    ) -> None:
        super().__init__(message)
        self.code = code


class RenewingError(AuthError):
    """Another renewal of the same sign-in is under way."""

    next_step = "Ask again in a second, with the newest token you have."

    def __init__(self) -> None:
        super().__init__("This sign-in is being renewed at this moment.")


class NotPermittedError(AuthError):
    """The rules of accounts and roles say no."""


class UnknownError(AuthError):
    """There is no such account, agency or dock."""

    next_step = "Check the id; the list shows what there is."


class TakenError(AuthError):
    """The name or address is in use already."""

    next_step = "Choose another, or look at the one there is."


class PasswordError(AuthError):
    """The password does not meet the rules."""


class AccountError(AuthError):
    """An address, name or role cannot be accepted."""


class EnrolmentError(AuthError):
    """A dock cannot be enrolled with what was offered."""


class EnrolmentCodeError(EnrolmentError):
    """The code is unknown, used, expired or another dock's; which of these is not said."""

    next_step = "Ask whoever keeps the docks for a new one: evidence dock code NAME."

    def __init__(self) -> None:
        super().__init__(
            "This enrolment code is not good. It may have been used, be too old, or be for a dock of another name."
        )


class DockKeyError(EnrolmentError):
    """The public key offered is not one we take."""


class KeyRingError(AuthError):
    """The keys that sign tokens are missing, damaged or readable by others."""
