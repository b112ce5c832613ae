"""Real photos through real programs, by subject: the pipeline, the service, the studio, containers."""
