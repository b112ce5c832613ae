"""Reads the events of a run's steps: started, finished (with the duration), or failed (with the error)."""

import json
from pathlib import Path
from typing import Any, Final

EVENTS_FILE: Final = "events.jsonl"


def read_events(path: Path) -> list[dict[str, Any]]:
    """Reads the events that the steps recorded."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
