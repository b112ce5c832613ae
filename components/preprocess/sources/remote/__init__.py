"""Data at addresses, which are fetched into the cache. Import `addresses` or `fetch`."""
