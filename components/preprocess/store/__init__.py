"""The cache of decoded pixels and of what is known of files. Import `pixel_cache`."""
