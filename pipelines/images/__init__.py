"""Container images: built, pinned, their licenses and bills of materials. Import any module."""
