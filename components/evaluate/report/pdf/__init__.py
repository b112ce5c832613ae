"""The report as a PDF, made with reportlab. Import `document`."""
