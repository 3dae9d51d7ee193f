"""What can go wrong with media, as one family.

TranscodeError
├── NoEngineError      there is no ffmpeg here that may be used
├── RenderError        ffmpeg ended badly; its last words are in the message
└── ChildError         a child process could not be started or answered nonsense

A file that cannot be read is none of these: what a hostile or broken file is, the probe says in
its answer.
"""


class TranscodeError(Exception):
    """Any failure that a caller may be expected to handle."""


class NoEngineError(TranscodeError):
    """There is no ffmpeg here, or only one that is too old to be safe."""


class RenderError(TranscodeError):
    """ffmpeg ended badly or took too long."""


class ChildError(TranscodeError):
    """A child process could not be started, or did not keep to its part; trying again may help."""
