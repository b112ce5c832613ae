"""Sets up TensorFlow on this machine: start, devices, precision, faster operations. Import any module."""
