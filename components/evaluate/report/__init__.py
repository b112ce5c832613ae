"""The report as HTML, PDF and model card. Import `html`, `pdf` or `model`."""
