"""What kubectl tells of a cluster: reasons of pods, and whether volumes can be mounted. Import any module."""
