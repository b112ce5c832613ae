"""What tests share and run: servers, browsers, container engines, processes and sample artifacts."""
