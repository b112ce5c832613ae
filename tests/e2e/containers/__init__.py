"""Images and containers, if a container engine is available."""
