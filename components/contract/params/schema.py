"""Writes the JSON Schema of params.yaml: `python -m components.contract.params.schema params.schema.json`."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from components.contract.params.pipeline import json_schema
from components.contract.system.atomic_files import write_file

LINE_LENGTH: Final = 120


def format_json(node: Any, key: str = "", indent: int = 0) -> str:
    """Formats JSON so that every part that fits on one line is on one line.

    Args:
        node: the value.
        key: the text before the value, such as `"epochs": `.
        indent: the indentation of the line, in spaces.
    """
    line = key + json.dumps(node, ensure_ascii=False)
    if not isinstance(node, dict | list) or indent + len(line) < LINE_LENGTH:
        return line
    items = [(f"{json.dumps(name)}: ", value) for name, value in node.items()] if isinstance(node, dict) else None
    parts = [format_json(value, name, indent + 2) for name, value in items or [("", value) for value in node]]
    opening, closing = "{}" if items is not None else "[]"
    space = "\n" + " " * indent
    return f"{key}{opening}{space}  " + f",{space}  ".join(parts) + f"{space}{closing}"


if __name__ == "__main__":
    write_file(Path(sys.argv[1]), (format_json(json_schema()) + "\n").encode())
