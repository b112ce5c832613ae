"""The audit as JSON, HTML and pictures. Import `pages`."""
