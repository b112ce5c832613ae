"""Tasks for Label Studio; its document root must be the folder that contains the tasks and their photos."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from components.contract.text import json_text

LOCAL_FILES: Final = "/data/local-files/?d="
"""The prefix of the address of a file that Label Studio reads from its own disk."""
TASKS_FILE: Final = "tasks.json"
INTERFACE_FILE: Final = "labeling_interface.xml"


def make_task(name: str, facts: Mapping[str, str | None]) -> dict[str, Any]:
    """Creates the task for a photo.

    Args:
        name: the path of the photo, relative to the folder of the tasks.
        facts: further values to show beside the photo; those that are None are left out.
    """
    values = {"image": LOCAL_FILES + quote(name)} | dict(facts)
    return {"data": {key: value for key, value in values.items() if value is not None}}


def make_choice(label: str) -> dict[str, Any]:
    """Encodes a label as the result of an annotation or of a prediction."""
    return {"from_name": "choice", "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def write_project(folder: Path, tasks: Sequence[Mapping[str, Any]], class_names: Iterable[str]) -> list[str]:
    """Writes the tasks to import and the labeling interface; returns the names of the task files."""
    (folder / TASKS_FILE).write_text(json_text(tasks, indent=1), encoding="utf-8")
    choices = "".join(f"    <Choice value={quoteattr(label)}/>\n" for label in class_names)
    (folder / INTERFACE_FILE).write_text(
        '<View>\n  <Image name="image" value="$image"/>\n  <Choices name="choice" toName="image" choice="single">\n'
        f"{choices}  </Choices>\n</View>\n",
        encoding="utf-8",
    )
    return [TASKS_FILE]
