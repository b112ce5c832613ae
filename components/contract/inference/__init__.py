"""The exported graph: inference, calibration and activation maps."""
