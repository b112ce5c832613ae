"""The data of the screen Data: browsing, uploads, edits, versions. Import any module."""
