"""The spotlight shows the decisive parts of a photo and darkens the rest."""

import numpy as np

from components.evaluate.report.spotlight import spotlight


def test_the_spotlight_darkens_irrelevant_parts() -> None:
    photo = np.full((8, 8, 3), 200, np.uint8)
    spotlit_pixels = spotlight(photo, np.array([[1.0, 0.0], [0.0, 0.0]], np.float32))
    assert spotlit_pixels[0, 0].max() > 180
    assert spotlit_pixels[-1, -1].max() < 80
    assert spotlit_pixels.shape == photo.shape
    assert spotlit_pixels.dtype == np.uint8
