"""Parts that the reports of several steps share, such as the search of long tables; Jinja includes them."""
