"""The MLflow run that all steps log to. Import `run`; `spool` sends what `run` logs."""
