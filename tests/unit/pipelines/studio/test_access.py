"""Which requests the studio accepts."""

import dataclasses
from pathlib import Path

import pytest

from pipelines.studio.app import create_app
from pipelines.studio.server import prepare
from pipelines.studio.settings import StudioError
from tests.unit.pipelines.studio.conftest import HOST, Client, settings_of

TOKEN = "a-token-of-more-than-sixteen"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": f"http://{HOST}"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"host": "evil.example:8000"}, 421),
        ({"host": "evil.example:8000", "origin": "http://evil.example:8000"}, 421),
    ],
)
def test_requests_from_other_sites_or_to_other_hosts_cannot_change_the_draft(
    client: Client, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/api/draft", {"revision": 0, "set": {"train.epochs": 3}}, headers=headers)
    assert answer.status_code == status
    assert client.revision == (status == 200)


def test_a_request_to_another_host_name_cannot_read_the_draft(client: Client) -> None:
    assert client.get("/api/draft", headers={"host": "rebound.example"}).status_code == 421


def test_nothing_is_loaded_from_other_hosts_and_the_page_cannot_be_embedded(client: Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({}, "", 401),
        ({"authorization": f"Bearer {TOKEN}"}, "", 200),
        ({"authorization": "Bearer wrong"}, "", 401),
        ({"cookie": f"darkroom_studio={TOKEN}"}, "", 200),
        ({"cookie": "darkroom_studio=wrong"}, "", 401),
        ({}, f"?token={TOKEN}", 303),
        ({}, "?token=wrong", 401),
    ],
)
def test_the_studio_requires_a_token_on_addresses_that_other_machines_can_reach(
    tmp_path: Path, headers: dict[str, str], query: str, status: int
) -> None:
    app = create_app(settings_of(tmp_path, token=TOKEN, hosts=frozenset()))
    client = Client(app)
    answer = client.get(f"/api/draft{query}", headers=headers)
    client.studio.close()
    assert answer.status_code == status
    if status == 303:
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=strict" in answer.headers["set-cookie"]
        assert TOKEN not in answer.headers["location"]


def test_a_token_is_created_automatically_on_addresses_that_other_machines_can_reach() -> None:
    settings, url = prepare("0.0.0.0", 8000, (), None)
    assert settings.token
    assert settings.token in url
    assert prepare("127.0.0.1", 8000, (), None)[0].token is None
    assert prepare("127.0.0.1", 8000, (), None, public_url="https://lab.example/")[0].token


@pytest.mark.parametrize("path", ["/", "/lab/darkroom/"], ids=["prefix removed", "prefix kept"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://lab.example"}, 200),
        ({"origin": "https://other.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://lab.example", "authorization": ""}, 401),
    ],
)
def test_a_reverse_proxy_may_keep_or_remove_its_path_prefix(
    tmp_path: Path, path: str, headers: dict[str, str], status: int
) -> None:
    settings, url = prepare("127.0.0.1", 8000, (tmp_path,), TOKEN, public_url="https://lab.example/lab/darkroom/")
    assert url == f"https://lab.example/lab/darkroom/?token={TOKEN}"
    client = Client(create_app(dataclasses.replace(settings, home=tmp_path / "studio")))
    headers = {"host": "inside:8000", "authorization": f"Bearer {TOKEN}"} | headers
    answer = client.post(f"{path}api/draft", {"revision": 0, "set": {"train.epochs": 3}}, headers=headers)
    login = client.get(f"{path}?token={TOKEN}")
    client.studio.close()
    assert answer.status_code == status
    assert login.headers["location"] == "./"
    assert "Path=/lab/darkroom/;" in login.headers["set-cookie"]
    assert "Secure" in login.headers["set-cookie"]


@pytest.mark.parametrize("token", ["short", "ünicode-and-long-enough"])
def test_a_token_that_is_short_or_not_ascii_is_rejected(token: str) -> None:
    with pytest.raises(StudioError, match="at least 16"):
        prepare("127.0.0.1", 8000, (), token)


def test_only_one_studio_at_a_time_can_use_a_folder(client: Client, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="Only one studio can run"):
        create_app(settings_of(tmp_path))
