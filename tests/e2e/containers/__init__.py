"""Images and containers, if there is an engine."""
