"""The audit report as JSON, HTML and pictures. Import `pages`."""
