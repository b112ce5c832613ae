"""Layouts of exports, of albums and of folders created by hand, and how each layout should be interpreted."""

from tests.unit.preprocess.sources.folders.public_layouts import DataLayout

ALBUM_LAYOUTS = (
    DataLayout(
        "splits in dataset/dataset",
        (
            "dataset/dataset/train/cat/*3 dataset/dataset/train/dog/*3 dataset/dataset/test/cat/*2 "
            "dataset/dataset/test/dog/*2"
        ),
        lines=(
            "Found 10 photos in 2 classes: cat 5, dog 5.",
            "The data is split: train 6, test 4.",
            "The photos are in dataset/dataset.",
        ),
    ),
    DataLayout(
        "class folders in dataset/dataset",
        "dataset/dataset/cat/*3 dataset/dataset/dog/*3",
        lines=(
            "Found 6 photos in 2 classes: cat 3, dog 3.",
            "The photos are in dataset/dataset.",
        ),
    ),
    DataLayout(
        "Roboflow's folders with unlabeled photos",
        "train/cat/*3 train/dog/*3 train/Unlabeled/*3 valid/cat/*2 valid/dog/*2",
        lines=(
            "Found 10 photos in 2 classes: cat 5, dog 5.",
            "The data is split: train 6, validation 4.",
            "Photos left out of train because they have no labels: Unlabeled (3 photos).",
        ),
    ),
    DataLayout(
        "Roboflow's folder for a version of a data set",
        (
            "Pets.v3i.folder/train/cat/*3 Pets.v3i.folder/train/dog/*3 Pets.v3i.folder/valid/cat/*2 "
            "Pets.v3i.folder/valid/dog/*2"
        ),
        lines=(
            "Found 10 photos in 2 classes: cat 5, dog 5.",
            "The data is split: train 6, validation 4.",
            "The photos are in Pets.v3i.folder.",
        ),
    ),
    DataLayout(
        "LabelImg's boxes next to photos in class folders",
        "cat/*3 cat/1.xml cat/2.xml dog/*3 dog/1.xml classes.txt",
        lines=("Found 6 photos in 2 classes: cat 3, dog 3.",),
    ),
    DataLayout(
        "LabelImg's boxes next to photos",
        "*3 1.xml 2.xml 3.xml classes.txt",
        refusal=(
            "The photos must be in one folder per class; {data} has no class folders: 3 photos without a "
            "folder, such as 1.jpg. Create a folder for each class in {data} and move its photos there, "
            "or pass a table of paths and labels (--data labels.csv)."
        ),
    ),
    DataLayout(
        "a folder that Google Drive has divided into parts",
        (
            "photos-20240101T000000Z-001/photos/cat/*3 photos-20240101T000000Z-001/photos/dog/*3 "
            "photos-20240101T000000Z-002/photos/cat/*2 photos-20240101T000000Z-002/photos/dog/*2"
        ),
        lines=(
            "Found 10 photos in 2 classes: cat 5, dog 5.",
            (
                "The folders photos-20240101T000000Z-001 and photos-20240101T000000Z-002 are read as parts of one "
                "collection."
            ),
        ),
    ),
    DataLayout(
        "several folders that Google Drive has divided into parts",
        (
            "drive-download-20240101T000000Z-001/cat/*3 drive-download-20240101T000000Z-001/dog/*3 "
            "drive-download-20240101T000000Z-002/cat/*3"
        ),
        lines=(
            "Found 9 photos in 2 classes: cat 6, dog 3.",
            (
                "The folders drive-download-20240101T000000Z-001 and drive-download-20240101T000000Z-002 are read as "
                "parts of one collection."
            ),
        ),
    ),
    DataLayout(
        "Google Takeout",
        (
            "Takeout/Google%20Photos/cats/*3 Takeout/Google%20Photos/cats/1.jpg.json Takeout/Google%20Photos/dogs/*3 "
            "Takeout/Google%20Photos/dogs/metadata.json Takeout/archive_browser.html"
        ),
        refusal=(
            "There must be at least two classes; {data} has only one class folder, 'Takeout'. If the "
            "classes are inside it, pass that folder: --data '{data}/Takeout/Google Photos'"
        ),
    ),
    DataLayout(
        "folders from a phone",
        "DCIM/Camera/*3 DCIM/Screenshots/*2 Pictures/WhatsApp/*2",
        refusal=(
            "The folders of the data must be classes; {data} contains DCIM and Pictures, whose names are common for "
            "folders that contain class folders. If they are classes, rename them; otherwise pass one of them: "
            "--data {data}/DCIM"
        ),
    ),
    DataLayout(
        "years within classes",
        "cat/2021/*3 cat/2022/*2 dog/2021/*3 dog/2022/*2",
        lines=(
            "Found 10 photos in 2 classes: cat 5, dog 5.",
            "The outer folders are the classes: all photos in the subfolders 2021 and 2022 of cat belong to cat.",
        ),
    ),
    DataLayout(
        "classes within years",
        "2021/cat/*3 2021/dog/*3 2022/cat/*3 2022/dog/*3 2022/bird/*2",
        lines=(
            "Found 14 photos in 3 classes: bird 2, cat 6, dog 6.",
            "The folders 2021 and 2022 are read as parts of one collection.",
        ),
    ),
    DataLayout(
        "months within years",
        "2021/01/*3 2021/02/*3 2022/01/*3 2022/02/*3",
        refusal=(
            "The class folders must be on one level; 2021 and 2022 in {data} contain the same folders 01 and 02, and "
            "either level may be the classes. If 01 and 02 are the classes, merge the folders of the same name, or "
            "rename 2021 and 2022 "
            "to part1, part2 and so on; if these are splits, rename them to train, validation and test. If 2021 and "
            "2022 "
            "are the classes, put their photos directly into them. Or pass a table of paths and labels (--data "
            "labels.csv)."
        ),
    ),
    DataLayout(
        "file suffixes in upper and lower case",
        "cat/a.JPG cat/b.Jpeg cat/c.PNG dog/a.JPEG dog/b.TIFF dog/c.Bmp",
        lines=("Found 6 photos in 2 classes: cat 3, dog 3.",),
    ),
    DataLayout(
        "a class that is empty in train",
        "train/cat/*3 train/dog/*3 train/bird/ test/cat/*2 test/bird/*2",
        refusal=(
            "Each class must have photos in train; test has bird (2 photos), and train has no photos of it. "
            "Move some of the photos into a folder train/bird, or move test/bird out of the data."
        ),
    ),
    DataLayout(
        "a class that is empty in test",
        "train/cat/*3 train/dog/*3 test/cat/*2 test/dog/",
        lines=(
            "Found 8 photos in 2 classes: cat 5, dog 3.",
            "The data is split: train 6, test 2.",
        ),
    ),
    DataLayout(
        "photos next to class folders",
        "a.jpg b.jpg cat/*3 dog/*3",
        lines=(
            "Found 6 photos in 2 classes: cat 3, dog 3.",
            "Photos left out because they are not in a class folder: 2 photos next to the class folders.",
        ),
    ),
    DataLayout(
        "Brain Tumor MRI",
        "Training/glioma/*3 Training/notumor/*3 Testing/glioma/*2 Testing/notumor/*2",
        lines=(
            "Found 10 photos in 2 classes: glioma 5, notumor 5.",
            "The data is split: train 6, test 4.",
        ),
    ),
    DataLayout(
        "train_set and test_set",
        "train_set/cat/*3 train_set/dog/*3 test_set/cat/*2 test_set/dog/*2",
        lines=(
            "Found 10 photos in 2 classes: cat 5, dog 5.",
            "The data is split: train 6, test 4.",
        ),
    ),
    DataLayout(
        "numbered split folders",
        "01-train/cat/*3 01-train/dog/*3 02-val/cat/*2 02-val/dog/*2 03-test/*3",
        lines=(
            "Found 10 photos in 2 classes: cat 5, dog 5.",
            "The data is split: train 6, validation 4.",
            (
                "Left out, because photos without class folders have no labels: 03-test (3 photos). The photos for "
                "test are taken from train."
            ),
        ),
    ),
    DataLayout(
        "splits inside class folders, with one class only in train",
        "class_a/train/*3 class_a/val/*2 class_b/train/*3",
        lines=(
            "Found 8 photos in 2 classes: class_a 5, class_b 3.",
            "The data is split: train 6, validation 2.",
            "Each class folder contains its splits: the folders train and val.",
        ),
    ),
    DataLayout(
        "splits inside only one of the class folders",
        "class_a/train/*3 class_a/test/*2 class_b/*3",
        refusal=(
            "All class folders must be split in the same way; class_a in {data} contains test and train, "
            "and class_b (3 photos) has no training folder. Split class_b in the same way, or do not split any class."
        ),
    ),
    DataLayout(
        "photos beside the splits of a class folder",
        "class_a/train/*3 class_a/test/*2 class_b/train/*3 class_b/test/*1 class_b/*2",
        refusal=(
            "All class folders must be split in the same way; class_a in {data} contains test and train, and class_b "
            "(6 photos) also contains photos outside its splits. Split class_b in the same way, or do not split any "
            "class."
        ),
    ),
    DataLayout(
        "another folder beside the splits of a class folder",
        "class_a/train/*3 class_a/test/*2 class_b/train/*3 class_b/test/*1 class_b/blurred/*2",
        refusal=(
            "All class folders must be split in the same way; class_a in {data} contains test and train, and class_b "
            "(6 photos) also contains blurred. Split class_b in the same way, or do not split any class."
        ),
    ),
    DataLayout(
        "accents in two Unicode forms",
        "caf\xe9/*3 cafe\u0301/*2 th\xe9/*3",
        lines=("Found 8 photos in 2 classes: café 5, thé 3.",),
    ),
    DataLayout(
        "accents in different Unicode forms in two splits",
        "train/caf\xe9/*3 train/th\xe9/*3 test/cafe\u0301/*2 test/the\u0301/*2",
        lines=(
            "Found 10 photos in 2 classes: café 5, thé 5.",
            "The data is split: train 6, test 4.",
        ),
    ),
    DataLayout(
        "a dot at the end of a class name",
        "cat./*3 dog/*3 cat/*2",
        lines=(
            "Found 8 photos in 3 classes: cat 2, cat. 3, dog 3.",
            (
                "Classes whose names differ only in case, spaces, punctuation or a copy suffix: 'cat' (2 "
                "photos), 'cat.' (3 photos). If they are the same class, use one name."
            ),
        ),
    ),
    DataLayout(
        "a dot at the end of a class name in one split",
        "train/cat./*3 train/dog/*3 test/cat/*2 test/dog/*2",
        refusal=(
            "Each class must have photos in train; test has cat (2 photos), and train has no photos of it. "
            "'cat.' in train and 'cat' in test differ only in case, spaces, hyphens or dots: use the "
            "same name."
        ),
    ),
    DataLayout(
        "a copy of a class folder",
        "cat/*3 dog/*3 cat%20-%20Copy/*3",
        lines=(
            "Found 9 photos in 3 classes: cat 3, cat - Copy 3, dog 3.",
            (
                "Classes whose names differ only in case, spaces, punctuation or a copy suffix: 'cat' (3 "
                "photos), 'cat - Copy' (3 photos). If they are the same class, use one name."
            ),
        ),
    ),
    DataLayout(
        "a second download of a class folder",
        "cat/*3 cat%20(1)/*3 dog/*3",
        lines=(
            "Found 9 photos in 3 classes: cat 3, cat (1) 3, dog 3.",
            (
                "Classes whose names differ only in case, spaces, punctuation or a copy suffix: 'cat' (3 "
                "photos), 'cat (1)' (3 photos). If they are the same class, use one name."
            ),
        ),
    ),
    DataLayout(
        "numbered classes next to a file of class names",
        "0/*3 1/*3 2/*3 names.txt",
        lines=(
            "Found 9 photos in 3 classes: 0 3, 1 3, 2 3.",
            (
                "The classes are numbers; Darkroom does not read names.txt. If the class names are listed there, "
                "rename the folders accordingly."
            ),
        ),
    ),
)
