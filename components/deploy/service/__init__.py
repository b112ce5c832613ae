"""The service in every bento. Import `protocol` or `classifier`; BentoML runs `app`."""
