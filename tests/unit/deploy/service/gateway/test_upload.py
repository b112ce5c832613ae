"""Which requests are accepted as photos, and the errors for all other requests."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request

from components.deploy.client import encode_form
from components.deploy.service.gateway import upload
from components.deploy.service.gateway.upload import RefusedUpload, read_options, read_photos
from components.deploy.service.protocol import MAX_BODY_BYTES, MAX_FILES

FORM = "multipart/form-data; boundary=cut"
CHUNKED = (b"transfer-encoding", b"chunked")


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    return b'--cut\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (
        name.encode(),
        file.encode(),
        content,
    )


def read(content_type: str | None, chunks: Iterable[bytes], content_length: str | None = None) -> list[bytes]:
    """The photos read from a request whose body arrives in these chunks."""
    headers = [(b"content-type", content_type.encode())] if content_type else []
    headers += [(b"content-length", content_length.encode()) if content_length else CHUNKED]
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    message_iterator = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, object]:
        return next(message_iterator)

    return asyncio.run(read_photos(Request({"type": "http", "method": "POST", "headers": headers}, receive)))


def read_refusal(*arguments: object, **options: object) -> RefusedUpload:
    with pytest.raises(RefusedUpload) as error:
        read(*arguments, **options)  # type: ignore[arg-type]
    return error.value


def test_photos_keep_their_order_and_other_form_fields_are_ignored() -> None:
    body = part("files", b"one", "b.jpg") + part("note", b"hello") + part("files", b"two", "a.jpg") + b"--cut--\r\n"
    assert read(FORM, [body]) == [b"one", b"two"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_in_chunks_of_any_size_is_read_completely(size: int) -> None:
    photos = [bytes(range(256)) * 5, b"", b"\r\n--cut\r\n" * 50]
    content_type, body = encode_form(photos)
    assert read(content_type, [body[start : start + size] for start in range(0, len(body), size)]) == photos


@pytest.mark.parametrize("content_type", [None, "", "application/octet-stream", "image/jpeg; q=1"])
def test_a_body_without_a_content_type_or_with_a_binary_one_is_one_photo(content_type: str | None) -> None:
    assert read(content_type, [b"pho", b"to"]) == [b"photo"]


@pytest.mark.parametrize("content_type", [None, FORM, "application/json", "image/png"])
def test_the_error_for_a_missing_body_describes_the_expected_body(content_type: str | None) -> None:
    fault = read_refusal(content_type, [], content_length="0")
    assert (fault.status, fault.code) == (400, "no_files")
    assert "'files'" in str(fault)
    assert "image/…" in str(fault)
    assert "it is missing" in str(fault)


@pytest.mark.parametrize("filename", ["../../etc/passwd", "a\0b.jpg", "", "日本.png", "x" * 1000])
def test_the_file_name_is_ignored(filename: str) -> None:
    assert read(FORM, [part("files", b"photo", filename) + b"--cut--\r\n"]) == [b"photo"]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code", "text"),
    [
        ("text/plain", b"photo", 415, "not_a_photo", "text/plain"),
        ("application/json", b"{}", 415, "not_a_photo", "application/json"),
        ("application/x-www-form-urlencoded", b"files=x", 415, "not_a_photo", "urlencoded"),
        (FORM, part("file", b"photo", "a.jpg") + b"--cut--\r\n", 400, "no_files", "'file'"),
        (FORM, part("image", b"p", "a") + part("image", b"p", "b") + b"--cut--\r\n", 400, "no_files", "'image'"),
        (FORM, b"--cut--\r\n", 400, "no_files", "an empty form"),
        (FORM, b"", 400, "no_files", "an empty form"),
        (FORM, part("files", b"https://example.org/cat.jpg") + b"--cut--\r\n", 400, "not_a_file", "text"),
        (FORM, part("files", b"/etc/passwd") + b"--cut--\r\n", 400, "not_a_file", "text"),
        (FORM, b"this is no form", 400, "bad_form", "Invalid multipart data"),
        ("multipart/form-data", b"", 400, "bad_form", "boundary"),
        (FORM, part("files", b"p", "a") * (MAX_FILES + 1) + b"--cut--\r\n", 400, "bad_form", "Too many files"),
        (FORM, part("note", b"x" * 100_000) + b"--cut--\r\n", 400, "bad_form", "maximum size"),
    ],
)
def test_the_error_for_an_invalid_body_describes_the_body(
    content_type: str | None, body: bytes, status: int, code: str, text: str
) -> None:
    error = read_refusal(content_type, [body])
    assert (error.status, error.code) == (status, code)
    assert text in str(error)


def test_the_error_for_a_wrong_field_names_the_expected_field() -> None:
    assert "'files'" in str(read_refusal(FORM, [part("file", b"photo", "a.jpg") + b"--cut--\r\n"]))


def test_long_field_names_are_shortened_in_the_message() -> None:
    body = b"".join(part(f"{number}{'x' * 3000}", b"photo", "a.jpg") for number in range(MAX_FILES)) + b"--cut--\r\n"
    assert len(str(read_refusal(FORM, [body]))) < 3000


def test_a_body_whose_declared_length_is_too_large_is_rejected_before_it_is_read() -> None:
    error = read_refusal(FORM, [], content_length=str(MAX_BODY_BYTES + 1))
    assert (error.status, error.code) == (413, "too_large")


def test_a_body_that_grows_too_large_is_rejected_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_BODY_BYTES", 1000)
    body = [part("files", b"x" * 500, "a"), part("files", b"x" * 600, "b"), b"--cut--\r\n"]
    for content_length in (None, "10"):
        assert read_refusal(FORM, body, content_length=content_length).status == 413


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/PNG; q=1", "application/octet-stream", "image/anything"])
def test_a_photo_that_is_the_whole_body_is_read_unchanged(kind: str) -> None:
    assert read(kind, [b"pho", b"to"]) == [b"photo"]


@pytest.mark.parametrize("kind", ["image/jpeg", FORM])
def test_a_compressed_body_is_rejected_before_it_is_read(kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-encoding", b"gzip")]

    async def receive() -> dict[str, object]:
        raise AssertionError("a compressed body must not be read")

    with pytest.raises(RefusedUpload) as error:
        asyncio.run(read_photos(Request({"type": "http", "method": "POST", "headers": headers}, receive)))
    assert (error.value.status, error.value.code) == (415, "encoded")


@pytest.mark.parametrize("kind", ["image/jpeg", FORM])
def test_a_body_that_arrives_too_slowly_is_rejected(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "BODY_SECONDS", 0.05)

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"-", "more_body": True}

    with pytest.raises(RefusedUpload) as error:
        headers = [(b"content-type", kind.encode()), CHUNKED]
        asyncio.run(read_photos(Request({"type": "http", "method": "POST", "headers": headers}, receive)))
    assert (error.value.status, error.value.code) == (408, "too_slow")


def test_a_client_that_disconnects_causes_no_internal_error() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(RefusedUpload) as error:
        headers = [(b"content-type", b"image/png"), CHUNKED]
        asyncio.run(read_photos(Request({"type": "http", "method": "POST", "headers": headers}, receive)))
    assert error.value.code == "disconnected"


def test_options_come_from_the_query() -> None:
    result = read_options({"top_k": "3", "threshold": "0.8"})
    assert (result.top_k, result.threshold, result.class_name) == (3, 0.8, None)
    assert read_options({}).top_k is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"top_k": "0"}, "top_k"),
        ({"top_k": "many"}, "top_k"),
        ({"threshold": "1.1"}, "threshold"),
        ({"threshold": "nan"}, "threshold"),
        ({"topk": "3"}, "did you mean top_k"),
        ({"class_name": "x" * 5000}, "class_name"),
    ],
)
def test_invalid_options_are_reported(query: dict[str, str], message: str) -> None:
    with pytest.raises(RefusedUpload, match=message) as error:
        read_options(query)
    assert error.value.status == 400
    assert len(str(error.value)) < 1000
