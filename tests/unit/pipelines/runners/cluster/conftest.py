import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.contract.params.pipeline import Params, load_params
from components.contract.params.resolve import resolve

ROOT = Path(__file__).parents[5]


@pytest.fixture(scope="module")
def params() -> Params:
    unresolved_params = load_params(ROOT / "params.yaml", ("data.uri=s3://bucket/photos",))
    return resolve(unresolved_params, native_size=(8, 8), data_name="digits").params


@pytest.fixture(scope="module", autouse=True)
def _short_stack() -> Iterator[None]:
    """Makes KFP look up only the name of its caller.

    For that name, each setter of a task reads the source lines of the whole call stack, and searches all modules for
    the lines of generated code, which takes seconds per compilation in a process that has loaded TensorFlow.
    """
    from kfp.dsl import pipeline_task

    def find_caller() -> list[tuple[object, ...]]:
        code = sys._getframe(2).f_code
        return [(), (None, code.co_filename, None, code.co_name)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_task, "inspect", SimpleNamespace(stack=find_caller))
        yield
