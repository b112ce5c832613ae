"""What the screen Model offers: backbones and custom networks. Import any module."""
