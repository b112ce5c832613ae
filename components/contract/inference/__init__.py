"""The exported graph: running it, its calibration, its activation maps. Import any module."""
