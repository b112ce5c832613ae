"""Writes the JSON Schema of params.yaml: `python -m components.contract.params.schema params.schema.json`."""

import sys
from pathlib import Path

from components.contract.params.pipeline import json_schema
from components.contract.system.atomic_files import write_json

if __name__ == "__main__":
    write_json(Path(sys.argv[1]), json_schema())
