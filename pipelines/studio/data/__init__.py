"""The photos behind the screen Data: browsing, uploads, edits, versions. Import any module."""
