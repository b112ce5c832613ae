"""Where the shared parts of reports are.

table_search.js    a search field and pages for each table marked `data-search`; without scripts every row is shown
table_search.css   how they look
"""

from pathlib import Path
from typing import Final

PAGE_PARTS_DIR: Final = Path(__file__).parent
"""For Jinja's loader, after the templates of the step."""
