"""The content of the Model screen: backbones and custom networks. Import any module."""
