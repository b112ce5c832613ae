"""The settings of a service are checked before it starts."""

from pathlib import Path

import pytest

from components.contract.errors import ServiceError
from components.deploy.service.settings import read_settings

KEY = "0123456789abcdef"


def test_without_settings_the_service_is_open_and_stores_nothing() -> None:
    settings = read_settings({})
    assert (settings.api_key, settings.allowed_origins, settings.prediction_log) == (None, (), None)
    assert settings.decode_mb == 192


def test_settings_are_read_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    settings = read_settings(
        {
            "DARKROOM_API_KEY_FILE": str(tmp_path / "key"),
            "DARKROOM_ALLOWED_ORIGINS": "https://a.example http://b:8",
            "DARKROOM_PREDICTION_LOG": "log",
            "DARKROOM_PREDICTION_LOG_SHARE": "0.25",
            "DARKROOM_DECODE_MB": "16",
        }
    )
    assert (settings.api_key, settings.allowed_origins) == (KEY, ("https://a.example", "http://b:8"))
    assert (settings.prediction_log, settings.log_share, settings.decode_mb) == (Path("log"), 0.25, 16)
    assert read_settings({"DARKROOM_API_KEY": KEY}).api_key == KEY


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DARKROOM_API_KEY": "short"}, "at least 16"),
        ({"DARKROOM_API_KEY": "ä" * 20}, "ASCII"),
        ({"DARKROOM_API_KEY_FILE": "/absent"}, "DARKROOM_API_KEY_FILE"),
        ({"DARKROOM_API_KEY_FILE": "/dev/null"}, "at least 16"),
        ({"DARKROOM_ALLOWED_ORIGINS": "*"}, "DARKROOM_ALLOWED_ORIGINS"),
        ({"DARKROOM_PREDICTION_LOG_SHARE": "2"}, "from 0 to 1"),
        ({"DARKROOM_PREDICTION_LOG_SHARE": "nan"}, "from 0 to 1"),
        ({"DARKROOM_PREDICTION_LOG_SHARE": "all"}, "from 0 to 1"),
        ({"DARKROOM_DECODE_MB": "15"}, "at least 16"),
        ({"DARKROOM_DECODE_MB": "much"}, "whole number of MiB"),
        ({"DARKROOM_DECODE_MB": "-192"}, "whole number of MiB"),
    ],
)
def test_invalid_settings_are_reported(environment: dict[str, str], message: str) -> None:
    with pytest.raises(ServiceError, match=message):
        read_settings(environment)
