"""The service that every bento holds. Import `protocol` or `classifier`; `app` is run by BentoML."""
