"""Builds and pins container images, checks licenses, and writes bills of materials. All modules are public."""
