"""Layouts of public data sets, built from empty files, and how each should be interpreted."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataLayout:
    """A layout, and how it should be interpreted.

    Attributes:
        name: the name of the data set, or the kind of layout.
        files: paths separated by spaces; `a/*3` means three photos in the folder a, `a/` an empty folder, and `%20` a
            space.
        lines: the description of the data, if the layout is accepted.
        refusal: the error, if the layout is refused; it contains {data} in place of the path of the data.
        folder: the name of the folder that contains the data.
    """

    name: str
    files: str
    lines: tuple[str, ...] = ()
    refusal: str = ""
    folder: str = "set"

    def write(self, parent: Path) -> Path:
        """Creates the files, and returns the folder of the data."""
        for name in self.expand():
            path = parent / self.folder / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.touch()
        return parent / self.folder

    def expand(self) -> list[str]:
        """Returns the paths of the files and of the empty folders; those of the folders end in a slash."""
        names: list[str] = []
        for name in self.files.split():
            folder, star, count = name.replace("%20", " ").partition("*")
            names += [f"{folder}{number}.jpg" for number in range(1, int(count) + 1)] if star else [folder]
        return names


PUBLIC_LAYOUTS = (
    DataLayout(
        "Plant Seedlings",
        "train/Maize/*3 train/Cleavers/*2 test/*4 sample_submission.csv",
        lines=(
            "Found 5 photos in 2 classes: Cleavers 2, Maize 3.",
            "The data is split: train 5.",
            (
                "Left out, because photos without class folders have no labels: test (4 photos). The photos for "
                "validation and test are taken from train."
            ),
        ),
    ),
    DataLayout(
        "Dogs vs. Cats",
        "train/cat.0.jpg train/cat.1.jpg train/cat.2.jpg train/dog.0.jpg train/dog.1.jpg train/dog.2.jpg test1/*4"
        " sampleSubmission.csv",
        lines=(
            "Found 6 photos in 2 classes: cat 3, dog 3.",
            "The data is split: train 6.",
            "The classes are read from the file names, such as cat from train/cat.0.jpg.",
            "Folders left out because their file names contain no class: test1 (4 photos).",
        ),
    ),
    DataLayout(
        "Intel Image Classification",
        "seg_train/seg_train/sea/*3 seg_train/seg_train/forest/*3 seg_test/seg_test/sea/*2 "
        "seg_test/seg_test/forest/*2 seg_pred/seg_pred/*5",
        lines=(
            "Found 10 photos in 2 classes: forest 5, sea 5.",
            "The data is split: train 6, test 4.",
            "Folders left out because they are next to the split folders: seg_pred (5 photos).",
        ),
    ),
    DataLayout(
        "Cats and Dogs with training_set and test_set",
        "training_set/training_set/cats/*3 training_set/training_set/dogs/*3 test_set/test_set/cats/*2 "
        "test_set/test_set/dogs/*2 training_set/training_set/cats/_DS_Store",
        lines=("Found 11 photos in 2 classes: cats 6, dogs 5.", "The data is split: train 7, test 4."),
    ),
    DataLayout(
        "PlantVillage",
        "Tomato/*3 Potato/*3 Pepper/*3 PlantVillage/Tomato/*3 PlantVillage/Potato/*3 PlantVillage/Pepper/*3",
        lines=(
            "Found 18 photos in 3 classes: Pepper 6, Potato 6, Tomato 6.",
            (
                "The folder PlantVillage contains the class folders again (Pepper, Potato and Tomato); "
                "Darkroom adds its 9 photos to these classes, and counts identical photos once."
            ),
        ),
        folder="PlantVillage",
    ),
    DataLayout(
        "PlantVillage in color, grayscale and segmented",
        "color/Tomato/*2 color/Potato/*2 grayscale/Tomato/*2 grayscale/Potato/*2 segmented/Tomato/*2 "
        "segmented/Potato/*2",
        refusal="The folders of the data must be classes; color, grayscale and segmented in {data} contain the "
        "same folders Potato and Tomato, so they are probably variants of the same photos. Pass one of them: --data "
        "{data}/color",
    ),
    DataLayout(
        "Chest X-Ray",
        "train/NORMAL/*2 train/PNEUMONIA/*2 val/NORMAL/*2 val/PNEUMONIA/*2 test/NORMAL/*2 test/PNEUMONIA/*2 "
        "chest_xray/train/NORMAL/*2 chest_xray/train/PNEUMONIA/*2 chest_xray/val/NORMAL/*2 "
        "chest_xray/val/PNEUMONIA/*2 chest_xray/test/NORMAL/*2 chest_xray/test/PNEUMONIA/*2 "
        "__MACOSX/train/NORMAL/*2",
        lines=(
            "Found 12 photos in 2 classes: NORMAL 6, PNEUMONIA 6.",
            "The data is split: train 4, validation 4, test 4.",
            "Folders left out because they are next to the split folders: chest_xray (12 photos).",
        ),
        folder="chest_xray",
    ),
    DataLayout(
        "Oxford-IIIT Pet",
        "images/Abyssinian_1.jpg images/Abyssinian_10.jpg images/american_bulldog_1.jpg "
        "images/american_bulldog_2.jpg images/Abyssinian_100.mat annotations/list.txt annotations/trimaps/*4",
        lines=(
            "Found 4 photos in 2 classes: Abyssinian 2, american_bulldog 2.",
            "The photos are in images.",
            "Folders left out because they are next to images, not in it: annotations (4 photos).",
            "The classes are read from the file names, such as Abyssinian from images/Abyssinian_1.jpg.",
        ),
    ),
    DataLayout(
        "Tiny ImageNet",
        "train/n01443537/images/*3 train/n01443537/n01443537_boxes.txt train/n01629819/images/*3 val/images/*2 "
        "val/val_annotations.txt test/images/*2 wnids.txt words.txt",
        lines=(
            "Found 6 photos in 2 classes: n01443537 3, n01629819 3.",
            "The data is split: train 6.",
            (
                "Left out, because photos without class folders have no labels: test (2 photos) and val (2 photos). "
                "The photos for validation and test are taken from train."
            ),
        ),
    ),
    DataLayout(
        "Food-101",
        "images/apple_pie/*3 images/sushi/*3 meta/classes.txt meta/train.json meta/test.txt README.txt",
        lines=(
            "Found 6 photos in 2 classes: apple_pie 3, sushi 3.",
            "The photos are in images.",
            "Darkroom splits the photos itself; test.txt and train.json are not read. To use the split in them, move "
            "the photos into folders train and test, or write a label file with a column split.",
        ),
    ),
    DataLayout(
        "CUB-200-2011",
        "images/001.Black_footed_Albatross/*3 images/002.Laysan_Albatross/*3 attributes/attributes.txt "
        "parts/parts.txt train_test_split.txt",
        lines=(
            "Found 6 photos in 2 classes: 001.Black_footed_Albatross 3, 002.Laysan_Albatross 3.",
            "The photos are in images.",
            "Darkroom splits the photos itself; train_test_split.txt is not read. To use the split in it, move the "
            "photos into folders train and test, or write a label file with a column split.",
        ),
    ),
    DataLayout(
        "Stanford Dogs",
        "images/Images/n02085620-Chihuahua/*3 images/Images/n02085782-Japanese_spaniel/*3 "
        "annotations/Annotation/n02085620-Chihuahua/n02085620_10074",
        lines=(
            "Found 6 photos in 2 classes: n02085620-Chihuahua 3, n02085782-Japanese_spaniel 3.",
            "The photos are in images/Images.",
            "Folders left out because they are next to images, not in it: annotations (1 photo).",
        ),
    ),
    DataLayout(
        "Fruits-360",
        "Training/Apple/*3 Training/Banana/*3 Test/Apple/*2 Test/Banana/*2 test-multiple_fruits/*3 papers/paper.pdf",
        lines=(
            "Found 10 photos in 2 classes: Apple 5, Banana 5.",
            "The data is split: train 6, test 4.",
            (
                "Left out, because photos without class folders have no labels: test-multiple_fruits (3 photos). The "
                "photos for validation are taken from train."
            ),
        ),
    ),
    DataLayout(
        "10 Monkey Species",
        "training/training/n0/*3 training/training/n1/*3 validation/validation/n0/*2 validation/validation/n1/*2 "
        "monkey_labels.txt",
        lines=("Found 10 photos in 2 classes: n0 5, n1 5.", "The data is split: train 6, validation 4."),
    ),
    DataLayout(
        "TensorFlow Flowers",
        "flower_photos/daisy/*3 flower_photos/roses/*3 flower_photos/LICENSE.txt",
        lines=("Found 6 photos in 2 classes: daisy 3, roses 3.", "The photos are in flower_photos."),
    ),
    DataLayout(
        "Cassava without its table",
        "train_images/*4 test_images/*2",
        refusal="The photos must be in one folder per class; {data} has no class folders: train_images (4 "
        "photos) and test_images (2 photos), such as 1.jpg. Create a folder for each class in "
        "{data}/train_images and move its photos there, or pass a table of paths and labels (--data "
        "labels.csv).",
    ),
    DataLayout(
        "102 Flowers",
        "jpg/image_00001.jpg jpg/image_00002.jpg imagelabels.mat setid.mat",
        refusal="The photos must be in one folder per class; {data}/jpg has no class folders: 2 photos without a "
        "folder, such as image_00001.jpg. Create a folder for each class in {data}/jpg and move its "
        "photos there, or pass a table of paths and labels (--data labels.csv).",
    ),
    DataLayout(
        "YOLO",
        "images/train/*3 images/val/*2 labels/train/1.txt labels/val/1.txt data.yaml",
        refusal="The photos must be in one folder per class; {data}/images has no class folders: train (3 "
        "photos) and val (2 photos), such as 1.jpg. Create a folder for each class in "
        "{data}/images/train and move its photos there, or pass a table of paths and labels (--data "
        "labels.csv).",
    ),
    DataLayout(
        "casting product",
        "casting_data/casting_data/train/ok/*2 casting_data/casting_data/train/def/*2 "
        "casting_data/casting_data/test/ok/*2 casting_data/casting_data/test/def/*2 "
        "casting_512x512/casting_512x512/ok/*2 casting_512x512/casting_512x512/def/*2",
        refusal="The data must be one data set; {data} contains casting_512x512 and casting_data, and "
        "casting_data itself contains class folders. Pass one of them: --data {data}/casting_data",
    ),
)
