"""The secret in an address is used only for downloads, and is never printed."""

import json
import os
import pickle

import pytest

from components.contract.artifacts.dataset import Source
from components.contract.params.pipeline import load_params
from components.contract.system.address import Address, driver_uri, redact, shorten_address, split_credentials

SECRETS = ("hunter2", "TOPSECRET", "SIGNED", "p%40ss", "p@ss", "AKIAKEY")


@pytest.mark.parametrize(
    ("full", "redacted"),
    [
        ("https://user:hunter2@host/a.zip", "https://***@host/a.zip"),
        ("https://hunter2@host/a.zip", "https://***@host/a.zip"),
        ("https://user:p%40ss@host:8443/a.zip", "https://***@host:8443/a.zip"),
        ("https://user:p@ss@host/a.zip", "https://***@host/a.zip"),
        ("https://user:hunter2/x@host/a.zip", "https://***@host/a.zip"),
        ("https://user:hunter2#x@host/a.zip", "https://***@host/a.zip"),
        ("https://user:hunter2?x@host/a.zip", "https://***@host/a.zip"),
        ("https:/user:hunter2@host/a.zip", "https:/***@host/a.zip"),
        ("https://host/a.zip?token=TOPSECRET", "https://host/a.zip?***"),
        ("https://host/a.zip?X-Amz-Credential=AKIAKEY&X-Amz-Signature=SIGNED#TOPSECRET", "https://host/a.zip?***"),
        ("https://account.blob.core.windows.net/c/a.zip?sv=2024&sig=SIGNED%3D&se=2026", None),
        ("https://host/a.zip#access_token=TOPSECRET", "https://host/a.zip#***"),
        ("s3://AKIAKEY:hunter2@bucket/photos", "s3://***@bucket/photos"),
        ("dvc+https://user:hunter2@host/repo@main:photos/a", "dvc+https://***@host/repo@main:photos/a"),
        ("dvc+https://user:hunter2@host:8443/repo", "dvc+https://***@host:8443/repo"),
        ("dvc+user:hunter2@host/repo@main:photos", "dvc+***@host/repo@main:photos"),
        ("dvc+ssh://git:hunter2@host/repo@v1:photos", "dvc+ssh://***@host/repo@v1:photos"),
        ("zip://a/b::https://user:hunter2@host/a.zip?token=TOPSECRET", "zip://a/b::https://***@host/a.zip?***"),
        ("simplecache::s3://AKIAKEY:hunter2@b/a.zip?versionId=TOPSECRET::x", "simplecache::s3://***@b/a.zip?***"),
        ("HTTPS://user:hunter2@host/a.zip", "HTTPS://***@host/a.zip"),
        ("https://user:hunter2@[::1]:80/a.zip", "https://***@[::1]:80/a.zip"),
        ("postgresql://darkroom:hunter2@db/optuna", "postgresql://***@db/optuna"),
        ("http://proxy:hunter2@10.0.0.1:3128", "http://***@10.0.0.1:3128"),
        ("ftp://user:hunter2@host/a.zip", "ftp://***@host/a.zip"),
    ],
)
def test_the_text_of_an_address_contains_no_secret(full: str, redacted: str | None) -> None:
    address = Address(full)
    assert redacted is None or str(address) == redacted
    assert address.full == full
    for text in (str(address), repr(address), f"{address}", json.dumps({"uri": address}), address.upper().lower()):
        assert not [secret for secret in SECRETS if secret.lower() in text.lower()]


@pytest.mark.parametrize(
    "plain",
    [
        "data/digits",
        "/home/ann/photos",
        "C:/Users/a@b/photos",
        "photos?x=1",
        "s3://bucket/photos",
        "https://host:8080/a.zip",
        "dvc+ssh://git@host/repo@v1:photos",
        "dvc+git@host:team/repo@v1:photos",
        "dvc+../repo@v1:photos",
        "http://[::1]:80/a",
        "https://host/a@b.zip",
    ],
)
def test_an_address_without_a_secret_is_unchanged(plain: str) -> None:
    assert (Address(plain), Address(plain).full, Address(plain).has_secret) == (plain, plain, False)


def test_a_redacted_address_lacks_its_secret_until_the_environment_contains_it() -> None:
    full = "https://user:hunter2@host/a.zip?token=TOPSECRET"
    assert Address("https://***@host/a.zip?***").lacks_secret
    Address(full)
    address = Address("https://***@host/a.zip?***")
    assert (address.full, address.has_secret, address.lacks_secret) == (full, True, False)
    Address("https://user:hunter3@host/a.zip?token=OTHER")
    assert "hunter3" in Address("https://***@host/a.zip?***").full, "the most recent address must be used"
    assert os.environ["DARKROOM_ADDRESSES"].count("\n") == 1
    assert pickle.loads(pickle.dumps(address)).full == full


def test_an_address_with_a_pinned_commit_gets_the_secret_of_its_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_ADDRESSES", "dvc+https://user:hunter2@host/repo@main:photos")
    pinned = f"@{'a' * 40}:photos"
    assert Address(f"dvc+https://***@host/repo{pinned}").full == f"dvc+https://user:hunter2@host/repo{pinned}"
    assert Address(f"dvc+https://***@host/other{pinned}").lacks_secret
    assert Address("https://***@host/repo").lacks_secret


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("https://u:p@host/a.zip?token=1", "https://u:q@host/a.zip?token=2", True),
        (
            "https://host/a.zip?X-Amz-Date=1&X-Amz-Signature=2&X-Amz-Expires=3",
            "https://host/a.zip?X-Amz-Date=4&X-Amz-Signature=5&X-Amz-Expires=6",
            True,
        ),
        ("https://host/c/a.zip?sv=1&se=2&sp=r&sig=3", "https://host/c/a.zip?sv=1&se=9&sp=r&sig=4", True),
        ("https://host/get?file=a.zip&token=1", "https://host/get?file=b.zip&token=1", False),
        ("https://host/a.zip", "https://host/b.zip", False),
        ("https://host/a.zip?sv=1", "https://host/a.zip?sv=2", False),
        ("s3://K:S@bucket/a", "s3://bucket/a", True),
        ("dvc+https://u:p@host/repo@v1:a", "dvc+https://u:q@host/repo@v1:a", True),
        ("dvc+https://u:p@host/repo@v1:a", "dvc+https://u:p@host/repo@v2:a", False),
        ("https://host/a b.zip", "https://host/a+b.zip", False),
    ],
)
def test_credentials_do_not_change_the_cache_key(first: str, second: str, is_same: bool) -> None:
    assert (Address(first).cache_key == Address(second).cache_key) is is_same


def test_the_cache_key_of_an_address_without_a_secret_is_the_address() -> None:
    assert Address("https://host/a.zip").cache_key == "https://host/a.zip"


@pytest.mark.parametrize(
    "text",
    [
        "HTTPConnectionPool(host='h', port=1): Max retries exceeded with url: /a.zip?token=TOPSECRET (Caused by x)",
        "401, message='Unauthorized', url='http://user:hunter2@h/a.zip?token=TOPSECRET'",
        "Authorization: Basic dXNlcjpodW50ZXIy",
        "the password hunter2 is wrong",
        'Invalid bucket name "user:hunter2@bucket"',
        "could not open https://user:hunter2@h/a.zip?token=TOPSECRET: gone",
        "decoded token: TOPSECRET",
    ],
)
def test_library_messages_are_shown_without_the_secrets_of_the_address(text: str) -> None:
    redacted = Address("https://user:hunter2@h/a.zip?token=TOPSECRET").hide(text)
    assert not any(secret in redacted for secret in ("hunter2", "TOPSECRET", "dXNlcjpodW50ZXIy"))
    assert "***" in redacted
    assert redact(text) == redacted, "redact must find the secrets of this address in the environment"


def test_the_secrets_of_other_addresses_in_the_environment_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:proxypw@10.0.0.1:3128")
    monkeypatch.setenv("DARKROOM_STUDIES", "postgresql://me:dbpassword@db/optuna")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "mlflowpw")
    redacted = redact("proxypw of http://me:proxypw@10.0.0.1:3128, dbpassword, mlflowpw; http://h/#/runs/1 stays")
    assert "pw" not in redacted
    assert "dbpassword" not in redacted
    assert "http://h/#/runs/1 stays" in redacted


@pytest.mark.parametrize(
    ("uri", "published"),
    [
        ("/home/ann/photos/clothes", "clothes"),
        ("photos.zip", "photos.zip"),
        ("file:///home/ann/photos.zip", "file://photos.zip"),
        ("dvc+/home/ann/repo@abc:data/photos", "dvc+repo@abc:data/photos"),
        ("dvc+file:///home/ann/repo@abc:photos", "dvc+file://repo@abc:photos"),
        ("zip://a::file:///home/ann/x.zip", "zip://a::file://x.zip"),
        ("sftp://ann@host/photos.zip", "sftp://***@host/photos.zip"),
        ("https://ann:pw12@host/a.zip?x=1", "https://***@host/a.zip?***"),
        ("s3://bucket/photos", "s3://bucket/photos"),
    ],
)
def test_only_the_last_component_of_a_local_path_is_published(uri: str, published: str) -> None:
    assert shorten_address(uri) == published


def test_files_and_params_contain_the_redacted_address() -> None:
    params = load_params(None, ('data.uri="https://user:hunter2@host/a.zip?token=TOPSECRET"',))
    for text in (params.model_dump_json(), str(params.model_dump()), repr(params), str(Source(uri=params.data.uri))):
        assert "hunter2" not in text
        assert "TOPSECRET" not in text
    assert Address(params.data.uri).full.endswith("TOPSECRET")
    old = Source.model_validate_json('{"uri": "https://user:hunter2@host/a.zip"}')
    assert old.uri == "https://***@host/a.zip", "a secret stored by an earlier version must be redacted"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_the_documented_postgresql_address_uses_the_installed_driver(scheme: str) -> None:
    from sqlalchemy import create_engine

    uri = driver_uri(f"{scheme}://darkroom:password@host/optuna")
    assert uri == "postgresql+psycopg2://darkroom:password@host/optuna"
    assert create_engine(uri).dialect.driver == "psycopg2"
    assert driver_uri(uri) == uri
    assert driver_uri("sqlite:///studies.db") == "sqlite:///studies.db"


def test_credentials_are_separated_and_decoded() -> None:
    assert split_credentials("https://a:p%40ss@host/x") == ("https://host/x", "a", "p@ss")
    assert split_credentials("https://host/x") == ("https://host/x", "", "")
