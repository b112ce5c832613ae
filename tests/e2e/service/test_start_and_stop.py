"""A service starts or reports why it cannot, and stops when the process that started it stops."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from components.contract.errors import ArtifactError, ServiceError
from components.contract.system.program import exit_code
from components.deploy.bento.server import free_address, serving
from components.deploy.client import encode_form
from tests.e2e.service.client import photos, request
from tests.e2e.service.conftest import Deployed
from tests.support.processes import signals_to_test


def processes_serving(bento_dir: Path) -> list[psutil.Process]:
    """Returns all processes that belong to this bento, regardless of how they were started."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(bento_dir.resolve()) in " ".join(process.cmdline()) and process.pid != os.getpid():
                processes.append(process)
    return processes


def await_gone(bento_dir: Path, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while processes_serving(bento_dir) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_serving(bento_dir)


@pytest.fixture
def own_bento(deployed: Deployed, tmp_path: Path) -> Path:
    """A copy of the bento at a unique path, so that its processes can be recognized."""
    shutil.copytree(deployed.bento_dir, tmp_path / "bento folder")
    return tmp_path / "bento folder"


def test_a_busy_port_is_reported_with_advice(deployed: Deployed) -> None:
    with socket.socket() as busy_socket:
        busy_socket.bind(("127.0.0.1", 0))
        busy_socket.listen()
        port = busy_socket.getsockname()[1]
        with (
            pytest.raises(ServiceError, match=rf"Port {port} on 127\.0\.0\.1 is not free.*--port"),
            serving(deployed.bento_dir, port=port),
        ):
            pass


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7", "-1"])
def test_a_host_that_is_not_this_machine_is_reported(deployed: Deployed, host: str) -> None:
    with pytest.raises(ServiceError, match=host), serving(deployed.bento_dir, host=host):
        pass


def test_a_folder_without_a_bento_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="Run deploy"), serving(tmp_path):
        pass


def test_a_service_that_cannot_start_reports_why_and_leaves_no_process(own_bento: Path) -> None:
    (own_bento / "bento" / "src" / "export" / "model.xml").write_text("<net>")
    start_time = time.monotonic()
    with (
        pytest.raises(ServiceError, match=r"(?s)did not start\. It failed\..*Cannot load the exported graph"),
        serving(own_bento),
    ):
        pass
    assert time.monotonic() - start_time < 60, "the failure must be reported before the start times out"
    await_gone(own_bento)


def test_a_service_that_starts_too_slowly_is_reported_and_leaves_no_process(own_bento: Path) -> None:
    with (
        pytest.raises(ServiceError, match=r"ready within 0\.2 s.*deploy\.start_timeout_seconds"),
        serving(own_bento, timeout_seconds=0.2),
    ):
        pass
    await_gone(own_bento)


SERVE = (
    "import sys; from pathlib import Path; from components.deploy.bento.server import serve; "
    "sys.exit(serve(Path(sys.argv[1]), '127.0.0.1', int(sys.argv[2])))"
)


@pytest.mark.parametrize(
    "number", signals_to_test(signal.SIGTERM, signal.SIGINT, signal.SIGKILL), ids=lambda number: number.name
)
def test_the_service_stops_with_its_parent_and_finishes_its_requests(
    deployed: Deployed, own_bento: Path, number: signal.Signals
) -> None:
    host, port = free_address("localhost", None)
    process = subprocess.Popen([sys.executable, "-c", SERVE, own_bento, str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        line = next(line for line in process.stdout if "is running" in line)
        assert f"http://{host}:{port}/predict" in line
        assert request(f"http://{host}:{port}", "GET", "/readyz")[0] == 200
        assert len(processes_serving(own_bento)) >= 3, "the guard, the supervisor and the worker must be running"
        content_type, body = encode_form(photos(deployed, 1))
        head = (
            f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((host, port), timeout=10) as connection:
            connection.sendall(head.encode() + body[:100])
            time.sleep(0.2)  # time for the service to read the beginning of the request
            process.send_signal(number)
            if number != signal.SIGKILL:
                time.sleep(0.5)  # time for the signal to reach the worker
                connection.sendall(body[100:])
                assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert process.wait(20) == (-number if number == signal.SIGKILL else 0)
    await_gone(own_bento)


@pytest.mark.proof
def test_a_worker_that_dies_is_replaced(own_bento: Path) -> None:
    with serving(own_bento) as url:
        (worker,) = (
            process for process in processes_serving(own_bento) if "_bentoml_impl.worker" in " ".join(process.cmdline())
        )
        worker.kill()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if request(url, "GET", "/readyz")[0] == 200:
                    break
            time.sleep(0.1)
        assert request(url, "GET", "/model")[0] == 200
    await_gone(own_bento)


def test_a_user_error_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        with serving(tmp_path):
            pass

    assert exit_code(main) == 2
    assert "Run deploy" in capsys.readouterr().err
