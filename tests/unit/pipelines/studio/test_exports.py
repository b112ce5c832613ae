"""Downloads of a model: its service, and other formats that a job exports."""

import io
import socket
import zipfile
from pathlib import Path

import pytest

from pipelines.studio.routes import results
from tests.unit.pipelines.studio.conftest import Client
from tests.unit.pipelines.studio.test_results import RUN, make_run


@pytest.fixture
def client_with_run(client: Client, tmp_path: Path) -> Client:
    make_run(tmp_path / "runs" / RUN)
    return client


def test_a_service_is_downloaded_as_a_zip(client_with_run: Client) -> None:
    states = client_with_run.get(f"/api/models/{RUN}/exports").json()
    assert states["bento"] == "ready"
    assert {state for name, state in states.items() if name != "bento"} == {"none"}
    answer = client_with_run.get(f"/models/{RUN}/bento.zip")
    assert answer.headers["content-disposition"].startswith("attachment")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert f"{RUN}-bento/src/service.json" in names
    assert client_with_run.get(f"/models/{RUN}/bento.zip").content == answer.content


def test_requesting_the_same_export_twice_starts_a_single_job(client_with_run: Client) -> None:
    job = client_with_run.post(f"/api/models/{RUN}/exports", {"format": "onnx"}).json()
    assert job["command"][:6] == ["model", "export", "--run", RUN, "--format", "onnx"]
    assert client_with_run.post(f"/api/models/{RUN}/exports", {"format": "onnx"}).json()["id"] == job["id"]
    assert client_with_run.get(f"/api/models/{RUN}/exports").json()["onnx"] == "waiting"
    answer = client_with_run.get(f"/models/{RUN}/onnx.zip")
    assert (answer.status_code, "has not been exported" in answer.json()["error"]) == (404, True)


@pytest.mark.parametrize(
    ("model", "format_name"),
    [
        (RUN, "../../etc"),
        (RUN, "pickle"),
        ("..", "bento"),
        ("%2e%2e%2fetc", "bento"),
        ("package-..", "bento"),
        ("no", "onnx"),
    ],
)
def test_unknown_models_and_formats_cannot_be_downloaded(client_with_run: Client, model: str, format_name: str) -> None:
    assert client_with_run.get(f"/models/{model}/{format_name}.zip").status_code in (400, 404)
    assert client_with_run.post(f"/api/models/{model}/exports", {"format": format_name}).status_code in (400, 404, 405)
    assert not list(client_with_run.studio.settings.home.glob("exports/**/*.zip"))


def test_the_service_has_the_same_address_each_time_unless_the_port_is_taken(
    client_with_run: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> str:
        job = client_with_run.post(f"/api/models/{RUN}/serve").json()
        client_with_run.post(f"/api/jobs/{job['id']}", {"action": "stop"})
        url: str = job["about"]["url"]
        return url

    (tmp_path / "runs" / RUN / "bento" / "bento" / "bento.yaml").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as other_program:
        port = other_program.getsockname()[1]
        monkeypatch.setattr(results, "SERVICE_PORT", port)
        assert start() != f"http://127.0.0.1:{port}"
    assert [start(), start()] == [f"http://127.0.0.1:{port}"] * 2
