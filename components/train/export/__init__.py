"""Exports the trained network as an OpenVINO or ONNX graph, in int8, or as a SavedModel. Import any module."""
