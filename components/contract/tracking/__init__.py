"""The MLflow run that all steps log to: `run` is the interface, `spool` sends the messages."""
