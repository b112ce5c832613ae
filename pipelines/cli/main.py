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
from components.contract.text import is_utf8, printable
from pipelines.cli.audit import add_audit
from pipelines.cli.cluster import add_images, add_submit
from pipelines.cli.compare import add_compare
from pipelines.cli.data import add_data
from pipelines.cli.finish import add_finish
from pipelines.cli.lr_find import add_lr_find
from pipelines.cli.model import add_model
from pipelines.cli.promote import add_promote
from pipelines.cli.serving import add_serving
from pipelines.cli.studio import add_studio

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from components.contract.params.pipeline import Params
    from components.contract.params.resolve import Resolution
    from components.preprocess.sources.source import Probe
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
    hidden = [hidden_word(word) for word in words]
    if hidden != words:
        sys.stdout.flush()
        before = sys.orig_argv[1 : len(sys.orig_argv) - len(words)]
        launcher.become([sys.executable, *before, *hidden], os.environ)


def hidden_word(word: str) -> str:
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
        added = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(verb=action)
        return added

    run = verb("run", _run, "take photos through the whole pipeline to a service that has answered")
    _add_params_options(run)
    run.add_argument(
        "--runner",
        choices=("subprocess", "docker"),
        default="subprocess",
        help="default: %(default)s; docker: make images",
    )
    run.add_argument("--memory", metavar="SIZE", help="what a container may use, such as 4g; default: all there is")
    run.add_argument("--gpus", type=_count, default=0, help="how many the containers may use; default: %(default)s")
    run.add_argument("--require-promotion", action="store_true", help="exit with 3 unless the verdict promotes")
    _add_json(run)

    compiled = verb("compile", _compile, "write the pipeline as a file for Kubeflow Pipelines")
    _add_params_options(compiled)
    compiled.add_argument("--output", type=Path, default=Path("build/training.yaml"), help="default: %(default)s")
    _add_json(compiled)

    ui = verb("ui", _ui, "open the MLflow UI on this machine's runs")
    _add_address(ui, port=5000)

    add_serving(verb, _add_address, _add_json)

    listing = verb("runs", _runs, "list the runs of this folder")
    _add_json(listing)

    clean = verb("clean", _clean, "remove old, failed and killed runs; never photos, never the latest run")
    clean.add_argument("--keep", type=_count, default=3, help="how many finished runs stay; default: %(default)s")
    clean.add_argument("--cache", action="store_true", help="remove the cache as well")
    clean.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    _add_json(clean)

    add_audit(verb)
    add_data(verb)
    add_submit(verb, _add_params_options)
    add_images(verb)
    add_model(verb, _add_params_options)
    add_lr_find(verb, _add_params_options)
    add_compare(verb, _add_params_options)
    add_finish(verb)
    add_promote(verb)
    add_studio(verb, _add_address)
    return parser


def _add_params_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="URI", help="the photos: class folders, an archive, a table or an address")
    parser.add_argument("--params", type=Path, metavar="FILE", help="default: params.yaml where it exists")
    parser.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one value; may be repeated"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _add_address(parser: argparse.ArgumentParser, port: int) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=_port, default=port, help="default: %(default)s")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number from 0 is expected; found {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"a port from 1 to 65535 is expected; found {text!r}")
    return int(text)


# --- the verbs; each imports what it needs ---------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.runners import local

    console = show.console(to_stderr=arguments.json)
    limits = _limits(arguments)
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


def _limits(arguments: argparse.Namespace) -> "Limits | None":
    from components.contract.errors import ParamsError
    from pipelines.runners.docker import Limits

    if arguments.runner == "docker":
        return Limits(memory=arguments.memory, gpus=arguments.gpus)
    if arguments.memory or arguments.gpus:
        raise ParamsError("--memory and --gpus limit containers, and this run has none; add --runner docker.")
    return None


def _compile(arguments: argparse.Namespace) -> int:
    from pipelines.cli import show
    from pipelines.runners import cluster

    resolution = resolve_data(arguments)
    cluster.compile_pipeline(resolution.params, arguments.output)
    if arguments.json:
        show.as_json({"output": str(arguments.output), "decisions": resolution.decisions})
    else:
        show.decisions(show.console(), resolution)
        show.line(f"Wrote {arguments.output}.")
    return 0


def _ui(arguments: argparse.Namespace) -> int:
    from pipelines.mlflow_ui import serve_ui

    serve_ui(arguments.host, arguments.port)


def _runs(arguments: argparse.Namespace) -> int:
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


def resolve_data(arguments: argparse.Namespace) -> "Resolution":
    """Params from file and options, every `auto` settled by a look at the data."""
    return resolve_params(params_of(arguments))


def resolve_params(params: "Params", look: "Callable[[str], Probe] | None" = None) -> "Resolution":
    """Every `auto` settled by a look at the data, whose path becomes absolute.

    Args:
        params: as they were given.
        look: how to look at the data; by default in this process.
    """
    from components.contract.params.resolve import resolve
    from components.preprocess.sources.remote import is_remote
    from components.preprocess.sources.source import probe
    from components.train.network.initial_model import look_at_given
    from pipelines.data.recovery import require_whole

    uri = params.data.uri
    if not is_remote(uri):
        uri = str(Path(uri).expanduser().resolve())
        _require_utf8(uri)
        params = params.model_copy(update={"data": params.data.model_copy(update={"uri": uri})})
        require_whole(Path(uri))
    found = (look or probe)(uri)
    params, given = look_at_given(params)
    return resolve(params, native_size=found.native_size, data_name=found.name, given=given)


def params_of(arguments: argparse.Namespace) -> "Params":
    """Params from file and options, as they were given.

    Raises:
        ParamsError: the data are named nowhere, or a value cannot be.
    """
    from components.contract.errors import ParamsError
    from components.contract.params.pipeline import load_params

    path = arguments.params or Path("params.yaml")
    overrides = [*arguments.set]
    if arguments.data is not None:
        _require_utf8(arguments.data)
        overrides.append(f"data.uri={_quoted(arguments.data)}")
    given = arguments.params is not None or path.exists()
    if not given and not any(override.startswith("data.uri=") for override in overrides):
        raise ParamsError("Photos must be named, with --data or in a params.yaml; there is neither in this folder.")
    return load_params(path if given else None, tuple(overrides))


def _require_utf8(path: str) -> None:
    from components.contract.errors import DataError

    if not is_utf8(path):
        raise DataError(
            f"The path of the data must be UTF-8, since it is noted with the model; {path!r} is not. Rename the "
            "folder, or make a link with another name to it."
        )


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    main()
