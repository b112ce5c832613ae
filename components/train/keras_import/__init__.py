"""Safe import of uploaded Keras models: parsed as untrusted, then rebuilt. Import `importing` or `loading`."""
