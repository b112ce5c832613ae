"""Label files in the formats of other programs, and which photos they refer to."""

import json
from pathlib import Path

import pytest

from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.file_index import FileIndex
from components.preprocess.sources.photo_set import PhotoSet
from components.preprocess.sources.readers import text_cells
from components.preprocess.sources.source import find_photos
from tests.unit.preprocess.sources.label_tables import classes_of, write_files

PHOTOS = ("images/cat/a.png", "images/cat/b.png", "images/dog/c.png")
CLASSES = {"images/cat/a.png": "cat", "images/cat/b.png": "cat", "images/dog/c.png": "dog"}


def read(folder: Path, label_file: str, **columns: str | int) -> PhotoSet:
    return find_photos(DataFolder(folder, label_file=folder / label_file, columns=ColumnNames(**columns)))


def lines_of(header: str, line: str) -> str:
    """Returns the header and one line per photo.

    The template `line` may contain {path}, {slashes} (the Windows path), {stem} (the path without suffix), {name} and
    {label}.
    """
    rows = [
        line.format(
            path=path,
            slashes=path.replace("/", "\\"),
            stem=path.removesuffix(".png"),
            name=path.split("/")[-1],
            label=label,
        )
        for path, label in CLASSES.items()
    ]
    return "\n".join([*([header] if header else []), *rows]) + "\n"


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("path,label", "{path},{label}"),
        ("path,label", "{slashes},{label}"),
        ("path,label", "C:\\Users\\me\\set\\{slashes},{label}"),
        ("path,label", "/kaggle/input/set/{path},{label}"),
        ("file,label", "{stem},{label}"),
        ("id,class", "{name},{label}"),
        ("", "training,gs://bucket/set/{path},{label}"),
        ("", "gs://bucket/set/{path},{label}"),
        ("", "{label},{path}"),
        ("path,label,split", "{path},{label},UNASSIGNED"),
        ("image,id,choice,annotator", "/data/upload/1/0a1b2c3d-{name},1,{label},1"),
        ("image,choice", "http://localhost:8080/data/upload/1/{name},{label}"),
        ("image,choice", "/data/local-files/?d=set/{path},{label}"),
        ("image;choice", '/data/upload/{name};"{{""choices"": [""{label}""]}}"'),
        ("class id,filepaths,labels,data set", "0,{path},{label},train"),
        ("path,label,dataset", "{path},{label},collected in May"),
        ("filename, cat, dog", "{name}, {label}"),
        ("sep=;\npath;label", "{path};{label}"),
        ("PATH\tLabel", "{path}\t{label}"),
    ],
)
def test_tables_of_other_programs_are_matched_with_their_photos(header: str, line: str, tmp_path: Path) -> None:
    text = lines_of(header, line)
    if header.startswith("filename"):  # one column for each class
        text = text.replace(".png, cat", ".png, 1, 0").replace(".png, dog", ".png, 0, 1")
    (write_files(tmp_path, *PHOTOS) / "labels.csv").write_text(text)
    photo_set = read(tmp_path, "labels.csv")
    assert classes_of(photo_set) == CLASSES
    assert (photo_set.class_names, photo_set.rejected) == (("cat", "dog"), ())


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("{label},{path},x", {"path": 2, "label": 1}),
        ("{label},{stem}", {"path": 2, "label": 1}),
        ("x,{path},{label}", {"path": "Where", "label": "breed"}),
    ],
)
def test_the_user_can_set_the_columns(line: str, columns: dict[str, str | int], tmp_path: Path) -> None:
    header = "label,where,breed" if "breed" in columns.values() else ""
    (write_files(tmp_path, *PHOTOS) / "labels.csv").write_text(lines_of(header, line))
    assert classes_of(read(tmp_path, "labels.csv", **columns)) == CLASSES
    with pytest.raises(DataError, match=r"data\.columns\.label must be a column of the table; .* no 'species'"):
        read(tmp_path, "labels.csv", label="species")


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-8-sig", ";"), ("utf-16", "\t"), ("utf-16-be", "\t"), ("cp1252", ";"), ("cp1251", ";"), ("gb18030", ",")],
)
def test_tables_are_read_in_the_code_page_that_excel_saved_them_in(
    encoding: str, separator: str, tmp_path: Path
) -> None:
    names = {"cp1251": ("Кошки", "Собаки"), "gb18030": ("猫咪", "小狗")}.get(encoding, ("Äpfel", "Nüsse"))
    write_files(tmp_path, *(f"{name}/1.png" for name in names))
    rows = [("path", "label"), *((f"{name}/1.png", name) for name in names)]
    text = "\r\n".join(separator.join(row) for row in rows)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "labels.csv").write_bytes((mark + text).encode(encoding))
    photo_set = read(tmp_path, "labels.csv")
    assert classes_of(photo_set) == {f"{name}/1.png": name for name in names}
    assert bool(photo_set.notices) == encoding.startswith(("cp", "gb")), "a guessed code page must be reported"


@pytest.mark.parametrize(
    ("encoding", "labels"),
    [
        ("cp1252", ("Äpfel", "Nüsse")),
        ("cp1250", ("łódka", "żaba")),
        ("cp1251", ("Кошка", "Собака")),
        ("cp1253", ("γάτα", "σκύλος")),
        ("cp932", ("表", "猫")),  # the second byte of 表 is a backslash
        ("gbk", ("苹果", "香蕉")),
        ("cp949", ("고양이", "강아지")),
    ],
)
def test_the_code_page_of_labels_is_guessed_and_reported(
    encoding: str, labels: tuple[str, str], tmp_path: Path
) -> None:
    write_files(tmp_path, "1.png", "2.png")
    text = f"path,label\n1.png,{labels[0]}\n2.png,{labels[1]}\n"
    (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
    photo_set = read(tmp_path, "labels.csv")
    assert classes_of(photo_set) == {"1.png": labels[0], "2.png": labels[1]}
    assert f"its code page was guessed: {encoding}." in photo_set.notices[0]


def test_class_numbers_are_replaced_by_class_names_from_the_same_table(tmp_path: Path) -> None:
    write_files(tmp_path, *PHOTOS)
    text = lines_of("id,path,class,class_name", "1,{path},{label}-number,{label}")
    (tmp_path / "labels.csv").write_text(text.replace("cat-number", "7").replace("dog-number", "9"))
    photo_set = read(tmp_path, "labels.csv")
    assert classes_of(photo_set) == CLASSES
    assert "contains the classes both as numbers (class) and as names (class_name)" in photo_set.notices[0]


TASKS = [
    {
        "data": {"image": f"/data/upload/1/{path.split('/')[-1]}"},
        "annotations": [{"result": [{"from_name": "choice", "type": "choices", "value": {"choices": [label]}}]}],
    }
    for path, label in CLASSES.items()
]
COCO = {
    "images": [{"id": number, "file_name": path} for number, path in enumerate(PHOTOS)],
    "annotations": [
        {"image_id": number, "category_id": {"cat": 1, "dog": 2}[label]}
        for number, label in enumerate(CLASSES.values())
    ],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks.json", json.dumps(TASKS)),
        (
            "tasks.json",
            json.dumps([task["data"] | {"choice": CLASSES[path]} for path, task in zip(PHOTOS, TASKS, strict=True)]),
        ),
        ("_annotations.coco.json", json.dumps(COCO)),
        ("metadata.jsonl", lines_of("", '{{"file_name": "{path}", "label": "{label}", "box": [1, 2]}}')),
        (
            "vertex.jsonl",
            lines_of(
                "", '{{"imageGcsUri": "gs://b/{path}", "classificationAnnotation": {{"displayName": "{label}"}}}}'
            ),
        ),
    ],
)
def test_json_of_other_programs_is_matched_with_its_photos(name: str, text: str, tmp_path: Path) -> None:
    (write_files(tmp_path, *PHOTOS) / name).write_text(text)
    assert classes_of(read(tmp_path, name)) == CLASSES
    assert classes_of(find_photos(DataFolder(tmp_path))) == CLASSES, "the label file must also be found in its folder"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("_classes.csv", "filename,cat,dog\na.png,1,1\nb.png,1,0\n"),
        ("labels.csv", 'image,choice\na.png,"{""choices"": [""cat"", ""dog""]}"\nb.png,cat\n'),
        (
            "_annotations.coco.json",
            json.dumps({**COCO, "annotations": [*COCO["annotations"], {"image_id": 0, "category_id": 2}]}),
        ),
        ("tasks.json", json.dumps(TASKS).replace('["cat"]', '["cat", "dog"]')),
        ("metadata.jsonl", '{"file_name": "a.png", "label": ["cat", "dog"]}\n{"file_name": "b.png", "label": "cat"}\n'),
    ],
)
def test_several_labels_for_one_photo_are_rejected_with_examples(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=r"must have one label; .* has several for [12] of [23] photos, .*: cat, dog"):
        read(tmp_path, name)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{}", "must be COCO's JSON with images, annotations and categories"),
        ("a.json", "[1]", "must be a list of Label Studio's tasks"),
        ("a.json", "[" * 100, "cannot be read as JSON"),
        ("a.json", '{"images": [NaN]}', "NaN is not a JSON number"),
        (
            "a.json",
            json.dumps({**COCO, "categories": COCO["categories"][:1]}),
            "category_id 2, which is not among the ids of the categories",
        ),
        ("a.json", json.dumps(TASKS).replace('"choices"', '"rectanglelabels"'), "it contains rectanglelabels"),
        ("a.jsonl", '{"path": "a"}\n5\n', "line 2 is not a record"),
        ("a.jsonl", "x" * 300_000, "lines of at most 262,144 bytes"),
        ("a.csv", "a.png,cat,dog,x\nb.png,dog,cat,y\n", "has no header, so it must have a column of paths"),
        ("a.csv", "path,label\na.png,cat\nb.png,cat,dog\n", "row 3 of the table .* has 3, "),
        ("a.csv", "filename,cat,dog\na.png,1,0\nb.png,2,0\n", "must have a column of labels"),
    ],
)
def test_invalid_label_files_are_rejected(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read(tmp_path, name)


@pytest.mark.parametrize(
    ("text", "label", "name"),
    [
        ("cat/1.png", None, "a/cat/1.png"),
        ("CAT\\1.PNG", None, "a/cat/1.png"),
        ("1", "dog", "a/dog/1.png"),
        ("2.png", None, "a/dog/2.png"),
        ("fox/2.png", None, None),
        ("/x/fox/2.png", None, None),
        ("../../a/dog/2.png", None, "a/dog/2.png"),
        ("https://h/p/a/dog/2%2Epng?x=1", None, "a/dog/2.png"),
        ("", None, None),
        ("..", None, None),
    ],
)
def test_a_name_in_a_label_file_matches_one_file_or_none(text: str, label: str | None, name: str | None) -> None:
    match = FileIndex(["a/cat/1.png", "a/dog/1.png", "a/dog/2.png"]).find(text, label=label)
    assert match.name == name


def test_an_ambiguous_name_is_rejected_with_the_matching_files(tmp_path: Path) -> None:
    write_files(tmp_path, "x/1.png", "y/1.png", "2.png", "3.png")
    (tmp_path / "labels.csv").write_text("path,label\n1.png,cat\n2.png,dog\n3.png,cat\n")
    record = read(tmp_path, "labels.csv").rejected[0]
    assert (record.reason, record.message) == (
        "ambiguous_path",
        "The name in the label file must match only one file; it matches x/1.png, y/1.png.",
    )


def test_a_code_page_is_guessed_from_a_limited_number_of_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_cells, "MAX_NAMES", 3)
    write_files(tmp_path, *(f"{number}/a.png" for number in range(9)))
    assert len(text_cells._names_below(tmp_path)) == 3
