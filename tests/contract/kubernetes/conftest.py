from typing import Any

import pytest

from tests.contract.kubernetes.manifests import OVERLAYS, render


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return render(f"overlays/{request.param}")


@pytest.fixture(scope="module")
def production() -> list[dict[str, Any]]:
    return render("overlays/production")
