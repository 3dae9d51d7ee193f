"""What a child does to itself before it opens footage, so that a hostile file can harm nothing.

Four walls, each of which stands without the others:

- limits: memory, processor time, open files, no core dump, not one byte written to any file;
- network: a network namespace of its own in which there is nothing, not even loopback;
- files (Landlock): of the whole file system, only the one file and Python's own may be read;
- calls (seccomp): no sockets, no other programs, no looking into other processes.

Where the kernel refuses a wall, the others stay, and the state says which is missing and why.
Standard library only: this runs before anything else is imported, while there is one thread.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import sys
from dataclasses import dataclass
from typing import Final

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2

# The three Landlock calls have these numbers on every architecture we run on.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_ADD_RULE = 445
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_READ_FILE = 1 << 2
_LANDLOCK_READ_FOLDER = 1 << 3

# Machine: its AUDIT_ARCH and the numbers of the refused calls, in this order: socket connect bind
# socketpair, fork vfork (x86 only) execve execveat, kill tkill ptrace, mount unshare setns,
# process_vm_readv process_vm_writev pidfd_getfd, add_key request_key keyctl, perf_event_open bpf
# userfaultfd io_uring_setup.
# fmt: off
_ARCHITECTURES: Final[dict[str, tuple[int, tuple[int, ...]]]] = {
    "x86_64": (0xC000003E, (
        41, 42, 49, 53,  57, 58, 59, 322,  62, 200, 101,  165, 272, 308,
        310, 311, 438,  248, 249, 250,  298, 321, 323, 425,
    )),
    "aarch64": (0xC00000B7, (
        198, 203, 200, 199,  221, 281,  129, 130, 117,  40, 97, 268,
        270, 271, 438,  217, 218, 219,  241, 280, 282, 425,
    )),
}
# fmt: on


@dataclass(frozen=True, slots=True)
class SandboxState:
    """Which walls stand. Each is "closed", or the reason why it is not."""

    network: str
    files: str
    calls: str

    @property
    def sound(self) -> bool:
        """Whether a hostile file is kept from the network: by the namespace, or else by refused calls."""
        return self.network == CLOSED or self.calls == CLOSED

    @property
    def complete(self) -> bool:
        """Whether every wall stands."""
        return self.network == self.files == self.calls == CLOSED


CLOSED: Final = "closed"
_NOT_LINUX = "this system is not Linux"


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filters", ctypes.POINTER(_Filter)))


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def die_with_the_parent() -> None:
    """Ask the kernel to kill us when the worker that started us dies."""
    if sys.platform == "linux":
        _library().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def limit(*, memory: int, cpu_seconds: int) -> None:
    """Set the limits of this process: bytes of address space, seconds of processor time, nothing written."""
    # Beyond the soft limit the signal ends us; the hard one, a second later, cannot be caught.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    if sys.platform == "linux":  # elsewhere these two are accepted and mean something else
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def leave_the_network() -> str:
    """Move into an empty network namespace. Must be called while there is one thread."""
    if sys.platform != "linux":
        return _NOT_LINUX
    # A user namespace first: it needs no privilege, and it takes away those that root has.
    return _answer(_library().unshare(_CLONE_NEWUSER | _CLONE_NEWNET))


def allow_only(path: str, *, code: list[str]) -> str:
    """Keep this process from every file but reading this one, and Python modules from the folders of code.

    Where Landlock can do it, TCP, other processes' signals and abstract sockets are cut off, too.
    """
    if sys.platform != "linux":
        return _NOT_LINUX
    library = _library()
    library.syscall.restype = ctypes.c_long
    version = library.syscall(_LANDLOCK_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return _answer(-1)
    rules = _Ruleset(
        files=(1 << 13) - 1 | (version >= 2) << 13 | (version >= 3) << 14 | (version >= 5) << 15,
        network=3 if version >= 4 else 0,
        scoped=3 if version >= 6 else 0,
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = library.syscall(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return _answer(-1)
    try:
        folder_too = _LANDLOCK_READ_FILE | _LANDLOCK_READ_FOLDER
        for allowed, what in [(path, _LANDLOCK_READ_FILE), *((folder, folder_too) for folder in code)]:
            if _allow(library, ruleset, allowed, what) < 0:
                return _answer(-1)
        library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return _answer(library.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(library: ctypes.CDLL, ruleset: int, path: str, what: int) -> int:
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        rule = _PathBeneath(allowed=what, parent=opened)
        return int(library.syscall(_LANDLOCK_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0))
    finally:
        os.close(opened)


def refuse_calls() -> str:
    """Have the kernel refuse sockets, other programs and other processes to us, for good."""
    if sys.platform != "linux":
        return _NOT_LINUX
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return f"no list of calls for {platform.machine()}"
    filters = _filters(*known)
    program = _Program(len(filters), (_Filter * len(filters))(*filters))
    library = _library()
    library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return _answer(library.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))


def _filters(architecture: int, refused: tuple[int, ...]) -> list[_Filter]:
    """Write the little program: another architecture's calls kill, the refused ones fail, the rest go on."""
    load, jump_equal, jump_at_least, answer = 0x20, 0x15, 0x35, 0x06
    kill, fail, go_on = 0x80000000, 0x00050000 | errno.EPERM, 0x7FFF0000
    filters = [
        _Filter(load, 0, 0, 4),  # seccomp_data.arch
        _Filter(jump_equal, 1, 0, architecture),
        _Filter(answer, 0, 0, kill),
        _Filter(load, 0, 0, 0),  # seccomp_data.nr
        _Filter(jump_at_least, 0, 1, 0x40000000),  # x32's numbers begin here
        _Filter(answer, 0, 0, kill),
    ]
    for number in refused:
        filters += [_Filter(jump_equal, 0, 1, number), _Filter(answer, 0, 0, fail)]
    return [*filters, _Filter(answer, 0, 0, go_on)]


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _answer(result: int) -> str:
    """Read a call's result as the state of a wall."""
    return CLOSED if result >= 0 else f"refused by the kernel ({errno.errorcode.get(ctypes.get_errno(), 'unknown')})"
