"""Writes a bento's model in MLflow's format, for `mlflow.pyfunc.load_model` and `mlflow models serve`.

MLmodel                 the signature and the pinned requirements
data/model/             service.json, export/, calibration.json and familiarity.npz, as in the bento
code/components/        only the modules that are needed to classify photos
input_example.json      a photo; serving_input_example.json contains the same photo as an HTTP request
"""

import io
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.artifacts.bento import ServiceFacts
from components.contract.inference.calibration import CALIBRATION_FILES
from components.contract.system.launcher import ROOT
from components.deploy.bento.build import EXPORT_FILES, copy_files, find_code

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

LOADER: Final = "components.deploy.release.pyfunc"
REQUIREMENTS: Final = ("numpy", "opencv-python-headless", "openvino", "pandas", "pillow", "pydantic", "simplejpeg")


def write_mlflow_model(source_dir: Path, facts: ServiceFacts, target: Path) -> None:
    """Writes the model of a built bento in MLflow's format.

    Args:
        source_dir: `src` of the bento, with service.json, export/ and, if there is one, the calibration.
        facts: the content of its service.json.
        target: a new folder.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-mlflow-") as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns about its types on import, and about `Any` columns
        import mlflow.pyfunc
        import pandas as pd

        data_dir, code_dir = Path(scratch, "model"), Path(scratch, "components")
        names = ("service.json", *CALIBRATION_FILES, *(f"export/{file}" for file in EXPORT_FILES))
        copy_files((Path(name) for name in names if (source_dir / name).exists()), source_dir, data_dir)
        copy_files(find_code(LOADER, ROOT), ROOT, code_dir.parent)
        mlflow.pyfunc.save_model(
            target,
            loader_module=LOADER,
            data_path=str(data_dir),
            code_paths=[str(code_dir)],
            signature=_make_signature(),
            input_example=pd.DataFrame({"image": [_make_photo(facts.image_size)]}),
            pip_requirements=[
                f"mlflow=={version('mlflow-skinny')}",
                *(f"{name}=={version(name)}" for name in REQUIREMENTS),
            ],
            metadata={"bento": facts.tag, "class_names": list(facts.class_names)},
        )


def _make_signature() -> "ModelSignature":
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Map, Schema

    outputs: dict[str, DataType | Map] = {
        "label": DataType.string,
        "confidence": DataType.double,
        "abstained": DataType.boolean,
        "unfamiliar": DataType.double,
        "probabilities": Map(DataType.double),
        "error": DataType.string,
    }
    return ModelSignature(
        # A photo is the content of a file, the same in base64, or its pixels.
        inputs=Schema([ColSpec(AnyType(), "image")]),  # type: ignore[no-untyped-call]  # MLflow's constructor
        outputs=Schema([ColSpec(kind, name, required=False) for name, kind in outputs.items()]),
    )


def _make_photo(image_size: tuple[int, int]) -> bytes:
    """A gray PNG: an example input that is not a real photo."""
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", image_size[::-1], (128, 128, 128)).save(file, "PNG")
    return file.getvalue()
