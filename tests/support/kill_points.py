"""Kills a real process at a chosen point: at the n-th of certain Python audit events, such as renames."""

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
    """Runs a Python program and kills it just before the n-th of these events; returns False if the program ends first.

    Args:
        program: the Python code.
        arguments: the arguments of the program.
        at: audit events; `event:word` counts only events whose arguments contain the word.
        number: n, counted from 1.
    """
    code = _HOOK.format(names=tuple(at), number=number) + program
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode in (0, -signal.SIGKILL), result.stderr
    return result.returncode == -signal.SIGKILL
