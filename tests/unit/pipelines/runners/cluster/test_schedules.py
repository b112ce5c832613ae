"""Recurring runs are listed and ended."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.contract.params.pipeline import Params
from pipelines.runners.cluster.client import ClusterError, Server
from pipelines.runners.cluster.placement import Placement
from pipelines.runners.cluster.schedules import Schedule, end_schedule, list_schedules
from pipelines.runners.cluster.submission import submit
from tests.support.kfp_server import StandIn, serving


def test_a_schedule_is_listed_until_it_is_ended(params: Params) -> None:
    with serving(StandIn()) as stand_in:
        server = Server(stand_in.url)
        assert list_schedules(server) == []
        submission = submit(params, Placement(), server, cron="0 0 3 * * 1")
        (schedule,) = list_schedules(server)
        assert schedule == Schedule(submission.id, schedule.name, "0 0 3 * * 1", "enabled")
        assert schedule.name.startswith("digits ")
        end_schedule(submission.id, server)
        assert list_schedules(server) == []
        with pytest.raises(ClusterError, match=r"404 .*Job recurring-1 not found"):
            end_schedule(submission.id, server)


def test_the_command_lists_and_ends_recurring_runs(params: Params, tmp_path: Path) -> None:
    with serving(StandIn()) as stand_in:
        submission = submit(params, Placement(), Server(stand_in.url), cron="0 0 3 * * 1")
        listed = run_schedules(tmp_path, "--host", stand_in.url, "--json")
        ended = run_schedules(tmp_path, "--host", stand_in.url, "--end", submission.id)
    assert [entry["cron"] for entry in json.loads(listed.stdout)] == ["0 0 3 * * 1"]
    assert ended.stdout.splitlines() == [
        f"Ended {submission.id}. Runs that it has already started continue.",
        "There are no recurring runs. To create one: darkroom submit --cron FIELDS",
    ]


def run_schedules(cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipelines.cli.main", "schedules", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True)
