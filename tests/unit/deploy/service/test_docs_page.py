"""The OpenAPI document, rendered as an HTML page."""

from typing import Any

import pytest

from components.contract.pages.theme import THEME_PATH
from components.deploy.service.docs_page import STYLES, render_docs
from components.deploy.service.pages import PAGE_DIR

ANSWER = {"schema": {"$ref": "#/components/schemas/Answer"}, "example": {"label": "<b>"}}
FORM = {"schema": {"type": "object", "required": ["files"]}}
DOCUMENT: dict[str, Any] = {
    "info": {"title": "pets", "description": "Send a `KEY`."},
    "paths": {
        "/predict": {
            "post": {
                "operationId": "predict",
                "summary": "Classifies.",
                "parameters": [{"name": "top_k", "description": "How many classes.", "schema": {"type": "integer"}}],
                "requestBody": {"content": {"multipart/form-data": FORM, "image/png": {}}},
                "responses": {"200": {"description": "One entry per file.", "content": {"application/json": ANSWER}}},
            }
        },
        "/feedback": {
            "post": {
                "operationId": "feedback",
                "summary": "Reports.",
                "requestBody": {"content": {"application/json": {"example": {"label": "it's"}}}},
                "responses": {},
            }
        },
        "/livez": {
            "get": {
                "operationId": "livez",
                "summary": "Alive.",
                "responses": {"200": {"description": "Yes.", "content": {"text/plain": {}}}},
            }
        },
    },
    "components": {
        "schemas": {
            "Answer": {
                "properties": {
                    "label": {"type": "string", "description": "A class."},
                    "scores": {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}},
                }
            },
            "Method": {"enum": ["cam", "occlusion"]},
        }
    },
}


@pytest.mark.parametrize(
    "part",
    [
        "<title>pets: API documentation</title>",
        "Send a <code>KEY</code>.",
        '<a href="#predict">POST /predict</a>',
        "curl -F files=@photo.jpg http://host/predict",
        "<code>top_k</code></th><td>integer</td><td>How many classes.</td>",
        "multipart/form-data, image/png",
        "&quot;label&quot;: &quot;&lt;b&gt;&quot;",
        "curl http://host/livez",
        "<td>array of number or null</td>",
        "<p>cam, occlusion</p>",
    ],
)
def test_the_page_shows_what_the_document_contains(part: str) -> None:
    assert part in render_docs(DOCUMENT, "http://host")


def test_the_style_sheets_of_the_page_exist() -> None:
    assert [name for name in STYLES if not (PAGE_DIR / name).is_file()] == [THEME_PATH.name]


def test_the_page_has_no_script_and_its_commands_are_quoted() -> None:
    page = render_docs(DOCUMENT, "http://host/a b")
    assert "<script" not in page
    assert "&#x27;http://host/a b/livez&#x27;" in page
    assert "it&#x27;&quot;&#x27;&quot;&#x27;s" in page
