"""The exit codes of every command. They are documented and stay as they are."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended, for scripts."""

    OK = 0
    """All that was asked was done, and what was checked is right."""

    ERROR = 1
    """It could not be done; the message says why."""

    USAGE = 2
    """The command was not understood, or a file it needs is missing or unreadable."""

    SOME_FAILED = 3
    """Some of the things asked for were done and others not."""

    NOTHING_TO_DO = 4
    """Everything asked for had been done before."""

    REFUSED = 5
    """Sign-in failed or is missing, or the role does not permit it."""

    TEMPORARY = 6
    """The server or a part of it does not answer; the same command may be run again."""

    INTEGRITY = 7
    """What is stored or sent is not what was recorded or announced."""

    INCOMPLETE = 8
    """Nothing wrong was found, but something required for the proof is missing."""

    INTERRUPTED = 130
    """Stopped by the person at the keyboard."""
