"""The deploy step: builds a prediction service from a model bundle, and checks its answers over HTTP."""
