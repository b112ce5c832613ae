"""The report for paper, made by reportlab. Import `document`."""
