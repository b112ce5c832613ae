"""If the data's server is down, a step on a cluster waits for it; elsewhere, the step reports the outage at once."""

from pathlib import Path

import pytest

from components.contract.errors import DataError
from components.contract.system import waiting
from components.preprocess.sources.remote import fetch


class Outage:
    """Replaces a fetch function; the first `num_refusals` calls fail as if the server refused the connection."""

    def __init__(self, num_refusals: int):
        self.num_refusals = num_refusals
        self.num_calls = 0

    def __call__(self, *_: object) -> Path:
        self.num_calls += 1
        if self.num_calls <= self.num_refusals:
            raise ConnectionRefusedError("Connection refused")
        return Path("photos")


@pytest.mark.parametrize("uri", ["s3://bucket/photos", "dvc+https://example.org/photos.git@v1:photos"])
def test_a_pod_waits_for_its_data_server(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setattr(waiting, "FIRST_PAUSE_SECONDS", 0.01)
    outage = Outage(3)
    monkeypatch.setattr(fetch, "_fetch_dvc" if uri.startswith("dvc") else "_fetch_files", outage)
    assert fetch.fetch(uri) == Path("photos")
    assert outage.num_calls == 4


def test_outside_a_cluster_an_outage_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    outage = Outage(1)
    monkeypatch.setattr(fetch, "_fetch_files", outage)
    with pytest.raises(DataError, match="s3://bucket/photos cannot be read: ConnectionRefused"):
        fetch.fetch("s3://bucket/photos")
    assert outage.num_calls == 1
