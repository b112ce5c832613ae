"""The pipeline on a cluster: compiles it, places its tasks, submits it to a KFP server, and watches it there."""
