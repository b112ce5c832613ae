"""`darkroom schedules`: lists the recurring runs of the pipeline on a cluster, and ends them."""

import argparse
from collections.abc import Callable

from pipelines.cli.cluster.server_options import add_server_options, read_server

Verb = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


def add_schedules(verb: Verb) -> None:
    """Adds the verb."""
    schedules = verb("schedules", _schedules, "list the recurring runs that `darkroom submit --cron` made, or end them")
    schedules.add_argument("--end", action="append", default=[], metavar="ID", help="end this one; may be repeated")
    schedules.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    add_server_options(schedules)


def _schedules(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from pipelines.cli import show
    from pipelines.runners.cluster.schedules import end_schedule, list_schedules

    server = read_server(arguments)
    for schedule_id in arguments.end:
        end_schedule(schedule_id, server)
        show.line(f"Ended {schedule_id}. Runs that it has started continue.", to_stderr=arguments.json)
    schedules = list_schedules(server)
    if arguments.json:
        show.as_json([asdict(schedule) for schedule in schedules])
    elif not schedules:
        show.line("There are no recurring runs: darkroom submit --cron FIELDS")
    else:
        rows = [[schedule.id, schedule.name, schedule.cron, schedule.status] for schedule in schedules]
        show.listing(show.console(), ("id", "name", "cron", "status"), rows, fold_column="name")
    return 0
