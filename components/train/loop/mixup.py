"""Mixes each example of a batch, and its label, with another example: mixup and CutMix."""

from dataclasses import dataclass

import numpy as np

from components.contract.errors import ModelError


@dataclass(frozen=True)
class Mixing:
    """Mixes the examples of a batch; if both mixup and CutMix are on, each batch uses one of them at random.

    Attributes:
        mixup: α of Beta(α, α), the distribution of the mixing ratio (Zhang et al. 2018); 0 for no mixup.
        cutmix: α of Beta(α, α), the distribution of the share of the area that is kept (Yun et al. 2019); 0 for no
            CutMix.
        num_classes: the number of classes, k.
    """

    mixup: float
    cutmix: float
    num_classes: int

    def __call__(
        self, inputs: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mixes each example with a random example of the batch.

        Args:
            inputs: photos or features, uint8 or float32 (n, …); not modified.
            labels: the label of each example, int32 (n,).
            rng: the random number generator of this batch.

        Returns:
            The mixed inputs, and the weight of each class in each mixed example: float32 (n, k).

        Raises:
            ModelError: CutMix is requested, but the inputs have no height and width.
        """
        targets = np.eye(self.num_classes, dtype=np.float32)[labels]
        cuts = self.cutmix > 0 and (not self.mixup or rng.random() < 0.5)
        alpha = self.cutmix if cuts else self.mixup
        part = rng.beta(alpha, alpha)
        others = rng.permutation(len(inputs))
        if cuts:
            inputs, part = _cut(inputs, others, part, rng)
        else:
            mixed = part * inputs.astype(np.float32) + (1 - part) * inputs[others].astype(np.float32)
            inputs = np.rint(mixed).astype(np.uint8) if inputs.dtype == np.uint8 else mixed.astype(inputs.dtype)
        weight = np.float32(part)
        return inputs, weight * targets + (1 - weight) * targets[others]


def _cut(inputs: np.ndarray, others: np.ndarray, part: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Pastes a rectangle of another example into each input; also returns the share of the area that is unchanged."""
    if inputs.ndim != 4:
        raise ModelError(
            "train.cutmix needs photos or feature maps, but the trained layers receive vectors. Use "
            "train.mixup, or train earlier layers."
        )
    height, width = inputs.shape[1:3]
    rows, columns = np.rint(np.sqrt(1 - part) * np.array([height, width])).astype(int)
    y, x = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    inputs = inputs.copy()
    inputs[:, y : y + rows, x : x + columns] = inputs[others, y : y + rows, x : x + columns]
    return inputs, 1 - rows * columns / (height * width)
