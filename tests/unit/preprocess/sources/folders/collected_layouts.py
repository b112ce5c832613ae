"""More layouts of public data sets and of users' folders, and how each should be interpreted."""

from tests.unit.preprocess.sources.folders.public_layouts import DataLayout

COLLECTED_LAYOUTS = (
    DataLayout(
        "TrashNet",
        "dataset-resized/glass/*3 dataset-resized/metal/*3",
        refusal=(
            "There must be at least two classes; {data} has only one class folder, 'dataset-resized'. If "
            "the classes are inside it, pass that folder: --data {data}/dataset-resized"
        ),
    ),
    DataLayout(
        "TrashNet, resized and original",
        "dataset-resized/glass/*3 dataset-resized/metal/*3 dataset-original/glass/*3 dataset-original/metal/*3",
        refusal=(
            "The folders of the data must be classes; dataset-original and dataset-resized in {data} "
            "contain the same folders glass and metal, so they are probably variants of the same photos. Pass one of "
            "them: --data {data}/dataset-original"
        ),
    ),
    DataLayout(
        "Garbage Classification",
        (
            "Garbage%20classification/Garbage%20classification/glass/*3 "
            "Garbage%20classification/Garbage%20classification/metal/*3 one-indexed-files.txt zero-indexed-files.txt"
        ),
        refusal=(
            "There must be at least two classes; {data} has only one class folder, 'Garbage "
            "classification'. If the classes are inside it, pass that folder: --data '{data}/Garbage "
            "classification/Garbage classification'"
        ),
    ),
    DataLayout(
        "COVID-19 Radiography",
        (
            "COVID-19_Radiography_Dataset/COVID/images/*3 COVID-19_Radiography_Dataset/COVID/masks/*3 "
            "COVID-19_Radiography_Dataset/Normal/images/*3 COVID-19_Radiography_Dataset/Normal/masks/*3"
        ),
        lines=(
            "Found 6 photos in 2 classes: COVID 3, Normal 3.",
            "The photos are in COVID-19_Radiography_Dataset.",
            ("Subfolders left out because their names suggest masks or annotations: masks (6 photos)."),
        ),
    ),
    DataLayout(
        "BreakHis",
        (
            "BreaKHis_v1/histology_slides/breast/benign/SOB/adenosis/p1/40X/*3 "
            "BreaKHis_v1/histology_slides/breast/malignant/SOB/ductal/p2/40X/*3"
        ),
        refusal=(
            "There must be at least two classes; {data} has only one class folder, 'BreaKHis_v1'. If the "
            "classes are inside it, pass that folder: --data {data}/BreaKHis_v1/histology_slides/breast"
        ),
    ),
    DataLayout(
        "Breast Histopathology Images",
        "10253/0/*3 10253/1/*2 10254/0/*3 10254/1/*3",
        refusal=(
            "The class folders must be on one level; 10253 and 10254 in {data} contain the same folders 0 and 1, and "
            "either level may be the classes. If 0 and 1 are the classes, merge the folders of the same name, or "
            "rename 10253 and 10254 "
            "to part1, part2 and so on; if these are splits, rename them to train, validation and test. If 10253 and "
            "10254 "
            "are the classes, put their photos directly into them. Or pass a table of paths and labels (--data "
            "labels.csv)."
        ),
    ),
    DataLayout(
        "ASL Alphabet",
        (
            "asl_alphabet_train/asl_alphabet_train/A/*3 asl_alphabet_train/asl_alphabet_train/B/*3 "
            "asl_alphabet_test/asl_alphabet_test/A_test.jpg asl_alphabet_test/asl_alphabet_test/B_test.jpg"
        ),
        lines=(
            "Found 6 photos in 2 classes: A 3, B 3.",
            "The data is split: train 6.",
            (
                "Left out, because photos without class folders have no labels: asl_alphabet_test (2 photos). The "
                "photos for validation and test are taken from train."
            ),
        ),
    ),
    DataLayout(
        "EuroSAT in two versions",
        "EuroSAT/AnnualCrop/*3 EuroSAT/Forest/*3 EuroSATallBands/AnnualCrop/1.tif EuroSATallBands/Forest/1.tif",
        refusal=(
            "The class folders must be on one level; EuroSAT and EuroSATallBands in {data} contain the same folders "
            "AnnualCrop and Forest, and either level may be the classes. If AnnualCrop and Forest are the classes, "
            "merge the folders of the same name, or rename EuroSAT and EuroSATallBands to part1, part2 and so on; if "
            "these are splits, rename them to train, validation and test. If EuroSAT and EuroSATallBands are the "
            "classes, put their photos "
            "directly into them. Or pass a table of paths and labels (--data labels.csv)."
        ),
    ),
    DataLayout(
        "Office-31",
        (
            "amazon/images/bike/*3 amazon/images/mug/*3 dslr/images/bike/*3 dslr/images/mug/*3 webcam/images/bike/*3 "
            "webcam/images/mug/*3"
        ),
        refusal=(
            "The class folders must be on one level; amazon, dslr and webcam in {data} contain the same folders bike "
            "and"
            " mug, and either level may be the classes. If bike and mug are the classes, merge the folders of the same "
            "name, or rename "
            "amazon, dslr and webcam to part1, part2 and so on; if these are splits, rename them to train, validation "
            "and test. If amazon, dslr and webcam are the classes, put their photos directly into them. Or pass a "
            "table of paths and labels (--data labels.csv)."
        ),
    ),
    DataLayout(
        "a split called eval",
        "train/a/*3 train/b/*3 eval/a/*2 eval/b/*2",
        refusal=(
            "Split folders must have the names train, validation and test; {data} has train with the class "
            "folders a and b, and next to it eval. If the latter is a split, rename it; otherwise move it out "
            "of the data."
        ),
    ),
    DataLayout(
        "photos without classes next to train",
        "train/a/*3 train/b/*3 holdout/*4",
        refusal=(
            "Split folders must have the names train, validation and test; {data} has train with the class "
            "folders a and b, and next to it holdout. If the latter is a split, rename it; otherwise move it "
            "out of the data."
        ),
    ),
    DataLayout(
        "a training folder with a French name",
        "entrainement/a/*3 entrainement/b/*3 test/a/*2 test/b/*2",
        refusal=(
            "Split folders must have the names train, validation and test; {data} has test with the class "
            "folders a and b, and next to it entrainement. If the latter is a split, rename it; otherwise move "
            "it out of the data."
        ),
    ),
    DataLayout(
        "splits with German names",
        "Training/a/*3 Training/b/*3 Validierung/a/*2 Validierung/b/*2",
        refusal=(
            "Split folders must have the names train, validation and test; {data} has Training with the class "
            "folders a and b, and next to it Validierung. If the latter is a split, rename it; otherwise move "
            "it out of the data."
        ),
    ),
    DataLayout(
        "splits with Spanish names",
        "entrenamiento/a/*3 entrenamiento/b/*3 prueba/a/*2 prueba/b/*2",
        refusal=(
            "The class folders must be on one level; entrenamiento and prueba in {data} contain the same folders a and "
            "b, and either level may be the classes. If a and b are the classes, merge the folders of the same name, "
            "or rename "
            "entrenamiento and prueba to part1, part2 and so on; if these are splits, rename them to train, validation "
            "and test. If entrenamiento and prueba are the classes, put their photos directly into them. Or pass a "
            "table of paths and labels (--data labels.csv)."
        ),
    ),
    DataLayout(
        "photos next to the class folders of a split",
        "train/a/*3 train/b/*3 train/*2 val/a/*2 val/b/*2",
        lines=(
            "Found 10 photos in 2 classes: a 5, b 5.",
            "The data is split: train 6, validation 4.",
            "Photos left out of train because they are not in a class folder: 2 photos.",
        ),
    ),
    DataLayout(
        "a class called train",
        "train/train/*3 train/bus/*3 test/train/*2 test/bus/*2",
        lines=(
            "Found 10 photos in 2 classes: bus 5, train 5.",
            "The data is split: train 6, test 4.",
        ),
    ),
    DataLayout(
        "labeled and unlabeled photos",
        "labeled/a/*3 labeled/b/*3 unlabeled/*4",
        lines=(
            "Found 6 photos in 2 classes: a 3, b 3.",
            "The photos are in labeled.",
            "Folders left out because they are next to labeled, not in it: unlabeled (4 photos).",
        ),
    ),
    DataLayout(
        "MVTec",
        "train/good/*5 test/good/*2 test/scratch/*2 test/dent/*2 ground_truth/scratch/*2 ground_truth/dent/*2",
        refusal=(
            "Each class must have photos in train; test has dent (2 photos) and scratch (2 photos), and "
            "train has no photos of them. Move some of the photos into a folder train/dent, or move test/dent "
            "out of the data."
        ),
    ),
    DataLayout(
        "cross-validation",
        (
            "split_0/train/a/*2 split_0/train/b/*2 split_0/test/a/*2 split_0/test/b/*2 split_1/train/a/*2 "
            "split_1/train/b/*2 split_1/test/a/*2 split_1/test/b/*2"
        ),
        refusal=(
            "The data must be one data set; {data} contains split_0 and split_1, and split_0 itself contains class "
            "folders. Pass one of them: --data {data}/split_0"
        ),
    ),
    DataLayout(
        "a folder that repeats one class",
        "cat/*3 dog/*3 Trash/*4 backup/cat/*2",
        lines=(
            "Found 12 photos in 3 classes: Trash 4, cat 5, dog 3.",
            (
                "The folder backup contains the class folders again (cat); Darkroom adds its 2 photos to these "
                "classes, and counts identical photos once."
            ),
        ),
    ),
    DataLayout(
        "videos among photos",
        "cat/*3 cat/a.mp4 dog/*3 dog/b.mov",
        lines=("Found 6 photos in 2 classes: cat 3, dog 3.",),
    ),
    DataLayout(
        "photos in two folders",
        "photos/*3 pictures/*3",
        refusal=(
            "The folders of the data must be classes; {data} contains photos and pictures, whose names are common for "
            "folders that contain class folders. If they are classes, rename them; otherwise pass one of "
            "them: --data {data}/photos"
        ),
    ),
    DataLayout(
        "subfolders in one class folder",
        "mammals/cat/*3 mammals/dog/*3 birds/*3",
        lines=(
            "Found 9 photos in 2 classes: birds 3, mammals 6.",
            "The outer folders are the classes: all photos in the subfolders cat and dog of mammals belong to mammals.",
        ),
    ),
    DataLayout(
        "masks inside class folders",
        "cat/*3 cat/masks/*3 dog/*3 dog/masks/*3",
        lines=(
            "Found 6 photos in 2 classes: cat 3, dog 3.",
            ("Subfolders left out because their names suggest masks or annotations: masks (6 photos)."),
        ),
    ),
    DataLayout(
        "Blood Cells",
        "TRAIN/a/*3 TRAIN/b/*3 TEST/a/*2 TEST/b/*2 TEST_SIMPLE/a/*1 TEST_SIMPLE/b/*1",
        lines=(
            "Found 10 photos in 2 classes: a 5, b 5.",
            "The data is split: train 6, test 4.",
            "Folders left out because they are next to the split folders: TEST_SIMPLE (2 photos).",
        ),
    ),
)
