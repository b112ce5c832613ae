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
    "brightness_outliers": "Photos much darker or brighter than the others",
    "blur_outliers": "Photos much less sharp than the others",
    "pixel_depth": "Photos with more than 8 bits per value",
    "low_information": "Photos with little detail",
    "odd_size": "Photos much larger or smaller than the others",
    "grayscale": "Gray photos among colored ones",
    "placeholders": "The same picture in many classes",
    "imbalance": "Classes of very different sizes",
    "few_photos": "Few training photos",
    "tiny_classes": "Too few photos for reliable metrics",
    "split_drift": "Splits that differ",
}
ADVICE: Final = {
    "broken": "Copy them again from their source, or save them in a supported format; each note names the problem "
    "with a file.",
    "contradictory_labels": "Decide which label is correct and remove the other copy, or write your decisions to a "
    "table for darkroom data relabel.",
    "leakage": (
        "Nothing to do if the training copies can be left out. A model that was trained on its test photos seems "
        "better than it is."
    ),
    "duplicates": "Nothing to do: one copy is used. Many copies may mean that something went wrong during collection.",
    "near_duplicates": "Check whether they are intended. Darkroom keeps them in the same split, so they do not distort "
    "the metrics.",
    "wrong_extension": "Nothing to do for training, which ignores the extension. Rename the files for other programs.",
    "extreme_aspect": "Crop them to the object, or set preprocess.resize to pad or crop.",
    "low_resolution": "Find the originals, or set a smaller preprocess.image_size.",
    "brightness_outliers": "Check whether anything is visible in them; if not, remove them.",
    "blur_outliers": "Check whether they are blurred or just plain; remove photos that show nothing.",
    "pixel_depth": "Nothing to do if the photos look right: training and the service use this range. If the relevant "
    "values fill only a part of it, set preprocess.pixel_range, for example to [1000, 3000].",
    "low_information": "Remove photos that show nothing: blank frames, covered lenses, plain graphics.",
    "odd_size": "Check whether they are the originals: thumbnails and scans often come from another source.",
    "grayscale": "Check whether they come from another source. If one class has most of them, the model may learn the "
    "color instead of the object.",
    "placeholders": "Remove them: a model learns nothing from the same picture in many classes, such as “no image”. "
    "To leave them out, set preprocess.audit.placeholders: quarantine. Photos of an unchanging scene may also look "
    "the same; keep those.",
    "imbalance": "Add photos of the rare classes. Until then, judge the model by macro F1 and the recall of each "
    "class, not only by accuracy.",
    "few_photos": "Add photos: 50 per class is a start, a few hundred is good. Until then, use a pretrained model "
    "and strong augmentation.",
    "tiny_classes": "Add photos, or increase preprocess.validation_fraction and preprocess.test_fraction: with so few "
    "photos, one more error changes the recall of the class by at least ten points.",
    "split_drift": "Find out why the splits differ: the metrics only apply to photos like those in the test split.",
}
