"""The pipeline is uploaded to a KFP server and run there; server errors and invalid command lines are reported."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from components.contract.params.pipeline import Params
from pipelines.runners.cluster.client import ClusterError, Server
from pipelines.runners.cluster.placement import Placement
from pipelines.runners.cluster.submission import submit
from tests.support.kfp_answers import recorded_logs, recorded_runs
from tests.support.kfp_server import DROPPED, StandIn, serving


@pytest.fixture
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test if the code sleeps before a retry."""

    def refuse_to_sleep(seconds: float) -> None:
        pytest.fail(f"The code must not wait before a retry; it would wait for {seconds} s.")

    monkeypatch.setattr(time, "sleep", refuse_to_sleep)


@pytest.mark.usefixtures("without_waiting")
def test_a_submission_uploads_a_version_once_and_starts_a_run(params: Params) -> None:
    with serving(StandIn()) as server:
        first_submission = submit(params, Placement(), Server(server.url))
        second_submission = submit(params, Placement(), Server(server.url))
        with_gpu = submit(params, Placement(gpus=1), Server(server.url))
    assert (first_submission.id, first_submission.url) == ("run-1", f"{server.url}/#/runs/details/run-1")
    assert first_submission.version == second_submission.version != with_gpu.version
    assert set(server.versions) == {first_submission.version, with_gpu.version}
    assert b"darkroom-training" in server.versions[first_submission.version]
    assert [experiment["display_name"] for experiment in server.experiments] == ["digits"]
    run = server.runs[0]
    assert run["pipeline_version_reference"]["pipeline_version_id"] == f"version-{first_submission.version}"
    assert run["runtime_config"]["parameters"]["data"] == "s3://bucket/photos"
    assert json.loads(run["runtime_config"]["parameters"]["train_params"])["epochs"] == params.train.epochs


def test_a_recurring_run_has_its_schedule(params: Params) -> None:
    with serving(StandIn()) as server:
        submission = submit(params, Placement(), Server(server.url), cron="0 0 3 * * 1")
    assert submission.url == f"{server.url}/#/recurringrun/details/recurring-1"
    (recurring_run,) = server.recurring.values()
    assert recurring_run["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1"
    assert recurring_run["max_concurrency"] == "1"


@pytest.mark.parametrize(
    ("stand_in", "token", "message"),
    [
        (StandIn(old=True), None, "404: it does not support the v2beta1 API: KFP 2.0 or later is needed"),
        (StandIn(token="secret"), None, "401: it requires a token: --token-file"),
        (StandIn(token="secret"), "wrong", "401: it requires a token"),
        (StandIn(refuse_runs="namespace is not allowed"), None, "refused the request: 400 namespace is not allowed"),
    ],
    ids=["too old", "no token", "wrong token", "refused"],
)
def test_a_rejection_by_the_server_is_reported(
    stand_in: StandIn, token: str | None, message: str, params: Params
) -> None:
    with serving(stand_in) as server, pytest.raises(ClusterError) as error:
        submit(params, Placement(), Server(server.url, token))
    assert message in str(error.value)


def test_a_valid_token_is_accepted(params: Params) -> None:
    with serving(StandIn(token="secret")) as server:
        assert submit(params, Placement(), Server(server.url, "secret")).id == "run-1"


@pytest.mark.usefixtures("without_waiting")
@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "kfp.example.org", "ftp://kfp", "http://kfp x"])
def test_a_missing_server_is_reported_at_once(host: str, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one plain request is sent; KFP's client, which would retry for half a minute, is not even imported."""
    num_questions = 0
    open_url = urllib.request.urlopen

    def count_and_open(*args: Any, **options: Any) -> Any:
        nonlocal num_questions
        num_questions += 1
        return open_url(*args, **options)

    monkeypatch.setattr(urllib.request, "urlopen", count_and_open)
    monkeypatch.setitem(sys.modules, "kfp.client", None)
    with pytest.raises(ClusterError, match=host):
        submit(params, Placement(), Server(host))
    assert num_questions == (host == "http://127.0.0.1:1")


def run_submit(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipelines.cli.main", "submit", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


KNOWN = ("--data", "s3://bucket/photos", "--set", "preprocess.image_size=64", "--set", "deploy.model_name=shirts")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "photos"], "must be at an address that it can reach"),
        ([*KNOWN, "--set", "train.model.path=mine.h5"], "train.model.path must be on a volume: --data-claim NAME"),
        ([*KNOWN, "--set", "train.model.from=runs/one"], "train.model.from must be on a volume"),
        (
            ["--data", "s3://bucket/photos"],
            "Set preprocess.image_size and deploy.model_name, because s3://bucket/photos is not read before",
        ),
        (KNOWN, "Push them with darkroom images push REGISTRY"),
        ([*KNOWN, "--local-images"], "Set the address of Kubeflow Pipelines: --host URL"),
        ([*KNOWN, "--local-images", "--host", "http://127.0.0.1:1"], "No KFP server answers at http://127.0.0.1:1"),
        ([*KNOWN, "--rollout", "darkroom-serve"], "NAMESPACE/DEPLOYMENT is expected"),
        ([*KNOWN, "--cpu", "many"], "a number of cores is expected"),
        ([*KNOWN, "--node-selector", "zone"], "LABEL=VALUE is expected"),
        ([*KNOWN, "--local-images", "--host", "http://x", "--token-file", "absent"], "--token-file must be"),
    ],
)
def test_an_invalid_submission_exits_with_code_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = run_submit(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_submit_follows_the_run_and_prints_it_as_json(tmp_path: Path) -> None:
    with serving(StandIn(states=recorded_runs("success")[-1:])) as server:
        result = run_submit(*KNOWN, "--local-images", "--host", server.url, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["id"] == "run-1"
    lines = result.stderr.splitlines()
    steps = [line.split()[1:] for line in lines if " succeeded " in line]
    assert [words[0] for words in steps] == ["preprocess", "train", "evaluate", "deploy", "close"]
    assert [words[2] for words in steps] == ["after"] * 5
    assert not any(word in result.stderr for word in ("executor", "driver", "Experiment details"))


def test_a_failed_run_exits_with_code_2_and_prints_the_cause(tmp_path: Path) -> None:
    with serving(StandIn(states=recorded_runs("fail-weights")[-1:], logs=recorded_logs())) as server:
        result = run_submit(*KNOWN, "--local-images", "--host", server.url, cwd=tmp_path)
    assert result.returncode == 2
    assert "train failed: train.model.weights must be imagenet, none or the path of a weights file" in result.stderr
    assert "Traceback" not in result.stderr


def test_library_warnings_are_not_printed_during_a_server_outage(tmp_path: Path) -> None:
    """The stand-in drops one connection, which urllib3 logs, and answers one request with 503."""
    answers = [*recorded_runs("success")[:2], DROPPED, {"status": 503}, recorded_runs("success")[-1]]
    with serving(StandIn(states=answers)) as server:
        result = run_submit(*KNOWN, "--local-images", "--host", server.url, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("The server cannot be reached; retrying.") == 1
    assert not any(word in result.stdout + result.stderr for word in ("urllib3", "Retry", "Warning"))


def test_the_pipeline_can_be_written_without_submitting_it(tmp_path: Path) -> None:
    result = run_submit(*KNOWN, "--local-images", "--gpus", "1", "--output", "gpu.yaml", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(list(YAML(typ="safe").load_all((tmp_path / "gpu.yaml").read_text()))) == 2
