"""The cache of decoded pixels and of facts about files. Import `pixel_cache`."""
