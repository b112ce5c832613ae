"""The content of the screen Model: backbones and custom networks. Import any module."""
