"""Builds and pins container images, checks licenses, and writes bills of materials. Import any module."""
