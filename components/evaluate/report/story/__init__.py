"""The content of the report as blocks, the same for the page and the PDF. Import `report`."""
