"""Prediction without a server: a table of predictions for files and folders."""

import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.bundle import read_bundle
from components.contract.errors import ArtifactError, DataError
from components.deploy import predict
from components.deploy.bento.build import lay_out
from components.deploy.predict import predict_files, write_csv
from tests.support.artifacts import CLASS_NAMES, photo
from tests.unit.deploy.conftest import Artifacts

RNG = np.random.default_rng(7)
COLUMNS = [
    "path",
    "label",
    "confidence",
    "abstained",
    "unfamiliar",
    "error",
    *(f"probability_{name}" for name in CLASS_NAMES),
]


@pytest.fixture(scope="module")
def bento_dir(artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bento folder with only the files that prediction reads: those that Darkroom packs, not BentoML's own."""
    folder = tmp_path_factory.mktemp("bento")
    lay_out(folder / "bento" / "src", artifacts.bundle_dir, read_bundle(artifacts.bundle_dir), "colors")
    return folder


def save(path: Path, class_name: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(class_name, RNG)).save(path)
    return path


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == COLUMNS
        return list(reader)


def test_every_file_gets_a_row_in_order_with_a_reason_for_broken_files(bento_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my photos"
    save(folder / "b.png", "red")
    save(folder / "a" / "grün 日本.png", "green")
    (folder / "a" / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("milk, eggs")
    (folder / ".DS_Store").write_bytes(b"hidden")
    single = save(tmp_path / "single.png", "blue")

    output = tmp_path / "tables" / "predictions.csv"
    write_csv(predict_files(bento_dir, [folder, single]), output)
    rows = read_table(output)
    assert [Path(row["path"]).name for row in rows] == [
        "empty.jpg",
        "grün 日本.png",
        "b.png",
        "notes.txt",
        "single.png",
    ]
    assert [row["label"] for row in rows] == ["", "green", "red", "", "blue"]
    assert [row["error"].partition(":")[0] for row in rows] == ["empty", "", "", "not_an_image", ""]
    for row in rows:
        shares = [row[f"probability_{name}"] for name in CLASS_NAMES]
        if row["error"]:
            assert not any((row["confidence"], *shares))
        else:
            assert sum(map(float, shares)) == pytest.approx(1, abs=1e-6)
            assert float(row["confidence"]) == max(map(float, shares))
            assert float(row["confidence"]) == float(row[f"probability_{row['label']}"])


def test_predictions_do_not_depend_on_the_batch_size(
    bento_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [save(tmp_path / f"{number:02d}.png", CLASS_NAMES[number % 3]) for number in range(20)]
    paths.insert(9, tmp_path / "broken.png")
    paths[9].write_bytes(b"broken")
    whole = list(predict_files(bento_dir, paths))
    for batch_size in (1, 7, 21):
        monkeypatch.setattr(predict, "BATCH_SIZE", batch_size)
        for row, again in zip(predict_files(bento_dir, paths), whole, strict=True):
            assert (row["path"], row["label"], row["error"]) == (again["path"], again["label"], again["error"])
            if row["probabilities"]:
                assert row["probabilities"] == pytest.approx(again["probabilities"], abs=1e-6)
    assert [row["label"] for row in whole if row["label"]] == [CLASS_NAMES[number % 3] for number in range(20)]


def test_16_bit_photos_are_scaled_by_the_pixel_range_of_the_model(
    artifacts: Artifacts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = read_bundle(artifacts.bundle_dir).model_copy(update={"pixel_range": (0, 4095)})
    lay_out(tmp_path / "bento" / "src", artifacts.bundle_dir, bundle, "colors")
    colors = photo("red", RNG, (16, 16))
    Image.fromarray(colors).save(tmp_path / "a.png")
    for name, values in (("b", np.round(colors * (4095 / 255))), ("c", np.minimum(colors * 300.0, 65_535))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), values[..., ::-1].astype(np.uint16))
    plain, deep, bright = predict_files(tmp_path, [tmp_path / f"{name}.png" for name in "abc"])
    assert deep["probabilities"] == plain["probabilities"]
    assert bright["probabilities"] != plain["probabilities"]
    assert (
        "Values were clipped in 1 of 3 files, because values of 16-bit photos were outside the model's pixel range, "
        f"0 to 4095; for example, in {tmp_path / 'c.png'}."
    ) in caplog.text


def test_rows_are_plain_json(bento_dir: Path, tmp_path: Path) -> None:
    rows = list(predict_files(bento_dir, [save(tmp_path / "a.png", "red"), Path(__file__)]))
    good, failure = json.loads(json.dumps(rows, allow_nan=False))
    assert good["label"] == next(iter(good["probabilities"])) == "red"
    assert good["error"] is None
    assert failure["error"]["code"] == "not_an_image"
    assert failure["probabilities"] is None


def test_without_an_output_the_table_goes_to_standard_output(
    bento_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(predict_files(bento_dir, [save(tmp_path / "a.png", "green")]), None)
    header, row = capsys.readouterr().out.splitlines()
    assert header == ",".join(COLUMNS)
    assert ",green," in row


def test_broken_files_alone_still_produce_a_table(bento_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    write_csv(predict_files(bento_dir, [tmp_path / "a.png"]), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == "path,label,confidence,abstained,unfamiliar,error"


def test_an_existing_table_is_replaced_only_on_request(bento_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    output.write_text("mine")
    path = save(tmp_path / "a.png", "red")
    with pytest.raises(ArtifactError, match="--overwrite"):
        write_csv(predict_files(bento_dir, [path]), output)
    assert output.read_text() == "mine"
    write_csv(predict_files(bento_dir, [path]), output, overwrite=True)
    assert read_table(output)[0]["label"] == "red"
    with pytest.raises(ArtifactError, match="Choose a new one"):
        write_csv(predict_files(bento_dir, [path]), tmp_path, overwrite=True)


def test_paths_without_photos_are_reported_before_any_work(bento_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"No photo or folder of photos exists at .*missing\.png"):
        predict_files(bento_dir, [tmp_path / "missing.png"])
    with pytest.raises(DataError, match="no files were found in"):
        predict_files(bento_dir, [tmp_path / "empty"])


def test_a_missing_or_damaged_bento_is_reported(bento_dir: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", "red")
    with pytest.raises(ArtifactError, match=r"service\.json"):
        predict_files(tmp_path, [path])
    shutil.copytree(bento_dir, tmp_path / "damaged")
    (tmp_path / "damaged" / "bento" / "src" / "export" / "model.xml").write_text("<net>")
    with pytest.raises(ArtifactError, match=r"Cannot load the exported graph .*model\.xml"):
        predict_files(tmp_path / "damaged", [path])


def test_a_name_that_is_not_utf_8_can_be_written(bento_dir: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    save(tmp_path / "a.png", "red").rename(tmp_path / name)
    write_csv(predict_files(bento_dir, [tmp_path / name]), tmp_path / "out.csv")
    assert read_table(tmp_path / "out.csv")[0]["path"].endswith("caf\\xe9.png")


def test_nan_probabilities_become_an_error(bento_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.deploy.service.classifier import Classifier

    monkeypatch.setattr(Classifier, "_probabilities", lambda self, logits: np.full((len(logits), 3), np.nan))
    rows = list(predict_files(bento_dir, [save(tmp_path / "a.png", "red")]))
    assert rows[0]["error"] is not None
    assert rows[0]["error"]["code"] == "no_answer"
