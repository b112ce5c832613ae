"""Common layouts, some of them ambiguous, and how each should be interpreted."""

from tests.unit.preprocess.sources.folders.public_layouts import DataLayout

USUAL_LAYOUTS = (
    DataLayout(
        "a placeholder folder in test, as Keras requires",
        "train/a/*3 train/b/*3 test/unknown/*4",
        lines=(
            "Found 6 photos in 2 classes: a 3, b 3.",
            "The data is split: train 6.",
            (
                "Left out, because photos without class folders have no labels: test (4 photos). The photos for "
                "validation and test are taken from train."
            ),
        ),
    ),
    DataLayout(
        "a class that is only in test",
        "train/a/*3 train/b/*3 test/a/*2 test/b/*2 test/c/*2",
        refusal="Each class must have photos in train; test has c (2 photos), and train has no photos of it. "
        "Move some of the photos into a folder train/c, or move test/c out of the data.",
    ),
    DataLayout(
        "a class name that is spelled differently in test",
        "train/Cat/*3 train/dog/*3 test/cat%20/*2 test/dog/*2",
        refusal="Each class must have photos in train; test has 'cat ' (2 photos), and train has no photos of it. "
        "'Cat' in train and 'cat ' in test differ only in case, spaces, hyphens or dots: use the same "
        "name.",
    ),
    DataLayout(
        "class names that differ only in case and spaces",
        "Cat/*3 cat%20/*2 dog/*3",
        lines=(
            "Found 8 photos in 3 classes: Cat 3, 'cat ' 2, dog 3.",
            (
                "Classes whose names differ only in case, spaces, punctuation or a copy suffix: 'Cat' (3 "
                "photos), 'cat ' (2 photos). If they are the same class, use one name."
            ),
        ),
    ),
    DataLayout(
        "two folders for training",
        "train/a/*3 train/b/*3 Train/a/*3 test/a/*2",
        refusal=(
            "Each split must have one folder; the train split has Train and train. Merge these folders, or rename one."
        ),
    ),
    DataLayout(
        "test photos next to class folders",
        "cat/*3 dog/*3 test/*4 unlabeled/*2",
        lines=(
            "Found 6 photos in 2 classes: cat 3, dog 3.",
            (
                "Folders left out because their names are unlikely to be class names: test (4 photos) and unlabeled "
                "(2 photos). If they are classes, rename the folders."
            ),
        ),
    ),
    DataLayout(
        "a test folder next to class folders",
        "cat/*3 dog/*3 test/cat/*2 test/dog/*2",
        refusal="If the data is split, it must have a folder train; {data} has class folders cat and dog, and a folder "
        "test with the same classes. Move the class folders for training into {data}/train, or move test out "
        "of the data.",
    ),
    DataLayout(
        "no folder for training",
        "test/a/*3 val/a/*3",
        refusal="If the data is split, it must have a folder train with class folders; found only test and val in "
        "{data}. Move the training photos of each class into a folder {data}/train/CLASS.",
    ),
    DataLayout(
        "a training folder without class folders",
        "train/*3 test/a/*3 test/b/*3",
        refusal="If the data is split, it must have a folder train with class folders; there are none in train. Move "
        "the training photos of each class into a folder {data}/train/CLASS.",
    ),
    DataLayout(
        "vehicles, one of which is a train",
        "train/*3 bus/*3 car/*3",
        lines=(
            "Found 9 photos in 3 classes: bus 3, car 3, train 3.",
            ("The folder train is read as a class, like bus and car. If it is not a class, move it out of the data."),
        ),
    ),
    DataLayout(
        "classes called valid and invalid",
        "valid/*3 invalid/*3",
        lines=(
            "Found 6 photos in 2 classes: invalid 3, valid 3.",
            ("The folder valid is read as a class, like invalid. If it is not a class, move it out of the data."),
        ),
    ),
    DataLayout(
        "splits inside class folders",
        "cat/train/*3 cat/test/*2 dog/train/*3 dog/test/*2",
        lines=(
            "Found 10 photos in 2 classes: cat 5, dog 5.",
            "The data is split: train 6, test 4.",
            "Each class folder contains its splits: the folders test and train.",
        ),
    ),
    DataLayout(
        "folds",
        "fold1/a/*2 fold1/b/*2 fold2/a/*2 fold2/b/*2",
        lines=(
            "Found 8 photos in 2 classes: a 4, b 4.",
            "The folders fold1 and fold2 are read as parts of one collection.",
        ),
    ),
    DataLayout(
        "class folders with one subfolder each",
        "cat/cat/*3 dog/dog/*3",
        lines=("Found 6 photos in 2 classes: cat 3, dog 3.",),
    ),
    DataLayout(
        "variants inside class folders",
        "cat/color/*3 cat/gray/*3 dog/color/*3 dog/gray/*3",
        lines=(
            "Found 12 photos in 2 classes: cat 6, dog 6.",
            "The outer folders are the classes: all photos in the subfolders color and gray of cat belong to cat.",
        ),
    ),
    DataLayout(
        "system folders of a file server",
        "cat/*3 dog/*3 @eaDir/cat/*2 #recycle/*2 lost+found/*1 cat/@eaDir/1.jpg/*2",
        lines=("Found 6 photos in 2 classes: cat 3, dog 3.",),
    ),
    DataLayout(
        "a single outer folder",
        "pets/cat/*3 pets/dog/*3",
        refusal="There must be at least two classes; {data} has only one class folder, 'pets'. If the classes "
        "are inside it, pass that folder: --data {data}/pets",
    ),
    DataLayout(
        "masks next to photos",
        "images/cat/*3 images/dog/*3 masks/cat/*3 masks/dog/*3",
        lines=(
            "Found 6 photos in 2 classes: cat 3, dog 3.",
            "The photos are in images.",
            "Folders left out because they are next to images, not in it: masks (6 photos).",
        ),
    ),
    DataLayout(
        "archives in the folder",
        "train.zip test1.zip",
        refusal="The data must be folders of photos, one per class; {data} has 2 files and no such folder. Move "
        "the photos of each class into a folder named after it, or pass a table of paths and labels. "
        "Unpack test1.zip and train.zip first, or pass one of them.",
    ),
    DataLayout(
        "file names from a camera",
        "IMG_001.jpg IMG_002.jpg DSC_001.jpg DSC_002.jpg",
        refusal="The photos must be in one folder per class; {data} has no class folders: 4 photos without a "
        "folder, such as DSC_001.jpg. Create a folder for each class in {data} and move its photos "
        "there, or pass a table of paths and labels (--data labels.csv).",
    ),
    DataLayout(
        "The Simpsons",
        "simpsons_dataset/bart/*3 simpsons_dataset/homer/*3 simpsons_dataset/simpsons_dataset/bart/*3 "
        "kaggle_simpson_testset/kaggle_simpson_testset/*3 weights.best.hdf5",
        refusal="The data must be one data set; {data} contains kaggle_simpson_testset and simpsons_dataset, and "
        "simpsons_dataset itself contains class folders. Pass one of them: --data {data}/simpsons_dataset",
    ),
    DataLayout(
        "German traffic signs",
        "Train/0/*3 Train/1/*3 Test/*4 Meta/*2 Train.csv Test.csv Meta.csv",
        lines=(
            "Found 6 photos in 2 classes: 0 3, 1 3.",
            "The data is split: train 6.",
            (
                "Left out, because photos without class folders have no labels: Test (4 photos). The photos for "
                "validation and test are taken from train."
            ),
            "Folders left out because they are next to the split folders: Meta (2 photos).",
        ),
    ),
    DataLayout(
        "HAM10000",
        "HAM10000_images_part_1/*3 HAM10000_images_part_2/*3",
        refusal="The photos must be in one folder per class; {data} has no class folders: HAM10000_images_part_1 "
        "(3 photos) and HAM10000_images_part_2 (3 photos), such as 1.jpg. Create a folder for each class "
        "in {data}/HAM10000_images_part_1 and move its photos there, or pass a table of paths and labels "
        "(--data labels.csv).",
    ),
    DataLayout(
        "Cell Images for Detecting Malaria",
        "cell_images/Parasitized/*3 cell_images/Uninfected/*3 cell_images/cell_images/Parasitized/*3 "
        "cell_images/cell_images/Uninfected/*3",
        lines=(
            "Found 12 photos in 2 classes: Parasitized 6, Uninfected 6.",
            "The photos are in cell_images.",
            (
                "The folder cell_images contains the class folders again (Parasitized and Uninfected); "
                "Darkroom adds its 6 photos to these classes, and counts identical photos once."
            ),
        ),
    ),
    DataLayout(
        "a test folder with an unusual name",
        "train/a/*3 train/b/*3 my_testset/*4",
        lines=(
            "Found 6 photos in 2 classes: a 3, b 3.",
            "The data is split: train 6.",
            (
                "Left out, because photos without class folders have no labels: my_testset (4 photos). The photos for"
                " validation and test are taken from train."
            ),
        ),
    ),
    DataLayout(
        "YOLO with a folder for each split",
        "train/images/*3 train/labels/1.txt valid/images/*2 valid/labels/1.txt data.yaml",
        refusal="The photos must be in one folder per class; {data} has no class folders: train/images (3 "
        "photos) and valid/images (2 photos), such as 1.jpg. Create a folder for each class in "
        "{data}/train/images and move its photos there, or pass a table of paths and labels (--data "
        "labels.csv).",
    ),
)
