"""Pure media: bytes in, bytes out. Exports what a file is, never the running of anything."""

from transcode.media import AudioStream, MediaInfo, OtherStream, VideoStream

__all__ = ["AudioStream", "MediaInfo", "OtherStream", "VideoStream"]
