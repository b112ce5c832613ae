"""A model bundle becomes a prediction service that has answered over HTTP before it is called done."""
