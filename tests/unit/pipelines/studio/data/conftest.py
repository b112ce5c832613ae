"""Creates photos to upload, and reads the facts that the page shows about the chosen data."""

import io
from typing import Any

from PIL import Image

from tests.unit.pipelines.studio.conftest import Client


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (12, 10), (shade % 256, 90, 60)).save(file, "PNG")
    return file.getvalue()


def read_view(client: Client) -> dict[str, Any]:
    return client.get("/api/data").json()["data"]
