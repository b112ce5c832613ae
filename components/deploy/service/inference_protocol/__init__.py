"""The Open Inference Protocol v2, which Triton, KServe and their clients use. Import `routes`."""
