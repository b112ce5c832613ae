"""Sends responses from the servers that tests use in place of real ones."""

import json
from http.server import BaseHTTPRequestHandler


def send_json(handler: BaseHTTPRequestHandler, status: int, answer: object) -> None:
    """Answers the request with JSON."""
    _send(handler, status, json.dumps(answer), "application/json")


def send_text(handler: BaseHTTPRequestHandler, status: int, text: str) -> None:
    """Answers the request with plain text."""
    _send(handler, status, text, "text/plain; charset=utf-8")


def _send(handler: BaseHTTPRequestHandler, status: int, text: str, content_type: str) -> None:
    content = text.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
