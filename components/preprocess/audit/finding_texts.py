"""Titles and advice for the findings of an audit."""

from typing import Final

TITLES: Final = {
    "broken": "Files that cannot be used",
    "contradictory_labels": "The same photo with two labels",
    "leakage": "The same photo in two splits",
    "duplicates": "Copies of a photo",
    "near_duplicates": "Nearly the same photo",
    "wrong_extension": "Extensions that do not match the content",
    "extreme_aspect": "Photos with an extreme aspect ratio",
    "low_resolution": "Photos much smaller than the prepared size",
    "brightness_outliers": "Much darker or brighter than the others",
    "blur_outliers": "Much less sharp than the others",
    "pixel_depth": "Photos of more than 8 bits",
    "low_information": "Photos with little information",
    "odd_size": "Much larger or smaller than the others",
    "grayscale": "Gray photos among colored ones",
    "placeholders": "The same picture in many classes",
    "imbalance": "Unequal classes",
    "few_photos": "Few training photos",
    "tiny_classes": "Too few photos for reliable figures",
    "split_drift": "Splits that differ",
}
ADVICE: Final = {
    "broken": "Copy them again from their source, or save them in a supported format; the note names the problem "
    "of each file.",
    "contradictory_labels": "Decide which label is correct and remove the other copy, or write your decisions into a "
    "table for darkroom data relabel.",
    "leakage": (
        "Nothing, if the training copies may be removed. A model that was trained on its test photos looks "
        "better than it is."
    ),
    "duplicates": "Nothing: one copy is used. Many copies may mean that something went wrong during collection.",
    "near_duplicates": "Check whether they are intended. They are in one split, so they do not distort the figures.",
    "wrong_extension": "Nothing for training, which ignores the extension. Rename them for other programs.",
    "extreme_aspect": "Crop them to the object, or set preprocess.resize to pad or crop.",
    "low_resolution": "Find the originals, or set a smaller preprocess.image_size.",
    "brightness_outliers": "Check whether they show anything; if not, remove them.",
    "blur_outliers": "Check whether they are blurred or only plain; remove those that show nothing.",
    "pixel_depth": "Nothing, if black and white look right: training and the service use this range. If the relevant "
    "values fill only part of it, set preprocess.pixel_range, for example [1000, 3000].",
    "low_information": "Remove those that show nothing: blank frames, covered lenses, plain graphics.",
    "odd_size": "Check that they are originals: thumbnails and scans often come from another source.",
    "grayscale": "Check whether they come from another source. If one class has most of them, the model may learn the "
    "color instead of the object.",
    "placeholders": "Remove them: the same picture in many classes, such as “no image”, teaches nothing. "
    "preprocess.audit.placeholders: quarantine leaves them out. Photos of one unchanging scene may look "
    "the same and be correct.",
    "imbalance": "Add photos of the rare classes; until then use macro F1 and the recall of each class, not accuracy "
    "alone.",
    "few_photos": "Add photos: 50 are a start, a few hundred are good. Until then use a pretrained model and strong "
    "augmentation.",
    "tiny_classes": "Add photos, or raise preprocess.validation_fraction and test_fraction: with so few photos, one "
    "more error changes the recall of the class by ten points.",
    "split_drift": "Find out why the splits differ: the figures only apply to photos like those in the test split.",
}
