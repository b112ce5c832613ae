"""Uploaded Keras models: read without trusting a byte, rebuilt by our constructors. Import `importing` or `loading`."""
