"""The `darkroom` command."""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.system import launcher
from components.contract.system.address import Address
from components.contract.system.program import BUG, QUIET, exit_code
from components.contract.text import printable
from pipelines.cli.audit import add_audit
from pipelines.cli.cluster.images import add_images
from pipelines.cli.cluster.schedules import add_schedules
from pipelines.cli.cluster.submit import add_submit
from pipelines.cli.compare import add_compare
from pipelines.cli.data import add_data
from pipelines.cli.finish import add_finish
from pipelines.cli.lr_find import add_lr_find
from pipelines.cli.model import add_model
from pipelines.cli.promote import add_promote
from pipelines.cli.serving import add_serving
from pipelines.cli.studio import add_studio
from pipelines.run_options import add_json, add_params_options, add_run_options, count, resolve_data

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from pipelines.runners.docker import Limits

UNPROMOTED = 3
"""The exit code of a run that its verdict did not promote, where --require-promotion asks for it."""


def main() -> None:
    """The entry point of the console script."""
    os.environ.update(QUIET)
    hide_addresses()
    sys.exit(exit_code(lambda: _dispatch(sys.argv[1:])))


def hide_addresses() -> None:
    """Starts this program again if its arguments hold the secret of an address of data.

    Every user of the machine sees the arguments of a process; its environment is its own.
    """
    words = sys.argv[1:]
    redacted_words = [redact_word(word) for word in words]
    if redacted_words != words:
        sys.stdout.flush()
        interpreter_options = sys.orig_argv[1 : len(sys.orig_argv) - len(words)]
        launcher.become([sys.executable, *interpreter_options, *redacted_words], os.environ)


def redact_word(word: str) -> str:
    """An argument with the address in it redacted; the environment remembers the whole address."""
    start = re.search(r"[A-Za-z][A-Za-z0-9+.-]+:/|dvc\+", word)
    if start is None:
        return word
    option, address = word[: start.start()], word[start.start() :]
    quote = option[-1:] if option.endswith(('"', "'")) and address.endswith(option[-1:]) else ""
    return f"{option}{Address(address.removesuffix(quote))}{quote}"


def _dispatch(argv: list[str]) -> int:
    arguments = build_parser().parse_args(argv)
    verb: Callable[[argparse.Namespace], int] = arguments.verb
    return verb(arguments)


class PlainParser(argparse.ArgumentParser):
    """Shows what it cannot understand without obeying it."""

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        super()._print_message(printable(message, lines=True), file)


def build_parser() -> argparse.ArgumentParser:
    """All verbs and their options; imports nothing heavy."""
    parser = PlainParser(
        prog="darkroom",
        description="Develops a folder of labelled photos into a classifier that you can trust and serve.",
        epilog="Exit codes: 0 done, 2 you can mend it, 1 a fault of ours, 3 not promoted (--require-promotion).",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, action: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        verb_parser = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        verb_parser.set_defaults(verb=action)
        return verb_parser

    run = verb("run", _run, "take photos through the whole pipeline to a service that has answered")
    add_run_options(run)

    compile_parser = verb("compile", _compile, "write the pipeline as a file for Kubeflow Pipelines")
    add_params_options(compile_parser)
    compile_parser.add_argument("--output", type=Path, default=Path("build/training.yaml"), help="default: %(default)s")
    add_json(compile_parser)

    ui = verb("ui", _open_ui, "open the MLflow UI on this machine's runs")
    _add_address(ui, port=5000)

    add_serving(verb, _add_address, add_json)

    runs_parser = verb("runs", _list_runs, "list the runs of this folder")
    add_json(runs_parser)

    clean = verb("clean", _clean, "remove old, failed and killed runs; never photos, never the latest run")
    clean.add_argument("--keep", type=count, default=3, help="how many finished runs stay; default: %(default)s")
    clean.add_argument("--cache", action="store_true", help="remove the cache as well")
    clean.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    add_json(clean)

    add_audit(verb)
    add_data(verb)
    add_submit(verb, add_params_options)
    add_schedules(verb)
    add_images(verb)
    add_model(verb, add_params_options)
    add_lr_find(verb, add_params_options)
    add_compare(verb, add_params_options)
    add_finish(verb)
    add_promote(verb)
    add_studio(verb, _add_address)
    return parser


def _add_address(parser: argparse.ArgumentParser, port: int) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=_parse_port, default=port, help="default: %(default)s")


def _parse_port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"a port from 1 to 65535 is expected; found {text!r}")
    return int(text)


# --- the verbs; each imports what it needs ---------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.runners import local

    console = show.console(to_stderr=arguments.json)
    limits = _read_limits(arguments)
    resolution = resolve_data(arguments)
    show.decisions(console, resolution)
    try:
        folder = local.run(resolution, show.Progress(console), limits)
    except local.PipelineError as failure:
        show.line(str(failure), to_stderr=True)
        return BUG
    summary = folder.summary or {}
    if arguments.json:
        show.as_json(summary)
    else:
        show.summary(console, summary)
    return UNPROMOTED if arguments.require_promotion and not summary["promoted"] else 0


def _read_limits(arguments: argparse.Namespace) -> "Limits | None":
    from components.contract.errors import ParamsError
    from pipelines.runners.docker import Limits

    if arguments.runner == "docker":
        return Limits(memory=arguments.memory, gpus=arguments.gpus)
    if arguments.memory or arguments.gpus:
        raise ParamsError("--memory and --gpus limit containers, and this run has none; add --runner docker.")
    return None


def _compile(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.runners.cluster.compilation import compile_pipeline

    resolution = resolve_data(arguments)
    compile_pipeline(resolution.params, arguments.output)
    if arguments.json:
        show.as_json({"output": str(arguments.output), "decisions": resolution.decisions})
    else:
        show.decisions(show.console(), resolution)
        show.line(f"Wrote {arguments.output}.")
    return 0


def _open_ui(arguments: argparse.Namespace) -> int:
    from pipelines.mlflow_ui import serve_ui

    serve_ui(arguments.host, arguments.port)


def _list_runs(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.runners import runs

    runs.mark_killed_runs()
    show.runs(show.console(), runs.list_runs(), as_json_text=arguments.json)
    return 0


def _clean(arguments: argparse.Namespace) -> int:
    from components.contract.system.cache import cache_dir
    from pipelines.cli import show
    from pipelines.runners import runs

    runs.mark_killed_runs()
    removals = runs.plan_cleaning(arguments.keep, cache_dir() if arguments.cache else None)
    if not arguments.dry_run:
        runs.remove(removals)
    show.removals(show.console(), removals, dry_run=arguments.dry_run, as_json_text=arguments.json)
    return 0


if __name__ == "__main__":
    main()
