"""A real BentoML server, deployed by the real step."""
