"""The steps of the pipeline, and the contract that they share."""
