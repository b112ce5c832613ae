"""End-to-end tests with real photos and real programs: the pipeline, the service, the studio, containers."""
