"""Renders the OpenAPI document as a page without scripts, libraries or files from other servers."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from components.contract.pages.markup import Child, Html, node

STYLES: Final = ("theme.css", "base.css", "docs.css")
METHODS: Final = ("get", "post")
CODE: Final = re.compile(r"`([^`]+)`")


def render_docs(document: Mapping[str, Any], base_url: str) -> str:
    """Renders the page as HTML; its links are relative, so that it also works below a path prefix.

    Args:
        document: the OpenAPI 3.1 document.
        base_url: the address of the service, for the example commands.
    """
    operations = [
        (method, path, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]
    schemas = document["components"]["schemas"]
    info = document["info"]
    links = [
        node("li", node("a", f"{method.upper()} {path}", href=f"#{operation['operationId']}"))
        for method, path, operation in operations
    ]
    tools = node("p", "For tools: ", node("a", "docs.json", href="docs.json"), ", OpenAPI 3.1. ", class_="soft")
    header = node(
        "header",
        node("p", "API", class_="eyebrow"),
        node("h1", info["title"]),
        node("p", _mark_code(info["description"]), class_="soft"),
        tools,
        node("nav", node("ul", links), aria_label="Endpoints"),
    )
    sections = [_operation(method, path, operation, base_url) for method, path, operation in operations]
    types = node("section", node("h2", "Types"), [_schema(name, schemas[name]) for name in schemas], id="types")
    home = node("a", "Try the model", href=".")
    head = (
        node("meta", charset="utf-8"),
        node("meta", name="viewport", content="width=device-width, initial-scale=1"),
        node("title", f"{info['title']}: API documentation"),
        node("link", rel="icon", href="data:,"),
        [node("link", rel="stylesheet", href=f"page/{name}") for name in STYLES],
    )
    footer = node("footer", "Made by Darkroom. ", home)
    body = node("body", node("div", header, node("main", sections, types), footer, class_="page docs"))
    return f"<!doctype html>\n{node('html', node('head', *head), body, lang='en')}\n"


def _operation(method: str, path: str, operation: Mapping[str, Any], base_url: str) -> Html:
    name = operation["operationId"]
    parameters = [
        (parameter["name"], _type_name(parameter["schema"]), parameter["description"])
        for parameter in operation.get("parameters", ())
    ]
    body = operation.get("requestBody", {}).get("content", {})
    return node(
        "section",
        node("h2", node("span", method.upper(), class_=f"method {method}"), " ", node("code", path)),
        node("p", operation["summary"]),
        _code(_curl(method, base_url + path, body), f"A command for {path}"),
        [node("h3", "Query"), _table(("Name", "Type", "Meaning"), parameters)] if parameters else None,
        [node("h3", "Body"), node("p", ", ".join(body))] if body else None,
        node("h3", "Answers"),
        [_answer(path, status, answer) for status, answer in operation["responses"].items()],
        id=name,
    )


def _answer(path: str, status: str, answer: Mapping[str, Any]) -> Html:
    title = (node("code", status), " ", answer["description"])
    examples = [content["example"] for content in answer["content"].values() if "example" in content]
    if not examples:
        return node("p", *title, class_="answer")
    text = json.dumps(examples[0], indent=2, ensure_ascii=False)
    return node("details", node("summary", *title), _code(text, f"Example response with status {status}, {path}"))


def _curl(method: str, url: str, body: Mapping[str, Any]) -> str:
    if method == "get":
        return f"curl {shlex.quote(url)}"
    form = body.get("multipart/form-data")
    if form is not None:
        return " ".join(("curl", *(f"-F {name}=@photo.jpg" for name in form["schema"]["required"]), shlex.quote(url)))
    data = shlex.quote(json.dumps(body["application/json"]["example"], ensure_ascii=False))
    return f"curl -H 'Content-Type: application/json' -d {data} {shlex.quote(url)}"


def _schema(name: str, schema: Mapping[str, Any]) -> Html:
    properties = schema.get("properties", {})
    rows = [(key, _type_name(part), part.get("description", "")) for key, part in properties.items()]
    table = _table(("Field", "Type", "Meaning"), rows) if rows else node("p", _type_name(schema))
    return node("div", node("h3", name), node("p", _mark_code(schema.get("description", ""))), table, id=f"type-{name}")


def _type_name(schema: Mapping[str, Any]) -> str:
    """Describes a JSON Schema type in words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(map(_type_name, options))
    items = schema.get("items")
    name = str(schema.get("type", "any"))
    return f"{name} of {_type_name(items)}" if name == "array" and items else name


def _table(titles: tuple[str, ...], rows: list[tuple[str, str, str]]) -> Html:
    head = node("thead", node("tr", [node("th", title, scope="col") for title in titles]))
    body = [
        node("tr", node("th", node("code", name), scope="row"), node("td", kind), node("td", _mark_code(meaning)))
        for name, kind, meaning in rows
    ]
    return node("table", head, node("tbody", body))


def _code(text: str, label: str) -> Html:
    return node("pre", node("code", text), tabindex="0", role="region", aria_label=label)


def _mark_code(text: str) -> Iterator[Child]:
    """Marks the parts of a string between backticks as code."""
    for position, part in enumerate(CODE.split(text)):
        yield node("code", part) if position % 2 else part
