"""Augmentation `medium` of 64 photos of 224 px on two cores, compared with Keras' random layers."""

import os

import numpy as np

from benchmarks.table import Row, peak_memory_mb, time_by_turns
from components.contract.image.augment import augment, photo_seeds
from components.contract.params.augmentation import AUGMENTATION_PRESETS

NUM_PHOTOS = 64
SIDE = 224
LIMIT_MS = 40
NUM_CORES = 2


def measure() -> list[Row]:
    """Compares Keras with Darkroom, which also shifts the photos and changes their brightness and contrast."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:NUM_CORES])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    import tensorflow as tf

    params = AUGMENTATION_PRESETS["medium"]
    photos = smooth_photos()
    seeds = photo_seeds(np.arange(NUM_PHOTOS, dtype=np.uint64), seed=0, variant=0)
    layers = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(params.rotation_degrees / 360),
            keras.layers.RandomZoom(params.zoom),
        ]
    )
    compiled = tf.function(lambda batch: layers(tf.cast(batch, tf.float32), training=True))
    batch = tf.constant(photos)
    our_seconds, their_seconds = time_by_turns(lambda: augment(photos, params, seeds), lambda: compiled(batch))
    our_text = f"{1000 * our_seconds:.0f} ms"
    claim = f"augmentation medium, {NUM_PHOTOS} × {SIDE}², {NUM_CORES} cores"
    memory = peak_memory_mb()
    return [
        Row(
            claim,
            our_text,
            f"{1000 * their_seconds:.0f} ms, Keras RandomFlip + RandomRotation + RandomZoom",
            their_seconds / our_seconds,
            ">= 8",
            memory,
        ),
        Row(claim, our_text, f"{LIMIT_MS} ms, the limit", 1000 * our_seconds / LIMIT_MS, "<= 1", memory),
    ]


def smooth_photos() -> np.ndarray:
    """Draws pictures that consist of 16 × 16 px blocks in random colors: uint8 (64, 224, 224, 3)."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (NUM_PHOTOS, 14, 14, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)
