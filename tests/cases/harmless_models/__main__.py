"""Writes or compares harmless models in a separate process, because TensorFlow starts slowly and keeps its memory.

python -m tests.cases.harmless_models make FOLDER NAME…
    writes the file of each NAME, and NAME.npz with photos and the model's outputs
python -m tests.cases.harmless_models compare FOLDER
    loads the imported copy in FOLDER/NAME/ for each NAME.npz, and prints as JSON, by name, the largest difference
    between the outputs of the copy and of the original
"""

import json
import sys
from pathlib import Path

from tests.cases.harmless_models.comparison import compare
from tests.cases.harmless_models.files import make

if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), sys.argv[3:])
    else:
        print(json.dumps(compare(Path(sys.argv[2]))))
