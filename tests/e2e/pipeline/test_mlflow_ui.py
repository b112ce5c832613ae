"""`darkroom ui` shows the runs of this folder and leaves no process behind."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

import pytest

from tests.support.processes import free_port, marked, signals_to_test, wait_for


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("signum", signals_to_test(signal.SIGINT, signal.SIGTERM), ids=lambda signum: signum.name)
def test_the_ui_answers_and_stops_with_all_its_processes(
    tmp_path: Path, signum: signal.Signals, mlflow_store: str
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient()
    client.create_run(client.create_experiment("digits"), start_time=2)
    client.create_run(client.create_experiment("clothes"), start_time=1)
    port, mark = free_port(), f"mark-{uuid.uuid4()}"
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli.main", "ui", "--port", str(port)],
        cwd=tmp_path,
        text=True,
        env=os.environ | {"DARKROOM_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"), "the UI to answer")
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search",
            json.dumps({"max_results": 10}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            names = {experiment["name"] for experiment in json.load(answer)["experiments"]}
        assert "digits" in names
        assert not any(mlflow_store in arguments for arguments in marked(mark).values()), (
            "no process may have the store's address in its arguments, because it may contain a password"
        )
    finally:
        process.send_signal(signum)
        output, _ = process.communicate(timeout=60)
    assert f"http://127.0.0.1:{port}/#/experiments/1/runs?" in output, (
        "the output must link to the newest run's experiment"
    )
    wait_for(lambda: not marked(mark), "every process of the UI to end", seconds=30)
