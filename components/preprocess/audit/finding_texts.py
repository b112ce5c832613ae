"""What the findings of an audit are called, and what to do about each."""

from typing import Final

TITLES: Final = {
    "broken": "Files that cannot be used",
    "contradictory_labels": "The same photo under two labels",
    "leakage": "The same photo in two splits",
    "duplicates": "Copies of a photo",
    "near_duplicates": "Nearly the same photo",
    "wrong_extension": "Names that say another format",
    "extreme_aspect": "Very long or very wide photos",
    "low_resolution": "Photos much smaller than prepared",
    "brightness_outliers": "Far darker or brighter than the others",
    "blur_outliers": "Far less sharp than the others",
    "pixel_depth": "Photos of more than 8 bits",
    "low_information": "Photos that show almost nothing",
    "odd_size": "Far larger or smaller than the others",
    "grayscale": "Gray photos among colored ones",
    "placeholders": "One picture in many classes",
    "imbalance": "Unequal classes",
    "few_photos": "Few training photos",
    "tiny_classes": "Too few photos to judge by",
    "split_drift": "Splits that differ",
}
ADVICE: Final = {
    "broken": "Copy them again from their origin, or save them as one of the allowed formats; the note says what is "
    "wrong with each.",
    "contradictory_labels": "Decide which label is right and remove the other copy, or write the decisions into a "
    "table: darkroom data relabel.",
    "leakage": "Nothing, if the training copies may go. A model that has seen its test photos looks better than it is.",
    "duplicates": "Nothing: one copy counts. Many copies point to an error in collecting.",
    "near_duplicates": "Look whether they are meant. They are kept in one split, so they cannot flatter the figures.",
    "wrong_extension": "Nothing for training, which reads the content. Rename them for other programs.",
    "extreme_aspect": "Crop them to the object, or set preprocess.resize to pad or crop.",
    "low_resolution": "Find the originals, or set a smaller preprocess.image_size.",
    "brightness_outliers": "Look whether they show anything; if not, remove them.",
    "blur_outliers": "Look whether they are blurred or merely plain; remove those that show nothing.",
    "pixel_depth": "Nothing, if black and white are right: training and the service use this range. Where the values "
    "that matter fill only part of it, set preprocess.pixel_range to them, such as [1000, 3000].",
    "low_information": "Remove those that show nothing: blank frames, covered lenses, plain graphics.",
    "odd_size": "Check that they are originals: thumbnails and scans often come from another source.",
    "grayscale": "Check whether they come from another source. If one class has most of them, the model may learn the "
    "color instead of the object.",
    "placeholders": "Remove them: the same picture in many classes, such as “no image”, teaches nothing. "
    "preprocess.audit.placeholders: quarantine leaves them out. Photos of one still scene may look the same and be "
    "right.",
    "imbalance": "Add photos of the rare classes; until then look at macro F1 and at each class's recall, not at "
    "accuracy alone.",
    "few_photos": "Add photos: 50 are a beginning, some hundred are good. Until then take a pretrained model and "
    "strong augmentation.",
    "tiny_classes": "Add photos, or raise preprocess.validation_fraction and test_fraction: one photo more or less "
    "moves such a class's recall by ten points.",
    "split_drift": "Find out why the splits differ: the figures tell about photos like those of the test split only.",
}
