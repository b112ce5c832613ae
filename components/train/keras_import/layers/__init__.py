"""The layers that an upload may contain: arguments, shapes, weights. Imported by `keras_import` alone."""
