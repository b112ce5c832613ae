"""Writes the JSON Schema of params.yaml for editors: `python -m components.contract.schema params.schema.json`."""

import sys
from pathlib import Path

from components.contract.outputs import write_json
from components.contract.params import json_schema

if __name__ == "__main__":
    write_json(Path(sys.argv[1]), json_schema())
