"""Prepares a data set: `python -m components.preprocess --params params.yaml --output artifacts/dataset`."""

import argparse
import sys
from pathlib import Path

from components.contract.params.pipeline import load_params
from components.contract.params.resolve import resolve
from components.contract.system.program import exit_code, running_step


def main() -> None:
    """Reads the command line and prepares the data set."""
    from components.preprocess.sources.probe import probe  # here, so that `exit_code` handles import errors
    from components.preprocess.step import preprocess

    parser = argparse.ArgumentParser(prog="python -m components.preprocess", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="the params file")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one value")
    parser.add_argument("--output", type=Path, required=True, help="the output folder of the data set")
    arguments = parser.parse_args()
    with running_step("preprocess"):
        params = load_params(arguments.params, tuple(arguments.set))
        data_probe = probe(params.data.uri, params.data.columns)
        resolution = resolve(params, native_size=data_probe.native_size, data_name=data_probe.name)
        preprocess(params.data.uri, resolution.params.preprocess, arguments.output, params.data.columns)


if __name__ == "__main__":
    sys.exit(exit_code(main))
