"""Lists and ends the recurring runs of a KFP server."""

from dataclasses import dataclass

from pipelines.runners.cluster.client import Server, connect

PAGE_SIZE = 100


@dataclass(frozen=True)
class Schedule:
    """A recurring run.

    Attributes:
        id: the id of the recurring run, for `end_schedule`.
        name: the name of the model, and the time of the submission.
        cron: KFP's six cron fields; empty if the run has an interval instead.
        status: `enabled` or `disabled`.
    """

    id: str
    name: str
    cron: str
    status: str


def list_schedules(server: Server) -> list[Schedule]:
    """Lists the recurring runs of a server or, if it has a namespace, of that namespace.

    Raises:
        ClusterError: the server is missing, too old, or rejects the request.
    """
    schedules, token = [], ""
    with connect(server) as client:
        while True:
            page = client.list_recurring_runs(page_token=token, page_size=PAGE_SIZE, namespace=server.namespace)
            for run in page.recurring_runs or ():
                cron = run.trigger.cron_schedule.cron if run.trigger and run.trigger.cron_schedule else ""
                schedules.append(Schedule(run.recurring_run_id, run.display_name, cron or "", run.status.lower()))
            token = page.next_page_token
            if not token:
                return schedules


def end_schedule(schedule_id: str, server: Server) -> None:
    """Deletes a recurring run; runs that it has already started continue.

    Raises:
        ClusterError: no recurring run has this id, or the server is missing, too old, or rejects the request.
    """
    with connect(server) as client:
        client.get_recurring_run(schedule_id)  # KFP does not report an error if the run does not exist
        client.delete_recurring_run(schedule_id)
