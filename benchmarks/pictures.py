"""Generates JPEG photos for benchmarks: smooth shapes, edges and sensor noise."""

import cv2
import numpy as np
import simplejpeg


def jpeg(height: int, width: int, seed: int = 0) -> bytes:
    """Generates a JPEG photo with about as many bytes per pixel as one from a camera."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(
        rng.normal(128, 50, (12, 16, 3)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    for _ in range(12):
        center = int(rng.integers(width)), int(rng.integers(height))
        color = [float(value) for value in rng.uniform(0, 255, 3)]
        cv2.circle(smooth, center, int(rng.integers(height // 20, height // 4)), color, thickness=-1)
    smooth += rng.standard_normal((height, width, 1), np.float32) * 6
    pixels = smooth.clip(0, 255).astype(np.uint8)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=87, colorsubsampling="420"))
