"""The report as a PDF, made with ReportLab. Import `document`."""
