"""Container images: built, pinned, their licences and bills of materials. Import any module."""
