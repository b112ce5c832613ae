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
    """Makes KFP read only the name of the calling function from the call stack.

    Each setter of a KFP task needs only that name, but also reads the source lines of the whole stack and, for
    generated code, searches all modules. In a process that has loaded TensorFlow, this makes every compilation slow.
    """
    from kfp.dsl import pipeline_task

    def find_caller() -> list[tuple[object, ...]]:
        code = sys._getframe(2).f_code
        return [(), (None, code.co_filename, None, code.co_name)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_task, "inspect", SimpleNamespace(stack=find_caller))
        yield
