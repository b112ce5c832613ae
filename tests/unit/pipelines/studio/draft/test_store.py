"""The draft of params.yaml, which several browser tabs can edit."""

import contextlib
import os
from pathlib import Path

import pytest

from components.contract.errors import DataError
from components.contract.params.pipeline import load_params
from components.contract.params.training import TrainParams
from pipelines.studio.app import create_app
from pipelines.studio.draft import store
from tests.support.small_disk import small_disk
from tests.unit.pipelines.studio.conftest import Client, settings_of


def test_a_change_that_is_based_on_an_older_revision_is_rejected(client: Client) -> None:
    assert client.post("/api/draft", {"revision": 0, "set": {"train.epochs": 7}}).status_code == 200
    late = client.post("/api/draft", {"revision": 0, "set": {"train.epochs": 9}})
    assert late.status_code == 409
    assert "another tab" in late.json()["error"]
    assert client.get("/api/draft").json()["params"] == {"train": {"epochs": 7}}


def test_a_full_disk_is_reported_for_the_draft_and_the_jobs(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with small_disk(tmp_path / "disk", "256k") as disk:
        client = Client(create_app(settings_of(disk, roots=(tmp_path,))))
        client.choose(photos)
        with contextlib.suppress(OSError), (disk / "full").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        refusals = [
            client.post("/api/draft", {"revision": 1, "set": {"train.epochs": 7}}),
            client.post("/api/jobs", {"kind": "run"}),
        ]
        client.studio.close()
        assert [answer.status_code for answer in refusals] == [507, 507]
        assert all("No space left" in answer.json()["error"] for answer in refusals)
        assert client.studio.draft.read().params == {"data": {"uri": str(photos)}}
        assert client.studio.queue.all() == []


def test_the_secrets_of_an_address_reach_the_jobs_but_not_the_draft_or_the_page(client: Client, tmp_path: Path) -> None:
    full_address = "https://ann:hunter2@127.0.0.1:9/photos.zip?token=TOPSECRET"
    masked_address = "https://***@127.0.0.1:9/photos.zip?***"
    answers = [client.post("/api/data/choose", {"revision": 0, "uri": full_address})]
    assert answers[0].json()["uri"] == masked_address
    answers += [client.get("/api/draft"), client.get("/api/data"), client.get("/api/draft/params.yaml")]
    text = f"data:\n  uri: {full_address}\n"
    answers.append(client.post("/api/draft/import", {"revision": 1, "text": text, "kind": "file"}))
    command = f"darkroom run --data '{full_address}'"
    answers.append(client.post("/api/draft/import", {"revision": 2, "text": command, "kind": "command"}))
    for answer in answers:
        assert answer.status_code == 200
        assert "hunter2" not in answer.text
        assert "TOPSECRET" not in answer.text
    assert client.studio.draft.read().data == masked_address
    file_contents = [path.read_bytes() for path in client.studio.settings.home.rglob("*") if path.is_file()]
    assert file_contents
    assert not any(b"hunter2" in content or b"TOPSECRET" in content for content in file_contents)
    assert os.environ["DARKROOM_ADDRESSES"] == full_address, "jobs must inherit the full address"


def test_an_invalid_value_is_reported_and_prevents_training(client: Client, photos: Path) -> None:
    client.choose(photos)
    draft = client.post("/api/draft", {"revision": 1, "set": {"train.epochs": 0}}).json()
    assert draft["faults"] == [{"where": "train.epochs", "what": "expected greater than or equal to 1; found 0"}]
    assert not draft["ready"]
    assert client.post("/api/jobs", {"kind": "run"}).status_code == 409
    assert client.post("/api/draft", {"revision": 2, "unset": ["train.epochs"]}).json()["ready"]


def test_layers_that_cannot_be_built_prevent_training(client: Client, photos: Path) -> None:
    client.choose(photos)
    layers = ["Flatten", {"Conv2D": {"filters": 8, "kernel_size": 3}}]
    draft = client.post("/api/draft", {"revision": 1, "set": {"train.model": {"layers": layers}}}).json()
    assert not draft["ready"]
    assert "Conv2D" in draft["reasons"][0]
    answer = client.post("/api/jobs", {"kind": "run"})
    assert answer.status_code == 409
    assert "Conv2D" in answer.json()["error"]


def test_the_command_line_reads_the_exported_params(client: Client, photos: Path, tmp_path: Path) -> None:
    client.choose(photos)
    client.post("/api/draft", {"revision": 1, "set": {"train.epochs": 3, "train.model": {"name": "MobileNetV2"}}})
    (tmp_path / "studio.yaml").write_text(client.get("/api/draft/params.yaml").text)
    params = load_params(tmp_path / "studio.yaml")
    assert (params.data.uri, params.train.epochs, params.train.model.name) == (str(photos), 3, "MobileNetV2")


def test_importing_a_params_file_stores_only_values_that_differ_from_the_defaults(client: Client) -> None:
    text = "train:\n  epochs: 5\n  batch_size: 32\n"
    draft = client.post("/api/draft/import", {"revision": 0, "text": text}).json()
    assert draft["params"] == {"train": {"epochs": 5}}


@pytest.mark.parametrize(
    ("text", "words"),
    [("train: {epochz: 3}", "epochz"), ("- a list", "sections"), ("a: [", "YAML"), ("data: {uri: /etc}", "/etc")],
)
def test_an_invalid_params_file_is_rejected(client: Client, text: str, words: str) -> None:
    answer = client.post("/api/draft/import", {"revision": 0, "text": text})
    assert answer.status_code in (400, 403)
    assert words in answer.json()["error"]
    assert client.revision == 0


@pytest.mark.parametrize("key", ["epochs", "nothing.epochs", "train.", "data.uri", ""])
def test_an_invalid_key_is_rejected(client: Client, key: str) -> None:
    assert client.post("/api/draft", {"revision": 0, "set": {key: 3}}).status_code == 400


@pytest.mark.parametrize("body", [b"[]", b"{", b"null", b"\xff", b'{"a":' * 100_000])
def test_a_request_that_is_not_a_json_object_is_rejected(client: Client, body: bytes) -> None:
    assert client.ask("POST", "/api/draft", content=body).status_code == 400


def test_importing_a_command_uses_its_options_and_its_params_file(client: Client, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("train: {epochs: 5, optimizer: sgd}\n")
    text = f"darkroom run --data {photos} --params mine.yaml --set train.epochs=9 --set 'train.model.layers=[Flatten]'"
    draft = client.post("/api/draft/import", {"revision": 0, "text": text}).json()
    assert draft["params"] == {
        "data": {"uri": str(photos)},
        "train": {"epochs": 9, "optimizer": "sgd", "model": {"layers": ["Flatten"]}},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("darkroom run --sett x", "There is no option '--sett'. Did you mean --set or --preset?"),
        ("darkroom clean --keep 0", "Only darkroom run"),
        ("darkroom run --data 'open", "No closing quotation"),
        ("darkroom run --params /etc/passwd", "/etc/passwd"),
        ("darkroom run --data /etc", "/etc"),
        ("darkroom run --set train.epochs=0", "epochs"),
        ("darkroom run --help", "expected"),
    ],
)
def test_an_invalid_command_changes_nothing(client: Client, text: str, words: str) -> None:
    answer = client.post("/api/draft/import", {"revision": 0, "text": text})
    assert answer.status_code in (400, 403)
    assert words in answer.json()["error"]
    assert client.revision == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": ""}, "the text is empty"),
        ({"text": "train: {epoch: 3}"}, "params.yaml: train.epoch: unknown key"),
        ({"text": "rm -rf /", "kind": "command"}, "A command such as darkroom run --data PHOTOS is expected"),
    ],
)
def test_invalid_imports_are_rejected_with_a_reason(client: Client, body: dict[str, str], words: str) -> None:
    answer = client.post("/api/draft/import", {"revision": 0, **body})
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert client.revision == 0


@pytest.mark.parametrize(
    ("image_size", "size"), [(96, [96, 96]), ([24, 20], [24, 20]), ("auto", [128, 128]), ([24, "x"], [128, 128])]
)
def test_a_network_is_checked_with_the_image_size_of_the_draft(
    client: Client, image_size: object, size: list[int]
) -> None:
    client.post("/api/draft", {"revision": 0, "set": {"preprocess.image_size": image_size}})
    assert client.post("/api/network", {"layers": ["Flatten"]}).json()["image_size"] == size


def test_a_network_is_checked_with_the_default_batch_size(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"layers": [{"Conv2D": {"filters": 8, "kernel_size": 3}}, "Flatten"]}
    monkeypatch.setattr("pipelines.studio.routes.bodies.TrainParams", lambda: TrainParams(batch_size=4))
    by_default = client.post("/api/network", body).json()["training_bytes"]
    assert by_default == client.post("/api/network", {**body, "batch_size": 4}).json()["training_bytes"]
    assert by_default < client.post("/api/network", {**body, "batch_size": 8}).json()["training_bytes"]


def test_a_message_counts_layers_from_one_as_the_page_does(client: Client, photos: Path) -> None:
    client.choose(photos)
    layers = ["Flatten", {"Conv2D": {"filters": 4, "kernel_size": 3}}]
    draft = client.post("/api/draft", {"revision": 1, "set": {"train.model": {"layers": layers}}}).json()
    assert not draft["ready"]
    assert draft["reasons"][0].startswith("Layer 2, Conv2D")


def test_after_a_slow_failure_the_data_is_not_read_again_for_some_time(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, uris = 0.0, []

    def fail_slowly(*_: object, uri: str, **__: object) -> None:
        nonlocal now
        now += 10
        uris.append(uri)
        raise DataError(f"{uri} cannot be read")

    monkeypatch.setattr(store.time, "monotonic", lambda: now)
    monkeypatch.setattr(client.studio.draft._workers, "ask", fail_slowly)
    drafts = [
        store.Draft(params={"data": {"uri": str(tmp_path / name)}, "train": {"epochs": epochs}})
        for name in ("one", "another")
        for epochs in (3, 4)
    ]
    for seconds, num_looks in ((0, 2), (15, 2), (30, 4)):
        now += seconds
        faults = [client.studio.draft.resolve(draft) for draft in drafts]
        assert [fault.what for fault in faults] == [f"{draft.data} cannot be read" for draft in drafts]
        assert len(uris) == num_looks
