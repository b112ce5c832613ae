"""seccomp: prevents a process from opening sockets, starting programs and making other dangerous system calls.

https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass
from typing import Final

_PR_SET_SECCOMP: Final = 22


@dataclass(frozen=True)
class _Machine:
    """System call numbers of the kernel on one processor architecture."""

    audit: int
    clone: int
    clone3: int
    forbidden: tuple[int, ...]


_MACHINES: Final = {
    "x86_64": _Machine(
        0xC000003E,
        56,
        435,
        (
            41,
            42,
            43,
            44,
            46,
            49,
            50,
            53,  # socket connect accept sendto sendmsg bind listen socketpair
            57,
            58,
            59,
            322,  # fork vfork execve execveat
            62,
            200,
            424,
            101,
            310,
            311,  # kill tkill pidfd_send_signal ptrace process_vm_readv process_vm_writev
            90,
            91,
            268,
            452,
            92,
            93,
            94,
            260,  # chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat
            188,
            189,
            190,
            197,
            198,
            199,  # setxattr removexattr and related calls
            425,
            426,
            427,
            321,
            323,
            298,
            319,  # io_uring bpf userfaultfd perf_event_open memfd_create
            165,
            166,
            155,
            161,
            272,
            308,
            304,  # mount umount2 pivot_root chroot unshare setns open_by_handle_at
            248,
            249,
            250,
            175,
            313,
            246,
            320,  # add_key request_key keyctl init_module finit_module kexec
        ),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        220,
        435,
        (
            198,
            203,
            202,
            206,
            211,
            200,
            201,
            199,
            221,
            281,
            129,
            130,
            424,
            117,
            270,
            271,
            52,
            53,
            452,
            54,
            55,
            5,
            6,
            7,
            14,
            15,
            16,
            425,
            426,
            427,
            280,
            282,
            241,
            279,
            40,
            39,
            41,
            51,
            97,
            268,
            265,
            217,
            218,
            219,
            105,
            273,
            104,
            294,
        ),
    ),
}
_CLONE_THREAD: Final = 0x10000
_X32: Final = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _AUDIT_AT, _FIRST_ARGUMENT_AT = 0, 4, 16


def filter_calls(libc: ctypes.CDLL) -> bool:
    """Makes system calls for sockets, new processes and so on fail with EPERM; returns whether the filter is active."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.byteorder != "little":
        return False
    deny, absent = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    program = [
        (_LOAD, 0, 0, _AUDIT_AT),
        (_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, deny),
        # clone3 passes its flags in memory that a filter cannot read; if clone3 is missing, glibc uses clone.
        (_EQUAL, 0, 1, machine.clone3),
        (_RETURN, 0, 0, absent),
    ]
    for number in machine.forbidden:
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, deny)]
    program += [
        (_EQUAL, 0, 3, machine.clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        (_RETURN, 0, 0, deny),
        (_RETURN, 0, 0, _ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, header, 0, 0) == 0)
