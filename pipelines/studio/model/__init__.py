"""The content of the Model screen: backbones and custom networks. All modules are public."""
