"""The learning rate range test and its page. Import `range_test` or `page`."""
