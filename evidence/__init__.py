"""The open evidence room. Kept empty but for the version, so that the verifier loads no server."""

__version__ = "0.1.0"
