"""What the report says, as blocks: told once for the page and the PDF. Import `report`."""
