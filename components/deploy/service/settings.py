"""The settings of a service: environment variables that `darkroom serve` or a container sets."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.contract.errors import ServiceError

API_KEY: Final = "DARKROOM_API_KEY"
API_KEY_FILE: Final = "DARKROOM_API_KEY_FILE"
ALLOWED_ORIGINS: Final = "DARKROOM_ALLOWED_ORIGINS"
PREDICTION_LOG: Final = "DARKROOM_PREDICTION_LOG"
PREDICTION_LOG_SHARE: Final = "DARKROOM_PREDICTION_LOG_SHARE"
DECODE_MB: Final = "DARKROOM_DECODE_MB"
VARIABLES: Final = (API_KEY, API_KEY_FILE, ALLOWED_ORIGINS, PREDICTION_LOG, PREDICTION_LOG_SHARE, DECODE_MB)

DEFAULT_DECODE_MB: Final = 192
"""Enough for a PNG of 28 megapixels, a WebP of 12, a progressive JPEG of 67, or any other JPEG of 100."""
MIN_DECODE_MB: Final = 16

MIN_KEY_LENGTH: Final = 16
"""Shorter keys can be guessed."""


@dataclass(frozen=True)
class ServiceSettings:
    """The settings of a service.

    Attributes:
        api_key: the key that requests must contain; None if no key is required.
        allowed_origins: other origins whose web pages may send requests to the service.
        prediction_log: the folder of the prediction log; None for no log.
        log_share: the share of predictions that are logged, from 0 to 1.
        decode_mb: the maximum memory for decoding large photos, in MiB.
    """

    api_key: str | None = None
    allowed_origins: tuple[str, ...] = ()
    prediction_log: Path | None = None
    log_share: float = 1.0
    decode_mb: int = DEFAULT_DECODE_MB


def read_settings(environment: Mapping[str, str] = os.environ) -> ServiceSettings:
    """Reads the settings from the environment.

    Raises:
        ServiceError: a value is invalid; the message names the variable.
    """
    folder = environment.get(PREDICTION_LOG)
    origins = tuple(origin for origin in environment.get(ALLOWED_ORIGINS, "").split() if origin)
    for origin in origins:
        if not origin.startswith(("http://", "https://")):
            raise ServiceError(
                f"{ALLOWED_ORIGINS} must contain addresses such as https://example.org, separated by "
                f"spaces; found {origin!r}."
            )
    return ServiceSettings(
        api_key=_read_api_key(environment),
        allowed_origins=origins,
        prediction_log=Path(folder) if folder else None,
        log_share=_parse_share(environment.get(PREDICTION_LOG_SHARE, "1")),
        decode_mb=_parse_decode_mb(environment.get(DECODE_MB) or str(DEFAULT_DECODE_MB)),
    )


def _read_api_key(environment: Mapping[str, str]) -> str | None:
    key, path = environment.get(API_KEY), environment.get(API_KEY_FILE)
    if path:
        try:
            key = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ServiceError(
                f"{API_KEY_FILE} must name a readable file that contains the key; {path} cannot be read: {error}."
            ) from None
    if key is None or (key == "" and not path):
        return None
    if len(key) < MIN_KEY_LENGTH or not (key.isascii() and key.isprintable()):
        raise ServiceError(
            f"An API key must have at least {MIN_KEY_LENGTH} characters, all printable ASCII; this key has "
            f"{len(key)} characters. Create one: openssl rand -hex 24"
        )
    return key


def _parse_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ServiceError(f"{PREDICTION_LOG_SHARE} must be a number from 0 to 1; found {text!r}.")
    return share


def _parse_decode_mb(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 7 and int(text) >= MIN_DECODE_MB):
        raise ServiceError(f"{DECODE_MB} must be a whole number of MiB, at least {MIN_DECODE_MB}; found {text[:40]!r}.")
    return int(text)
