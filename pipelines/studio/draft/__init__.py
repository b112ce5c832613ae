"""The draft of params.yaml that the page edits, and its text. All modules are public."""
