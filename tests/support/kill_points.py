"""Kills a real process at a chosen moment: at its n-th rename, file or child process by Python's audit events."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from tests.support.source_tree import ROOT

_HOOK = """
import os, signal, sys
names, left = {names!r}, [{number!r}]
def kill_at(event, arguments):
    for name in names:
        wanted, _, word = name.partition(":")
        if event == wanted and word in (repr(arguments) if word else ""):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill_at)
"""


def killed(program: str, *arguments: str, at: Sequence[str], number: int) -> bool:
    """Runs a Python program and kills it just before the n-th of these events, which may be `event:word` with a word
    that must be among its arguments. False if the program ended before.
    """
    code = _HOOK.format(names=tuple(at), number=number) + program
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode in (0, -signal.SIGKILL), result.stderr
    return result.returncode == -signal.SIGKILL
