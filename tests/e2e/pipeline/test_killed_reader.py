"""kill -9 of a task that reads a part of the photos: the error names the task; the next run redoes only lost work."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.memory import write_photos
from tests.e2e.pipeline.test_run import SMALL, darkroom
from tests.support.processes import marked, wait_for
from tests.unit.preprocess.dataset_files import tree

pytestmark = pytest.mark.proof

NUM_PHOTOS = 4600
NUM_PORTIONS, NUM_KILLED = 16, 5
"""The number of portions, and how many of them the killed reader has to read."""
OPTIONS = (*SMALL, "--set", "data.workers=3", "--set", "train.epochs=1", "--set", "preprocess.image_size=64")


def find_reader(mark: str, part: int) -> int | None:
    """Returns the id of the Python process (not of its shell) that reads a part; None if there is none."""
    for pid, command in marked(mark).items():
        is_python = "python" in Path(f"/proc/{pid}/exe").readlink().name
        if is_python and "read_photos" in command and re.search(rf'"part": ?{part}\b', command):
            return pid
    return None


def find_data_sets(folder: Path) -> list[Path]:
    """Returns the folders of the complete data sets."""
    return list(folder.glob("runs/*/kfp/*/preprocess/dataset"))


def test_a_killed_reader_is_reported_and_only_its_work_is_repeated(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", NUM_PHOTOS)
    (tmp_path / "my environment").symlink_to(sys.prefix)
    cache = tmp_path / "cache"

    def stored() -> list[Path]:
        return list((cache / "shared").rglob("index.sqlite"))

    run = darkroom("run", "--data", "photos", *OPTIONS, cwd=tmp_path, DARKROOM_CACHE=str(cache))
    wait_for(lambda: find_reader(str(cache), 1), "the second reader to start", seconds=300)
    pid = find_reader(str(cache), 1)
    assert pid is not None
    num_earlier = len(stored())  # KFP's local runner starts the readers one after another, in any order

    def has_stored_a_portion() -> bool:
        """Pauses the reader, and resumes it only if it has stored no portion, so that it cannot finish unnoticed."""
        os.kill(pid, signal.SIGSTOP)
        if len(stored()) > num_earlier:
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    wait_for(has_stored_a_portion, "the second reader to store a portion", seconds=300)
    os.kill(pid, signal.SIGKILL)
    _, error = run.communicate(timeout=120)
    assert run.returncode == 2
    assert "read-photos-2: The task was killed by the system (SIGKILL)" in error
    num_kept = len(stored()) - num_earlier
    assert 0 < num_kept < NUM_KILLED, "the reader must be killed in the middle of its work"

    run = darkroom("run", "--data", "photos", *OPTIONS, cwd=tmp_path, DARKROOM_CACHE=str(cache))
    wait_for(lambda: run.poll() is not None or find_data_sets(tmp_path), "the data set", seconds=600)
    run.terminate()  # the later steps do not matter here
    run.communicate(timeout=120)
    (dataset,) = find_data_sets(tmp_path)
    run_dir = dataset.parents[3]
    log = (run_dir / "log.txt").read_text()

    def count(task: str, words: str) -> int:
        return len(re.findall(rf"\[{task}\] {words}", log))

    known, new = r"Portion \d+ has already been read", r"Read portion \d+"
    assert count("read-photos-2", known) == num_kept
    assert count("read-photos-2", new) == NUM_KILLED - num_kept
    others = r"read-photos(?:-3)?"
    assert count(others, known) == num_earlier
    assert count(others, new) == NUM_PORTIONS - NUM_KILLED - num_earlier
    assert count("preprocess", "Files read: none; all are in the cache") == 1

    params, whole = str(run_dir / "params.yaml"), tmp_path / "whole"
    command = [sys.executable, "-m", "components.preprocess", "--params", params, "--output", str(whole)]
    environment = os.environ | {"DARKROOM_CACHE": str(tmp_path / "alone")}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    alone, shared = tree(whole), tree(dataset)
    infos = [json.loads(files.pop("dataset.json")) | {"mlflow_run_id": None} for files in (alone, shared)]
    assert infos[0] == infos[1]
    assert alone == shared
