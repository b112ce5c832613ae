"""Markup stays valid, no matter which text it contains."""

import pytest

from components.contract.pages.markup import Html, join, node
from components.contract.system.address import Address


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (node("p", "<b>", Html("<b>x</b>")), "<p>&lt;b&gt;<b>x</b></p>"),
        (node("p", "a\u202e\nb"), "<p>a\\u202e\nb</p>"),
        (node("p", Address("set\x1b[31m")), "<p>set\\x1b[31m</p>"),
        (node("ul", [node("li", str(number)) for number in range(2)], None), "<ul><li>0</li><li>1</li></ul>"),
        (node("img", alt='" onerror="alert(1)'), '<img alt="&quot; onerror=&quot;alert(1)">'),
        (node("nav", hidden=True, aria_label="x", class_=None), '<nav hidden aria-label="x"></nav>'),
        (join(["a", " & ", Html("&amp;")]), "a &amp; &amp;"),
    ],
)
def test_text_is_escaped_and_markup_is_kept(element: Html, expected: str) -> None:
    assert element == expected
