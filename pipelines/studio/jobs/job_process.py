"""Runs a job of the studio, and records its result even if the studio has ended.

This module is run as a script, and imports nothing from the project. Arguments: the job's folder, then the command.

lock           held while the job runs
keeper.json    {"pid": process id of the command}
log.txt        the log of the command
output.txt     the standard output of the command: its result as JSON
result.json    {"code": exit code, "ended": seconds since 1970}
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(folder: Path, command: list[str]) -> int:
    """Runs the command until it ends, and passes SIGTERM on to it."""
    with (folder / "lock").open("w") as lock, (folder / "log.txt").open("ab") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with (folder / "output.txt").open("wb") as output:
            # The child inherits the lock: the job counts as running as long as the child runs, even if this process is
            # killed.
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, pass_fds=[lock.fileno()]
            )
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        write(folder / "keeper.json", {"pid": child.pid})
        if (folder / "cancelled").exists():  # the studio stopped the job before it knew the pid
            child.terminate()
        code = child.wait()
        write(folder / "result.json", {"code": code, "ended": time.time()})
    return code


def write(path: Path, content: dict[str, float]) -> None:
    """Writes a JSON file completely or not at all, so that the studio never reads a partial file."""
    partial = path.with_suffix(".partial")
    with partial.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


if __name__ == "__main__":
    if os.fork():  # the studio does not have to wait for this process
        os._exit(0)
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
