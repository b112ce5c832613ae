"""The learning rate range test and its page. Import `finder` or `page`."""
