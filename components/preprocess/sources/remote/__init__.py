"""Downloads data at addresses to the cache. Import `addresses`, `fetch` or `remote_folder`."""
