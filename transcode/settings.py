"""TranscodeSettings: what a child process that reads footage may use."""

from pathlib import Path

from pydantic import BaseModel, Field


class TranscodeSettings(BaseModel):
    """Limits for every process that touches footage, nested in the installation's settings as `transcode`."""

    ffmpeg: Path | None = Field(default=None, description="The ffmpeg to run; else the wheel's, else the system's.")
    memory: int = Field(default=1_500_000_000, description="Address space of a child, in bytes.")
    cpu_seconds: int = Field(default=10, description="Processor time of a probe, in seconds.")
    wall_seconds: float = Field(default=20.0, description="Wall time of a probe, in seconds.")
