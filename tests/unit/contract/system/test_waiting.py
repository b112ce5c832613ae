"""A call is repeated while its errors are temporary."""

from collections.abc import Callable

import pytest

from components.contract.errors import DataError
from components.contract.system import waiting
from components.contract.system.waiting import OUTAGE_SECONDS, is_outage, outage_seconds, wait_for


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "FIRST_PAUSE_SECONDS", 0.01)


def make_call(errors: list[Exception]) -> tuple[list[int], Callable[[], str]]:
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if errors:
            raise errors.pop(0)
        return "answer"

    return calls, call


def test_a_call_with_a_temporary_error_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    calls, call = make_call([ConnectionError("refused"), ConnectionError("refused")])
    assert wait_for(call, "The server", lambda error: isinstance(error, OSError), 10) == "answer"
    assert len(calls) == 3
    assert "The server does not answer: refused. Retrying for 10 s." in caplog.text


@pytest.mark.parametrize(("seconds", "is_tried_again"), [(0, False), (0.05, True)])
def test_an_error_that_persists_is_raised_when_the_time_is_up(seconds: float, is_tried_again: bool) -> None:
    calls, call = make_call([ConnectionError("refused")] * 1000)
    with pytest.raises(ConnectionError):
        wait_for(call, "The server", lambda _: True, seconds)
    assert (len(calls) > 1) is is_tried_again


def test_a_permanent_error_is_raised_at_once() -> None:
    calls, call = make_call([ValueError("no")])
    with pytest.raises(ValueError, match="no"):
        wait_for(call, "The server", lambda error: isinstance(error, OSError), 10)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("error", "is_temporary"),
    [
        (ConnectionRefusedError("[Errno 111] Connection refused"), True),
        (OSError("Cannot connect to host s3:8333"), True),
        (RuntimeError("FATAL: the database system is starting up"), True),
        (RuntimeError("HTTP 503"), True),
        (PermissionError("access denied"), False),
        (FileNotFoundError("no such bucket"), False),
        (RuntimeError("HTTP 404 of 5031 bytes"), False),
        (DataError("The data must be within reach; the connection timed out."), False),
    ],
)
def test_only_errors_about_an_unavailable_server_count_as_outages(error: Exception, is_temporary: bool) -> None:
    assert is_outage(error) is is_temporary


def test_only_a_step_in_a_pod_waits_for_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert outage_seconds() == 0
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert outage_seconds() == OUTAGE_SECONDS
