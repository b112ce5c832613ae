"""The data of the Data screen: browsing, uploads, edits, versions. Import any module."""
