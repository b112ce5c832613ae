"""`python -m components.train [tune]`: trains or tunes a model, when run by hand or as a DVC stage."""

import argparse
import logging
import sys
from pathlib import Path

from components.contract.artifacts.dataset import read_info
from components.contract.params.pipeline import load_params
from components.contract.params.resolve import resolve_train
from components.contract.params.training import read_best
from components.contract.system.program import exit_code, running_step
from components.train.network.candidates import inspect_initial_model
from components.train.step import train
from components.train.tune import tune


def main() -> None:
    """Parses the command line and runs the step."""
    parser = argparse.ArgumentParser(prog="python -m components.train", description="Trains or tunes a model.")
    parser.add_argument("step", nargs="?", choices=("train", "tune"), default="train", help="default: %(default)s")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="change one value")
    parser.add_argument("--dataset", type=Path, required=True, help="the folder that preprocess wrote")
    parser.add_argument("--study", type=Path, help="the folder that tune wrote; its best params are used")
    parser.add_argument("--output", type=Path, required=True, help="the output folder, replaced completely")
    arguments = parser.parse_args()
    with running_step(arguments.step):
        params, initial_model = inspect_initial_model(load_params(arguments.params, tuple(arguments.set)))
        size, trials = read_info(arguments.dataset).image_size, params.tune.trials
        resolved, decisions = resolve_train(params.train, size, initial_model, num_trials=trials)
        logging.getLogger("components.train").info("%s", " ".join(decisions) or "All params are set.")
        if arguments.step == "tune":
            tune(arguments.dataset, params.tune, resolved, arguments.output)
        else:
            train(arguments.dataset, read_best(arguments.study) if arguments.study else resolved, arguments.output)


if __name__ == "__main__":
    sys.exit(exit_code(main))
