"""The draft of params.yaml that the page edits, and its conversion to and from text. All modules are public."""
