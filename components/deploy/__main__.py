"""`python -m components.deploy`: runs the deploy step by hand and as a DVC stage."""

import argparse
import sys
from pathlib import Path

from components.contract.artifacts.dataset import read_info
from components.contract.params.pipeline import load_params
from components.contract.system.program import exit_code, running_step
from components.deploy.step import deploy


def main() -> None:
    """Runs the deployment that the arguments describe."""
    parser = argparse.ArgumentParser(prog="python -m components.deploy", description=__doc__)
    parser.add_argument("--params", type=Path, required=True, help="the params file")
    parser.add_argument("--dataset", type=Path, required=True, help="the data set's folder")
    parser.add_argument("--model", type=Path, required=True, help="the model bundle's folder")
    parser.add_argument("--evaluation", type=Path, required=True, help="the evaluation's folder")
    parser.add_argument("--output", type=Path, required=True, help="the output folder of the bento")
    arguments = parser.parse_args()
    with running_step("deploy"):
        params = load_params(arguments.params).deploy
        if params.model_name == "auto":
            params = params.model_copy(update={"model_name": read_info(arguments.dataset).name})
        deploy(arguments.dataset, arguments.model, arguments.evaluation, params, arguments.output)


if __name__ == "__main__":
    sys.exit(exit_code(main))
