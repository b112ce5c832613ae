"""MLflow's memory under load."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import DARKROOM, kubectl
from tests.cluster.support.mlflow import mlflow_client
from tests.cluster.support.pipeline_run import Run, await_job, job_log

NUM_CLIENTS, RUNS_PER_CLIENT = 3, 4
LOAD = """
import os, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

def one_run(number):
    client = MlflowClient()
    run_id = client.create_run(experiment_id, run_name=f"load {number}").info.run_id
    for first in range(0, 1000, 500):
        now = int(time.time() * 1000)
        metrics = [Metric(f"loss{step % 5}", 1 / (step + 1), now, step) for step in range(first, first + 500)]
        client.log_batch(run_id, metrics, [Param(f"param{first + index}", "x" * 200) for index in range(50)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.bin")
        path.write_bytes(os.urandom(12 << 20))
        client.log_artifact(run_id, str(path), "bundle")
        fetched = client.download_artifacts(run_id, "bundle/weights.bin", folder)
        assert Path(fetched).read_bytes() == path.read_bytes()
    client.search_runs([experiment_id], max_results=200)
    client.get_metric_history(run_id, "loss0")
    return 1

experiment_id = sys.argv[1]
with ThreadPoolExecutor(2) as pool:
    print("runs:", sum(pool.map(one_run, range(4))))
"""


def test_mlflow_stays_within_its_memory_limit_under_load(bare_run: Run) -> None:
    (before,) = cluster.pods(DARKROOM, "app.kubernetes.io/name=mlflow")
    limit = before["spec"]["containers"][0]["resources"]["limits"]["memory"]
    with mlflow_client() as client:
        experiment_id = client.create_experiment(f"load {bare_run.id}")
    command = ["python3", "-c", LOAD, experiment_id]
    with ThreadPoolExecutor() as pool:
        jobs = [bare_run.start("preprocess", command=command) for _ in range(NUM_CLIENTS)]
        ends = [pool.submit(await_job, job, seconds=420) for job in jobs]
        peak = 0
        while not all(end.done() for end in ends):
            peak = max(peak, memory_of(before["metadata"]["name"]))
            time.sleep(1)
        for end in ends:
            end.result()
    assert all(f"runs: {RUNS_PER_CLIENT}" in job_log(job) for job in jobs)
    (after,) = cluster.pods(DARKROOM, "app.kubernetes.io/name=mlflow")
    status = after["status"]["containerStatuses"][0]
    print(f"MLflow's memory under load: {peak} MiB of {limit}")
    assert after["metadata"]["name"] == before["metadata"]["name"]
    assert status["restartCount"] == before["status"]["containerStatuses"][0]["restartCount"], json.dumps(status)


def memory_of(pod: str) -> int:
    """Returns the memory in MiB that the pod's container is using, according to its control group."""
    text = kubectl(
        "-n",
        DARKROOM,
        "exec",
        pod,
        "--",
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory.current /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null; true",
    )
    return int(text.split()[0]) >> 20
