"""Layouts of research data sets, some for tasks other than classification, and how each should be interpreted."""

from tests.unit.preprocess.sources.folders.public_layouts import DataLayout

RESEARCH_LAYOUTS = (
    DataLayout(
        "Pascal VOC",
        "VOCdevkit/VOC2012/JPEGImages/*4 VOCdevkit/VOC2012/SegmentationClass/*2 VOCdevkit/VOC2012/Annotations/1.xml"
        " VOCdevkit/VOC2012/ImageSets/Main/cat_train.txt",
        refusal="There must be at least two classes; {data} has only one class folder, 'VOCdevkit'. If the "
        "classes are inside it, pass that folder: --data {data}/VOCdevkit/VOC2012",
    ),
    DataLayout(
        "the inner folder of Pascal VOC",
        "JPEGImages/*4 SegmentationClass/*2 SegmentationObject/*2 Annotations/1.xml",
        refusal="The photos must be in one folder per class; {data}/JPEGImages has no class folders: 4 photos "
        "without a folder, such as 1.jpg. Create a folder for each class in {data}/JPEGImages and move "
        "its photos there, or pass a table of paths and labels (--data labels.csv).",
    ),
    DataLayout(
        "CycleGAN",
        "trainA/*3 trainB/*3 testA/*2 testB/*2",
        refusal="The photos must be in one folder per class; {data} has no class folders: trainA (3 photos), "
        "trainB (3 photos), testA (2 photos) and testB (2 photos), such as 1.jpg. Create a folder for "
        "each class in {data}/trainA and move its photos there, or pass a table of paths and labels "
        "(--data labels.csv).",
    ),
    DataLayout(
        "MMSegmentation",
        "img_dir/train/*4 img_dir/val/*2 ann_dir/train/*4 ann_dir/val/*2",
        refusal="The photos must be in one folder per class; {data}/img_dir has no class folders: train (4 "
        "photos) and val (2 photos), such as 1.jpg. Create a folder for each class in "
        "{data}/img_dir/train and move its photos there, or pass a table of paths and labels (--data "
        "labels.csv).",
    ),
    DataLayout(
        "Supervisely",
        "ds0/img/*4 ds0/ann/1.jpg.json meta.json",
        refusal="The photos must be in one folder per class; {data} has no class folders: ds0/img (4 photos), "
        "such as 1.jpg. Create a folder for each class in {data}/ds0/img and move its photos there, or "
        "pass a table of paths and labels (--data labels.csv).",
    ),
    DataLayout(
        "Omniglot",
        "images_background/Greek/character01/*2 images_background/Greek/character02/*2"
        " images_background/Latin/character01/*2 images_evaluation/Angelic/character01/*2",
        refusal="The folders of the data must be classes; {data} contains images_background and "
        "images_evaluation, whose names are common for folders that contain class folders. If they are classes, rename "
        "them; otherwise pass one of them: --data {data}/images_background",
    ),
    DataLayout(
        "two folders of pictures, which may be classes",
        "real_images/*3 fake_images/*3",
        lines=("Found 6 photos in 2 classes: fake_images 3, real_images 3.",),
    ),
    DataLayout(
        "BUSI",
        "benign/benign%20(1).png benign/benign%20(1)_mask.png benign/benign%20(1)_mask_1.png benign/benign%20(2).png"
        " malignant/1.png malignant/1-seg.png malignant/2.png malignant/surgical_mask.png",
        lines=(
            "Found 5 photos in 2 classes: benign 2, malignant 3.",
            "Photos left out because their names mark them as masks of the photos next to them: 3 photos, such as "
            "benign/benign "
            "(1)_mask.png.",
        ),
    ),
    DataLayout(
        "SUN397",
        "SUN397/a/abbey/*3 SUN397/a/alley/*3 SUN397/b/bakery/indoor/*2 SUN397/b/bakery/outdoor/*2 SUN397/b/beach/*3"
        " SUN397/ClassName.txt",
        folder="SUN397",
        lines=(
            "Found 13 photos in 4 classes: abbey 3, alley 3, bakery 4, beach 3.",
            "The photos are in SUN397.",
            "The folders a and b are read as parts of one collection.",
            (
                "The outer folders are the classes: all photos in the subfolders indoor and outdoor of bakery belong "
                "to bakery."
            ),
        ),
    ),
    DataLayout(
        "letters as classes",
        "a/left/*3 a/right/*3 b/left/*3 b/middle/*3",
        lines=(
            "Found 12 photos in 2 classes: a 6, b 6.",
            "The outer folders are the classes: all photos in the subfolders left and right of a belong to a.",
        ),
    ),
    DataLayout(
        "HyperKvasir",
        "lower-gi-tract/anatomical-landmarks/cecum/*3 lower-gi-tract/anatomical-landmarks/ileum/*3"
        " upper-gi-tract/pathological-findings/esophagitis/*3 image-labels.csv",
        lines=(
            "Found 9 photos in 2 classes: lower-gi-tract 6, upper-gi-tract 3.",
            "The outer folders are the classes: all photos in the subfolders cecum and ileum of "
            "lower-gi-tract belong to lower-gi-tract.",
        ),
    ),
    DataLayout(
        "Microsoft's cats and dogs",
        "PetImages/Cat/*3 PetImages/Dog/*3 PetImages/Cat/Thumbs.db readme[1].txt",
        lines=("Found 6 photos in 2 classes: Cat 3, Dog 3.", "The photos are in PetImages."),
    ),
    DataLayout(
        "QaTa-COV19",
        "Train%20Set/Images/*3 Train%20Set/Ground-truths/*3 Test%20Set/Images/*2 Test%20Set/Ground-truths/*2",
        refusal="The photos must be in one folder per class; {data} has no class folders: Train Set/Images (3 photos) "
        "and Test Set/Images (2 photos), such as 1.jpg. Create a folder for each class in {data}/Train Set/Images "
        "and move its photos there, or pass a table of paths and labels (--data labels.csv).",
    ),
    DataLayout(
        "masks in each split",
        "train/images/cat/*3 train/images/dog/*3 train/masks/cat/*3 train/masks/dog/*3 test/images/cat/*2"
        " test/images/dog/*2 test/masks/cat/*2",
        lines=("Found 10 photos in 2 classes: cat 5, dog 5.", "The data is split: train 6, test 4."),
    ),
    DataLayout(
        "split folders next to lists of their photos",
        "train/cat/*3 train/dog/*3 test/cat/*2 test/dog/*2 train.txt test.txt",
        lines=("Found 10 photos in 2 classes: cat 5, dog 5.", "The data is split: train 6, test 4."),
    ),
)
