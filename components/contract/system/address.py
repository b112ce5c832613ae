"""Addresses that may contain a secret, which is used for downloads but never printed, logged or saved."""

import base64
import functools
import os
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode

ADDRESSES_VARIABLE: Final = "DARKROOM_ADDRESSES"
"""The environment variable with complete addresses, one per line. Child processes, containers and tasks on a cluster
look up the secret of a redacted address there."""
MASK: Final = "***"
MAX_REMEMBERED: Final = 20

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]+:/+"
_CHAIN_LINK: Final = re.compile(r"(::)(?=[A-Za-z][A-Za-z0-9+.-]+(?:://|::|$))")
_IN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s\"'<>]+")
_QUERY_IN_TEXT: Final = re.compile(r"\?[^\s\"'<>=?]+=[^\s\"'<>)]*")
_PERSONAL_SCHEMES: Final = ("ssh:", "git+ssh:", "dvc+ssh:", "dvc+git+ssh:", "sftp:")
"""With these schemes, a user name without a password is not a secret: it is part of the address, as in git@host."""
_SECRET_NAME: Final = re.compile(
    r"x-(amz|goog|oss|ms)-.*|.*(token|signature|secret|password|passwd|credential|apikey|api[_-]key|jwt)|"
    r"awsaccesskeyid|googleaccessid|expires|sig|auth|pwd|policy|key-pair-id",
    re.IGNORECASE,
)
_SAS_NAMES: Final = frozenset(
    {"se", "sp", "st", "sv", "sr", "spr", "sip", "ss", "srt", "skoid", "sktid", "skt", "ske", "sks", "skv"}
)
"""Query parameters of an Azure shared access signature, in addition to `sig`."""
_SECRET_VARIABLES: Final = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "KF_PIPELINES_TOKEN",
)
_MIN_SECRET: Final = 4
"""The minimum length, in characters. Shorter secrets could also occur in ordinary words, so they are not masked."""
_MIN_OPAQUE: Final = 16
"""The minimum length, in characters, of a query value that counts as a secret regardless of its name."""


class Address(str):
    """An address or a path; as a string, it is redacted: user info, query and fragment are `***`.

    The string is safe in params, logs, messages and files; only `full` contains the secret. `full` is also stored in
    the environment of this process, so that this process and its children can look it up by the redacted string.

    Attributes:
        full: the complete address, for downloads.
    """

    full: str

    def __new__(cls, text: str) -> "Address":
        """Accepts a complete address, or a redacted one, whose secret is looked up in DARKROOM_ADDRESSES."""
        if isinstance(text, Address):
            return text
        address = super().__new__(cls, _redact_address(text))
        address.full = _whole_address(text) if MASK in text else text
        if address.full == text and address.has_secret:
            other_addresses = [line for line in remembered_addresses() if line != text][-MAX_REMEMBERED:]
            os.environ[ADDRESSES_VARIABLE] = "\n".join([*other_addresses, text])
        return address

    @property
    def has_secret(self) -> bool:
        """Whether `full` contains a secret, so that the string is redacted."""
        return self.full != str(self)

    @property
    def lacks_secret(self) -> bool:
        """Whether this is a redacted address whose secret could not be looked up."""
        return MASK in self.full and not self.has_secret

    @property
    def cache_key(self) -> str:
        """The address without its credentials."""
        return "".join(_without_credentials(link) for link in _CHAIN_LINK.split(self.full))

    def hide(self, text: str) -> str:
        """Masks the secrets of this address, and all others that `redact` finds, in a string such as an error text."""
        return redact(_replace(text, _secrets_of(self.full)))


def redact(text: str) -> str:
    """Masks secrets in a string: those of the addresses in it, and those in the environment."""
    secrets = _environment_secrets(
        tuple(value for name, value in os.environ.items() if "://" in value and _may_hold_secret(name)),
        tuple(os.environ.get(name, "") for name in _SECRET_VARIABLES),
    )
    text = _IN_TEXT.sub(_redact_match, _replace(text, secrets))
    return _QUERY_IN_TEXT.sub(f"?{MASK}", text)


def shorten_address(uri: str) -> str:
    """The redacted address, for publication; a path on this machine is reduced to its last component."""
    address = str(Address(uri))
    if address.startswith("dvc+") and "://" not in address:
        repository, at, rest = address.removeprefix("dvc+").rpartition("@")
        return f"dvc+{_last_name(repository)}{at}{rest}" if at else f"dvc+{_last_name(rest)}"
    if "://" not in address:
        return _last_name(address)
    shared = re.sub(r"://[^/@\s]+@", f"://{MASK}@", address)
    return re.sub(r"((?:file|local)://)[^@\s]*/", r"\1", shared)


def remember(addresses: Sequence[str]) -> None:
    """Stores complete addresses from another Darkroom process in the environment of this process."""
    for address in addresses:
        Address(address)


def driver_uri(uri: str) -> str:
    """Adds the installed driver to a database address: SQLAlchemy 2.1 would use psycopg 3 for `postgresql://`."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg2://", uri)


def split_credentials(uri: str) -> tuple[str, str, str]:
    """(address without user info, user, password); user and password are decoded, or empty."""
    scheme, rest, user_info = _split(uri)
    user, _, password = user_info.partition(":")
    return f"{scheme}{rest}", unquote(user), unquote(password)


def _whole_address(text: str) -> str:
    """The complete form of a redacted address, if the environment contains it; otherwise the text unchanged.

    For data under DVC, only the repository must match: the revision may have been replaced by a commit.
    """
    repository, version = _repository(text)
    for line in reversed(remembered_addresses()):
        if _redact_address(line) == text:
            return line
        other_repository = _repository(line)[0]
        if version and _redact_address(other_repository) == repository:
            return f"{other_repository}{version}"
    return text


def _repository(text: str) -> tuple[str, str]:
    """(`dvc+<repository>`, `@<revision>:<path>`); (the text, "") for other addresses."""
    data = re.fullmatch(r"(dvc\+.+)(@[^@:]+:.+)", text)
    return (data[1], data[2]) if data else (text, "")


def _last_name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


def remembered_addresses() -> list[str]:
    """The complete addresses that this process has stored, to pass to another Darkroom process. Never print them."""
    return [line.strip() for line in os.environ.get(ADDRESSES_VARIABLE, "").splitlines() if line.strip()]


def _may_hold_secret(name: str) -> bool:
    return name.startswith(("MLFLOW_", "DARKROOM_")) or name.lower().endswith(("_proxy", "_uri", "_url"))


def _split(link: str) -> tuple[str, str, str]:
    """(scheme with slashes, rest after the user info, user info) of one link of a chained address."""
    scheme = re.match(_SCHEME, link)
    if scheme is None:
        # An address without a scheme: `dvc+user:password@host/repository@revision:path`.
        match = re.match(r"(dvc\+)([^/@\s:]+:[^/@\s]+)@(?=[^:]+/)", link)
        return (match[1], link[match.end() :], match[2]) if match else ("", link, "")
    rest = link[scheme.end() :]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    end = authority.rfind("@")
    if end < 0 and re.search(r":(?!\d*$)", authority) and not authority.startswith("["):
        end = rest.rfind("@")  # a password with an unencoded /, ? or #
    return scheme[0], rest[end + 1 :], rest[:end] if end >= 0 else ""


def _redact_match(match: re.Match[str]) -> str:
    """Redacts an address in a string, but keeps the route of a web page, as in http://127.0.0.1:5000/#/experiments."""
    address, mark, route = match[0].partition("/#/")
    return f"{_redact_address(address)}{mark}{route}"


def _redact_address(text: str) -> str:
    return "".join(_redact_link(link) for link in _CHAIN_LINK.split(text))


def _redact_link(link: str) -> str:
    scheme, rest, user_info = _split(link)
    if not scheme:
        return link
    personal = scheme.lower().startswith(_PERSONAL_SCHEMES) and ":" not in user_info
    shown_user = f"{user_info if personal else MASK}@" if user_info else ""
    place, mark, _ = _split_query(rest)
    return f"{scheme}{shown_user}{place}{f'{mark}{MASK}' if mark else ''}"


def _split_query(rest: str) -> tuple[str, str, str]:
    """Splits at the first ? or #: (before, that character, after)."""
    match = re.search(r"[?#]", rest)
    return (rest[: match.start()], match[0], rest[match.end() :]) if match else (rest, "", "")


def _without_credentials(link: str) -> str:
    scheme, rest, user_info = _split(link)
    place, mark, query = _split_query(rest)
    if not (user_info or mark) or not scheme:
        return link
    pairs = parse_qsl(query, keep_blank_values=True) if mark == "?" else []
    is_sas = any(name == "sig" for name, _ in pairs)
    public_pairs = [
        (name, value)
        for name, value in pairs
        if not _SECRET_NAME.fullmatch(name) and not (is_sas and name in _SAS_NAMES)
    ]
    tail = query if mark == "#" else urlencode(public_pairs)
    return f"{scheme}{place}{f'{mark}{tail}' if tail else ''}"


@functools.lru_cache(maxsize=64)
def _secrets_of(address: str) -> tuple[str, ...]:
    """All forms in which the secrets of an address may occur in a library's message, the longest first."""
    secrets: set[str] = set()
    for link in _CHAIN_LINK.split(address):
        scheme, rest, user_info = _split(link)
        place_mark_query = _split_query(rest)
        user, colon, password = user_info.partition(":")
        if colon:
            secrets |= {user_info, password, unquote(password)}
            pair = f"{unquote(user)}:{unquote(password)}"
            secrets |= {pair, base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()}
        elif user_info and not scheme.lower().startswith(_PERSONAL_SCHEMES):
            secrets |= {user_info, unquote(user_info)}
        query = place_mark_query[2]
        if scheme and query:
            secrets |= {query, unquote(query)}
            for pair in re.split(r"[&;#]", query):
                name, _, value = pair.partition("=")
                if _SECRET_NAME.fullmatch(name) or len(value) >= _MIN_OPAQUE:
                    secrets |= {value, unquote(value)}
    return tuple(sorted((secret for secret in secrets if len(secret) >= _MIN_SECRET), key=len, reverse=True))


@functools.lru_cache(maxsize=8)
def _environment_secrets(addresses: tuple[str, ...], values: tuple[str, ...]) -> tuple[str, ...]:
    secrets = {value for value in values if len(value) >= _MIN_SECRET}
    for address in "\n".join(addresses).splitlines():
        secrets.update(_secrets_of(address.strip()))
    return tuple(sorted(secrets, key=len, reverse=True))


def _replace(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
