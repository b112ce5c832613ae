from pathlib import Path

import pytest

from components.contract.params.pipeline import Params, load_params
from components.contract.params.resolve import resolve

ROOT = Path(__file__).parents[5]


@pytest.fixture(scope="module")
def params() -> Params:
    unresolved_params = load_params(ROOT / "params.yaml", ("data.uri=s3://bucket/photos",))
    return resolve(unresolved_params, native_size=(8, 8), data_name="digits").params
