"""Downloads data at addresses to the cache. Import `addresses` or `fetch`."""
