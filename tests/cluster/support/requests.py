"""A client that sends requests to the service continuously during a rollout or another change."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cluster.support import kubectl as cluster
from tests.cluster.support.kubectl import KUBEFLOW
from tests.cluster.support.pipeline_run import FILES_POD

CLIENT = """
import sys, threading, time, urllib.request, json
body = open("/minio/photo.jpg", "rb").read()
boundary = "x" * 32
data = (f"--{boundary}\\r\\nContent-Disposition: form-data; name=\\"files\\"; filename=\\"a.jpg\\"\\r\\n"
        "Content-Type: image/jpeg\\r\\n\\r\\n").encode() + body + f"\\r\\n--{boundary}--\\r\\n".encode()
answers, stop = {"answered": 0, "failed": []}, threading.Event()
def ask():
    while not stop.is_set():
        request = urllib.request.Request(sys.argv[1] + "/predict", data,
            {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                json.load(answer)
            answers["answered"] += 1
        except Exception as error:
            answers["failed"].append(f"{time.strftime('%H:%M:%S')} {error!r}")
        time.sleep(float(sys.argv[2]))
threads = [threading.Thread(target=ask) for _ in range(int(sys.argv[3]))]
[thread.start() for thread in threads]
open("/minio/asking", "w").close()
import os
while os.path.exists("/minio/asking"):
    time.sleep(0.2)
stop.set()
[thread.join() for thread in threads]
print(json.dumps(answers))
"""
PHOTO = "/minio/photo.jpg"


@dataclass
class Answers:
    """The results of the client's requests, filled in when the client ends.

    Attributes:
        answered: the number of answered requests.
        failed: the time and the error of each failed request.
    """

    answered: int = 0
    failed: tuple[str, ...] = ()


@contextlib.contextmanager
def asking(service: str, *, pause: float = 0.3, num_threads: int = 1) -> Iterator[Answers]:
    """Sends requests to a service from a pod in the pipelines' namespace until the block ends."""
    import threading

    answers = Answers()
    url = f"http://{service}.darkroom.svc.cluster.local"

    def ask() -> None:
        text = cluster.run_in(KUBEFLOW, FILES_POD, "python3", "-c", CLIENT, url, str(pause), str(num_threads))
        result = json.loads(text.splitlines()[-1])
        answers.answered, answers.failed = result["answered"], tuple(result["failed"])

    thread = threading.Thread(target=ask)
    thread.start()
    cluster.wait_until(lambda: _is_asking(), "the client to start", 60)
    try:
        yield answers
    finally:
        cluster.run_in(KUBEFLOW, FILES_POD, "rm", "/minio/asking")
        thread.join(90)


def _is_asking() -> bool:
    return "asking" in cluster.run_in(KUBEFLOW, FILES_POD, "ls", "/minio").split()
