"""Reads the log of a task through KFP's API: its progress while it runs, and the cause of a failure afterwards.

What KFP reports about a run contains no error, exit code or reason. KFP's log endpoint expects the pod's name while the
pod exists; afterwards, it expects the id of the workflow node, and reads the log from Argo's archive.
"""

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kfp.client import Client

LOG_LINES: Final = 5
"""How many of the last lines of a failed step's log are shown."""
LOG_SECONDS: Final = 10.0
OUTCOME: Final = "Outcome: "
"""The prefix of the line in which deploy reports its result."""
POD_TEMPLATES: Final = ("metadata-0-1-retry-system-container-impl", "retry-system-container-impl")
"""Parts of the pod name of an executor with retries: for a task with one label, and for a task without labels."""
LAUNCHER_LINE: Final = re.compile(
    r"[IWEF]\d{4} \d\d:\d\d:\d\d|\[KFP Executor |time=\S+ level=|Error: exit status|\S* ?(sub-process exited)"
)
"""Matches lines that come from KFP's launcher and executor or from Argo, not from the step."""
STEP_LINE: Final = re.compile(r"\[[a-z-]+\] (?P<text>.*)")
ERROR_LINE: Final = re.compile(r"(?P<type>[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit))(: (?P<message>.*))?")
EXIT_STATUS: Final = re.compile(r"exit status (\d+)")
KILLED, TERMINATED = "137", "143"


def read_log(client: "Client", run_id: str, node_id: str) -> str:
    """Reads the log of a task; empty if the server does not return a log, or no longer has it.

    Args:
        client: KFP's client.
        run_id: the id of the run.
        node_id: the id of the task's executor in Argo.
    """
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    workflow, _, number = node_id.rpartition("-")
    api = client._run_api.api_client  # noqa: SLF001 - KFP's client has no public call for logs
    for name in (*(f"{workflow}-{template}-{number}" for template in POD_TEMPLATES), node_id):
        try:
            answer = api.call_api(
                f"/apis/v1alpha1/runs/{run_id}/nodes/{name}/log",
                "GET",
                auth_settings=["Bearer"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=LOG_SECONDS,
            )
            text = answer.data.decode("utf-8", "replace")
        except (ApiException, HTTPError):
            continue
        if not _is_error(text):
            return str(text)
    return ""


def _is_error(text: str) -> bool:
    """Whether the answer, which has the status 200, is KFP's error for a task without a log."""
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return isinstance(answer, dict) and "error_message" in answer


def find_progress(log: str) -> str:
    """The last line from the step itself; empty if there is none yet."""
    lines = [match["text"] for match in map(STEP_LINE.match, log.splitlines()) if match]
    return lines[-1].strip() if lines else ""


def find_outcome(log: str) -> str:
    """The result of registration and rollout that deploy reported; empty if the log is from another step."""
    lines = [match["text"] for match in map(STEP_LINE.match, log.splitlines()) if match]
    outcomes = [line.removeprefix(OUTCOME) for line in lines if line.startswith(OUTCOME)]
    return outcomes[-1] if outcomes else ""


def find_cause(log: str) -> str:
    """Describes why a task failed, from its log: the error, or the exit status and the step's last lines.

    Args:
        log: the log of the task; if it is empty, the result is empty too.
    """
    lines = [line for line in log.splitlines() if line.strip() and not LAUNCHER_LINE.match(line)]
    statuses = EXIT_STATUS.findall(log)
    errors = [match for match in map(ERROR_LINE.fullmatch, lines) if match]
    if errors:
        # Darkroom's own errors are complete messages to the user; other errors are only clear with their type.
        message, kind = errors[-1]["message"] or "", errors[-1]["type"]
        return message if kind.startswith("components.") else f"{kind.rpartition('.')[2]}: {message}".rstrip(": ")
    reason = {
        KILLED: "it was killed, most likely because it needed more memory than its limit (exit status 137); "
        "`--memory` raises the limit of train",
        TERMINATED: "it was terminated (exit status 143)",
    }.get(statuses[-1] if statuses else "", f"exit status {statuses[-1]}" if statuses else "")
    last_lines = [line for line in lines if STEP_LINE.match(line)][-LOG_LINES:]
    if not last_lines:
        return reason
    return f"{reason or 'its log contains no error'}. Its last lines:\n" + "\n".join(last_lines)
