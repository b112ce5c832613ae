"""The cache of prepared pixels and of facts about files. Import `pixel_cache`."""
