"""Every action that a route asks leave for, spelled subject.verb, listed once."""

from typing import Literal

Action = Literal[
    "upload.open",
    "upload.append",
    "upload.finish",
    "evidence.list",
    "evidence.read_meta",
    "evidence.download_original",
    "evidence.reassign",
    "case.create",
    "case.read",
    "case.link",
    "case.unlink",
    "case.assign",
    "case.refer",
    "case.close",
    "custody.read",
    "custody.export",
    "users.manage",
    "devices.manage",
]
