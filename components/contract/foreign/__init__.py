"""Input that others made, read within limits: archives, documents, names, repositories. Import any module."""
