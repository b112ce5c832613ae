"""`python -m components.evaluate`: evaluates a model bundle, by hand and as a DVC stage."""

import argparse
import sys
from pathlib import Path

from components.contract.artifacts.dataset import read_info
from components.contract.params.pipeline import load_params
from components.contract.system.program import exit_code, running_step
from components.evaluate.step import evaluate


def main() -> None:
    """Runs the evaluation that the arguments describe."""
    parser = argparse.ArgumentParser(prog="python -m components.evaluate", description=__doc__)
    parser.add_argument("--params", type=Path, required=True, help="the params file")
    parser.add_argument("--dataset", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--model", type=Path, required=True, help="the model bundle's folder")
    parser.add_argument("--study", type=Path, help="the folder that tune wrote; the report then describes the search")
    parser.add_argument("--output", type=Path, required=True, help="the output folder of the evaluation")
    arguments = parser.parse_args()
    with running_step("evaluate"):
        params = load_params(arguments.params)
        name = params.deploy.model_name
        if name == "auto":
            name = read_info(arguments.dataset).name
        evaluate(arguments.dataset, arguments.model, params.evaluate, name, arguments.output, arguments.study)


if __name__ == "__main__":
    sys.exit(exit_code(main))
