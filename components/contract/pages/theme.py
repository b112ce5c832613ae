"""The theme of pages, reports and charts: theme.css for pages, and its colors for charts and PDF."""

import re
from pathlib import Path
from typing import Final

THEME_PATH: Final = Path(__file__).with_name("theme.css")
"""Every page links to or embeds this file."""
COLORS: Final[dict[str, str]] = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6})", THEME_PATH.read_text("utf-8")))
"""The color of each name, such as `ink` or `train`, in the light theme."""
