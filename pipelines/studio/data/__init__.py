"""The content of the Data screen: browsing, uploads, edits and versions. All modules are public."""
