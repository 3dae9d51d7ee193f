"""The formats and the arithmetic of tamper evidence: bytes in, values or a refusal out.

Standard library only, no files, no clock, no network, and nothing else of ours, so that a reader
who trusts nobody here can read it in an afternoon.  FORMAT.md beside this file is the byte-exact
specification; section numbers in comments are its sections.

    canonical   one value, one byte string          note        signed notes (C2SP)
    record      one custody record, custody.v1      receipt     what an accepted act is answered with
    chain       each record names the one before    heads       where every chain of a package ends
    disclosure  fields that can be withheld         trust       the keys a verifier is given
    acts        everything a record may say         package     names and index of a package
    signature   Ed25519, checked in plain Python    es256       the same for P-256, which docks have
    manifest    what a dock signs of a recording

Every `parse` refuses what its `write` would not have written, and raises FormatError.
"""


class FormatError(ValueError):
    """The bytes or values are not what FORMAT.md says. The message says which rule they break."""
