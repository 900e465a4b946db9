"""Image + mask folders, VOC and DAVIS as their makers lay them out."""

from __future__ import annotations

import shutil
from pathlib import Path
from unicodedata import normalize

import numpy as np
import PIL.Image
import pytest

from dinoseg.errors import DatasetError
from dinoseg.evaluation.datasets import open_dataset
from dinoseg.evaluation.datasets.base import Dataset, Truth
from tests.evaluation.sets import SIZE, square, write_davis, write_mask, write_pairs, write_voc
from tests.helpers import write_images


def only_truth(dataset: Dataset) -> Truth:
    (sample,) = dataset.samples
    return sample.truth()


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("images", "ground_truth_mask"),  # ECSSD
        ("DUTS-TE-Image", "DUTS-TE-Mask"),
        ("DUT-OMRON-image", "pixelwiseGT-new-PNG"),
        ("img", "gt"),
    ],
)
def test_image_and_mask_folders_are_known_by_their_names(tmp_path: Path, images: str, masks: str) -> None:
    dataset = open_dataset(write_pairs(tmp_path / "set", 3, images, masks))
    assert (dataset.name, dataset.layout) == ("set", "images + masks")
    assert [sample.id for sample in dataset.samples] == ["photo_000.jpg", "photo_001.jpg", "photo_002.jpg"]
    for sample in dataset.samples:
        np.testing.assert_array_equal(sample.truth().foreground, square())


def test_any_two_folders_can_be_a_pair(tmp_path: Path) -> None:
    write_pairs(tmp_path, 2, "left", "right")
    dataset = open_dataset((tmp_path / "left", tmp_path / "right"))
    assert [sample.missing for sample in dataset.samples] == [None, None]


@pytest.mark.parametrize(
    ("values", "mode", "expected"),
    [
        ([0, 127, 128, 255], "L", [0, 0, 1, 1]),  # grey edges: half way
        ([0, 1, 1, 0], "L", [0, 1, 1, 0]),  # 0/1
        ([0, 1, 3, 2], "L", [0, 1, 1, 1]),  # numbers of objects
        ([0, 0, 0, 0], "L", [0, 0, 0, 0]),  # nothing there
        ([0, 1, 7, 255], "P", [0, 1, 1, 1]),  # palette: index, not colour
    ],
)
def test_g97_what_counts_as_foreground(tmp_path: Path, values: list[int], mode: str, expected: list[int]) -> None:
    write_images(tmp_path / "images", 1)
    write_mask(tmp_path / "masks" / "photo_000.png", np.array([values]), mode)
    truth = only_truth(open_dataset(tmp_path))
    assert truth.foreground.tolist() == [[bool(value) for value in expected]]
    assert len(truth.objects()) == int(any(expected))
    assert truth.void is None


def test_g94_pictures_without_mask_and_masks_without_picture_stay_in_the_list(tmp_path: Path) -> None:
    write_pairs(tmp_path, 3)
    (tmp_path / "masks" / "photo_001.png").unlink()
    (tmp_path / "images" / "photo_002.jpg").unlink()
    (tmp_path / "images" / "Thumbs.db").touch()
    missing = {sample.id: sample.missing for sample in open_dataset(tmp_path).samples}
    assert missing == {"photo_000.jpg": None, "photo_001.jpg": "missing_mask", "photo_002.jpg": "missing_image"}


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, 1)
    shutil.copy(tmp_path / "images" / "photo_000.jpg", tmp_path / "images" / "photo_000.png")
    with pytest.raises(DatasetError, match="share a name"):
        open_dataset(tmp_path)


CLASS_MAP = np.zeros(SIZE)
CLASS_MAP[10:20, 10:20], CLASS_MAP[10:20, 40:50], CLASS_MAP[9, :] = 8, 15, 255  # cat, person, void
OBJECT_MAP = np.where(CLASS_MAP == 8, 1, np.where(CLASS_MAP == 15, 2, CLASS_MAP))


def test_voc_classes_objects_and_void(tmp_path: Path) -> None:
    dataset = open_dataset(write_voc(tmp_path, [CLASS_MAP], [OBJECT_MAP]))
    truth = only_truth(dataset)
    np.testing.assert_array_equal(truth.foreground, (CLASS_MAP == 8) | (CLASS_MAP == 15))
    np.testing.assert_array_equal(truth.void, CLASS_MAP == 255)
    np.testing.assert_array_equal(truth.objects(), [CLASS_MAP == 8, CLASS_MAP == 15])
    assert truth.classes == ("cat", "person")
    assert (len(dataset.classes), dataset.classes[7]) == (20, "cat")


def test_voc_takes_the_pictures_of_its_val_list_only(tmp_path: Path) -> None:
    write_voc(tmp_path, [CLASS_MAP] * 3)
    (tmp_path / "ImageSets" / "Segmentation" / "val.txt").write_text("photo_002\nphoto_000\nphoto_009\n")
    samples = open_dataset(tmp_path).samples
    assert [sample.id for sample in samples] == ["photo_000.jpg", "photo_002.jpg", "photo_009.jpg"]
    assert samples[2].missing == "missing_image"


def test_voc_without_object_masks_says_so_when_they_are_asked_for(tmp_path: Path) -> None:
    truth = only_truth(open_dataset(write_voc(tmp_path, [CLASS_MAP])))
    with pytest.raises(DatasetError, match="SegmentationObject"):
        truth.objects()


@pytest.mark.parametrize("needed", ["SegmentationClass", "ImageSets/Segmentation/val.txt"])
def test_voc_with_a_missing_part_says_which_and_where_it_comes_from(tmp_path: Path, needed: str) -> None:
    write_voc(tmp_path, [CLASS_MAP])
    (tmp_path / needed).rename(tmp_path / "elsewhere")
    with pytest.raises(
        DatasetError, match=rf"^{needed} is missing from .*: it must lie there, and is in VOCtrainval_11"
    ):
        open_dataset(tmp_path)


def test_the_parts_of_voc2007_come_from_elsewhere(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "VOC2007", [CLASS_MAP])
    shutil.rmtree(root / "SegmentationClass")
    with pytest.raises(DatasetError, match=r"VOCtest_06-Nov-2007\.tar .*unpacked to VOCdevkit/VOC2007"):
        open_dataset(root)


def test_g97_voc_values_are_checked(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds the value 21"):
        only_truth(open_dataset(write_voc(tmp_path, [np.full(SIZE, 21)])))


@pytest.mark.parametrize("folder", ["SegmentationClass", "SegmentationObject"])
def test_a_jpeg_holds_no_classes_and_no_objects(tmp_path: Path, folder: str) -> None:
    root = write_voc(tmp_path, [15 * square()], [1 * square()])
    image = PIL.Image.fromarray((15 * square()).astype(np.uint8))
    image.save(root / folder / "photo_000.png", format="JPEG")
    with pytest.raises(DatasetError, match=rf"{folder}.photo_000\.png holds no numbers: it is saved with loss"):
        only_truth(open_dataset(root)).objects()


# Lists.


def write_set(root: Path, name: str, content: str) -> Path:
    path = root / "ImageSets" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def ids(dataset: Dataset) -> list[str]:
    return [sample.id for sample in dataset.samples]


def test_g94_objects_that_were_not_unpacked_are_told_when_they_are_needed(tmp_path: Path) -> None:
    truth = open_dataset(write_voc(tmp_path / "VOC2012", [CLASS_MAP])).samples[0].truth()
    with pytest.raises(
        DatasetError, match=r"SegmentationObject/photo_000\.png is missing .* VOCtrainval_11-May-2012\.tar"
    ):
        truth.objects()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("photo_002\nphoto_000\n", ["photo_000.jpg", "photo_002.jpg"]),
        ("photo_002\nphoto_000\nphoto_002\n", ["photo_000.jpg", "photo_002.jpg"]),  # named twice, counted once
        ("photo_000  1\nphoto_001 -1\nphoto_002  0\n", ["photo_000.jpg", "photo_002.jpg"]),  # the list of a class
    ],
)
def test_voc_has_several_lists(tmp_path: Path, content: str, expected: list[str]) -> None:
    write_voc(tmp_path, [CLASS_MAP] * 3)
    write_set(tmp_path, "Segmentation/trainval", content)
    dataset = open_dataset(tmp_path, "Segmentation/trainval")
    assert (ids(dataset), dataset.layout) == (expected, "PASCAL VOC, Segmentation/trainval")


def test_a_list_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    write_voc(tmp_path, [CLASS_MAP])
    write_set(tmp_path, "Main/val", "photo_000\n")
    write_set(tmp_path, "Main/cat_val", "photo_000 1\n")
    with pytest.raises(
        DatasetError, match=r"ImageSets/Main/trainval\.txt is .* There are Main/val, Segmentation/val\."
    ):
        open_dataset(tmp_path, "Main/trainval")


def test_a_text_file_that_is_not_there_is_no_list_of_voc(tmp_path: Path) -> None:
    write_voc(tmp_path, [CLASS_MAP])
    with pytest.raises(DatasetError, match=r"--image-set mine\.txt is not there: .* There are Segmentation/val\."):
        open_dataset(tmp_path, "mine.txt")


@pytest.mark.parametrize("name", ["../photo_000", "a/../../b"])
def test_g106_a_list_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    write_voc(tmp_path, [CLASS_MAP])
    write_set(tmp_path, "Segmentation/val", name)
    with pytest.raises(DatasetError, match=r"val\.txt names .*which is outside of the data set"):
        open_dataset(tmp_path)


def test_lists_of_main_have_boxes_and_no_masks(tmp_path: Path) -> None:
    write_images(tmp_path / "JPEGImages", 2)
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "photo_001.xml").write_text(XML)
    write_set(tmp_path, "Main/trainval", "photo_001\n")
    dataset = open_dataset(tmp_path, "Main/trainval")
    assert (dataset.has_masks, dataset.layout) == (False, "PASCAL VOC, Main/trainval")
    truth = only_truth(dataset)
    assert truth.object_boxes().tolist() == [[0, 1, 128, 96], [4, 10, 9, 20.5]]
    assert truth.classes == ("cat", "dog")
    assert truth.foreground.shape == SIZE
    assert not truth.foreground[0].any()
    assert truth.foreground[1:].all()


@pytest.mark.parametrize("line", ["photo_001", "photo_001.png", "images/photo_001.jpg"])
def test_a_text_file_chooses_pictures_of_any_folder(tmp_path: Path, line: str) -> None:
    write_pairs(tmp_path / "set", 3)
    listing = tmp_path / "mine.txt"
    listing.write_text(f"{line}\n")
    dataset = open_dataset(tmp_path / "set", str(listing))
    assert (ids(dataset), dataset.layout) == (["photo_001.jpg"], "images + masks, mine.txt")


def test_a_name_that_two_folders_have_must_be_told_with_its_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_pairs(tmp_path, 1, f"images/{name}", f"masks/{name}")
    listing = tmp_path / "mine.txt"
    listing.write_text("a/photo_000.jpg\n")
    assert ids(open_dataset(tmp_path, str(listing))) == ["a/photo_000.jpg"]
    listing.write_text("photo_000\n")
    with pytest.raises(DatasetError, match="names pictures that are not in"):
        open_dataset(tmp_path, str(listing))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"--image-set .*mine\.txt is not there: images \+ masks need a text file"),
        ("photo_001\nphoto_007\n", r"mine\.txt names pictures that are not in set \(1 of 2 names, .*photo_007; .*\)"),
    ],
)
def test_a_list_that_does_not_fit(tmp_path: Path, content: str | None, told: str) -> None:
    write_pairs(tmp_path / "set", 3)
    if content:
        (tmp_path / "mine.txt").write_text(content)
    with pytest.raises(DatasetError, match=told):
        open_dataset(tmp_path / "set", str(tmp_path / "mine.txt"))


def test_a_name_with_spaces_is_no_shorter_name(tmp_path: Path) -> None:
    write_pairs(tmp_path / "set", 3)
    for folder in ("images", "masks"):
        for number, name in enumerate(("b", "b c", "b d")):
            (path,) = (tmp_path / "set" / folder).glob(f"photo_00{number}.*")
            path.rename(path.with_stem(name))
    (tmp_path / "mine.txt").write_text("b c\nb d\n")
    assert ids(open_dataset(tmp_path / "set", str(tmp_path / "mine.txt"))) == ["b c.jpg", "b d.jpg"]
    (tmp_path / "mine.txt").write_text("b e\n")
    with pytest.raises(DatasetError, match="1 of 1 names, for instance b e;"):
        open_dataset(tmp_path / "set", str(tmp_path / "mine.txt"))


def test_voc_pictures_may_have_any_name_and_extension(tmp_path: Path) -> None:
    write_voc(tmp_path, [CLASS_MAP] * 3, [OBJECT_MAP] * 3)
    apart, composed = (normalize(form, "é") for form in ("NFD", "NFC"))
    for number, (image, stem) in enumerate([("my cat.JPG", "my cat"), ("b.png", "b"), (f"{apart}.jpeg", composed)]):
        (tmp_path / "JPEGImages" / f"photo_00{number}.jpg").rename(tmp_path / "JPEGImages" / image)
        for folder in ("SegmentationClass", "SegmentationObject"):
            (tmp_path / folder / f"photo_00{number}.png").rename(tmp_path / folder / f"{stem}.png")
    write_set(tmp_path, "Segmentation/val", f"my cat  1\nb\n{composed}\nb.png\n")
    dataset = open_dataset(tmp_path)
    assert sorted(ids(dataset)) == sorted(["my cat.JPG", "b.png", f"{apart}.jpeg"])
    for sample in dataset.samples:
        assert sample.missing is None
        assert len(sample.truth().objects()) == 2


def test_accents_may_be_composed_in_masks_and_apart_in_pictures(tmp_path: Path) -> None:
    write_pairs(tmp_path, 1)
    (tmp_path / "images" / "photo_000.jpg").rename(tmp_path / "images" / normalize("NFD", "é.jpg"))
    (tmp_path / "masks" / "photo_000.png").rename(tmp_path / "masks" / normalize("NFC", "é.png"))
    (sample,) = open_dataset(tmp_path).samples
    assert sample.missing is None


# DAVIS.


def test_davis_frames_may_be_png_and_sequences_have_spaces(tmp_path: Path) -> None:
    write_davis(tmp_path, {"my dog": 2, "my": 1})
    for path in (tmp_path / "JPEGImages/480p/my dog").iterdir():
        path.rename(path.with_suffix(".png"))
    write_set(tmp_path, "2016/val", "my dog\n")
    dataset = open_dataset(tmp_path)
    assert ids(dataset) == ["my dog/photo_000.png", "my dog/photo_001.png"]
    assert [sample.missing for sample in dataset.samples] == [None, None]


def test_davis_2016_has_one_object_at_255(tmp_path: Path) -> None:
    dataset = open_dataset(write_davis(tmp_path, {"dog": 2, "bear": 1}))
    assert [(x.id, x.sequence) for x in dataset.samples] == [
        ("bear/photo_000.jpg", "bear"),
        ("dog/photo_000.jpg", "dog"),
        ("dog/photo_001.jpg", "dog"),
    ]
    truth = dataset.samples[0].truth()
    np.testing.assert_array_equal(truth.foreground, square())
    np.testing.assert_array_equal(truth.objects(), [square()])


def test_davis_truth_that_was_a_jpeg_is_one_object(tmp_path: Path) -> None:
    write_davis(tmp_path, {"dog": 1})
    image = PIL.Image.fromarray((254 * square()).astype(np.uint8))
    image.save(tmp_path / "Annotations" / "480p" / "dog" / "photo_000.png", format="JPEG", quality=80)
    truth = only_truth(open_dataset(tmp_path))
    np.testing.assert_array_equal(truth.objects(), [square()])
    assert truth.void is None


def test_davis_2017_ids_are_objects_and_together_the_foreground(tmp_path: Path) -> None:
    write_davis(tmp_path, {"dog": 1})
    write_mask(tmp_path / "Annotations" / "480p" / "dog" / "photo_000.png", OBJECT_MAP % 255, "P")
    truth = only_truth(open_dataset(tmp_path))
    np.testing.assert_array_equal(truth.foreground, (OBJECT_MAP == 1) | (OBJECT_MAP == 2))
    assert len(truth.objects()) == 2


@pytest.mark.parametrize(
    ("year", "line"),
    [
        ("2016", "dog"),
        ("2017", "dog"),
        ("480p", "/JPEGImages/480p/dog/00000.jpg /Annotations/480p/dog/00000.png"),
    ],
)
def test_davis_lists_of_all_years(tmp_path: Path, year: str, line: str) -> None:
    write_davis(tmp_path, {"dog": 1, "unlisted": 1})
    shutil.rmtree(tmp_path / "ImageSets")
    (tmp_path / "ImageSets" / year).mkdir(parents=True)
    (tmp_path / "ImageSets" / year / "val.txt").write_text(f"{line}\n\n")
    assert [sample.sequence for sample in open_dataset(tmp_path).samples] == ["dog"]


def test_lists_of_davis_that_differ_must_be_named(tmp_path: Path) -> None:
    write_davis(tmp_path, {"dog": 1, "bear": 1})
    write_set(tmp_path, "2017/val", "bear\ndog\n")
    assert open_dataset(tmp_path).layout == "DAVIS 480p, 2016/val"  # the same in another order
    write_set(tmp_path, "2017/val", "dog\n")
    with pytest.raises(DatasetError, match=r"2016/val with 2 .*2017/val with 1 .*--image-set 2017/val"):
        open_dataset(tmp_path)
    assert ids(open_dataset(tmp_path, "2017/val")) == ["dog/photo_000.jpg"]


def test_davis_unsupervised_annotations_lie_in_a_folder_of_their_own_and_have_void(tmp_path: Path) -> None:
    write_davis(tmp_path, {"dog": 1})
    (tmp_path / "Annotations").rename(tmp_path / "Annotations_unsupervised")
    write_mask(tmp_path / "Annotations_unsupervised" / "480p" / "dog" / "photo_000.png", OBJECT_MAP, "P")
    truth = only_truth(open_dataset(tmp_path))
    np.testing.assert_array_equal(truth.foreground, (OBJECT_MAP == 1) | (OBJECT_MAP == 2))
    np.testing.assert_array_equal(truth.void, OBJECT_MAP == 255)
    assert len(truth.objects()) == 2


def test_davis_without_its_list_says_where_it_comes_from(tmp_path: Path) -> None:
    write_davis(tmp_path, {"dog": 1})
    shutil.rmtree(tmp_path / "ImageSets")
    with pytest.raises(DatasetError, match=r"ImageSets/2017/val\.txt is missing.*DAVIS-2017-trainval"):
        open_dataset(tmp_path)


def test_g94_a_listed_sequence_without_frames_is_missing(tmp_path: Path) -> None:
    write_davis(tmp_path, {"dog": 1, "bear": 1})
    shutil.rmtree(tmp_path / "JPEGImages" / "480p" / "bear")
    shutil.rmtree(tmp_path / "Annotations" / "480p" / "bear")
    assert [sample.missing for sample in open_dataset(tmp_path).samples] == ["missing_image", None]


# Boxes of VOC.

XML = """<annotation><size><width>128</width><height>96</height></size>
<object><name>cat</name><difficult>1</difficult><truncated>1</truncated>
<part><name>head</name><bndbox><xmin>3</xmin><ymin>3</ymin><xmax>4</xmax><ymax>4</ymax></bndbox></part>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>128</xmax><ymax>96</ymax></bndbox></object>
<object><name>dog</name><bndbox><ymax>20.5</ymax><xmax>9</xmax><ymin>11</ymin><xmin>5</xmin></bndbox></object>
</annotation>"""


def voc_with_boxes(root: Path, xml: str) -> Truth:
    write_voc(root, [np.full(SIZE, 8)])
    (root / "Annotations").mkdir()
    (root / "Annotations" / "photo_000.xml").write_text(xml)
    dataset = open_dataset(root)
    assert "boxes: Annotations" in dataset.foreground
    return dataset.samples[0].truth()


def test_voc_counts_pixels_from_1_and_only_left_and_top_lose_one(tmp_path: Path) -> None:
    boxes = voc_with_boxes(tmp_path, XML).object_boxes()
    assert boxes.tolist() == [[0, 1, 128, 96], [4, 10, 9, 20.5]]  # difficult ones too, parts of objects not


def test_an_annotation_without_objects_has_no_boxes(tmp_path: Path) -> None:
    assert voc_with_boxes(tmp_path, "<annotation/>").object_boxes().shape == (0, 4)


def boxed(xmin: str, ymin: str, xmax: str, ymax: str, size: str = "") -> str:
    box = f"<xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax>"
    return f"<annotation>{size}<object><name>cat</name><bndbox>{box}</bndbox></object></annotation>"


def test_whichever_corner_a_box_begins_with(tmp_path: Path) -> None:
    flipped = boxed("9", "20", "5", "11")
    assert voc_with_boxes(tmp_path, flipped).object_boxes().tolist() == [[4, 10, 9, 20]]


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size><width>0</width><height>0</height></size>",
        "<size><width/><height/></size>",
        "<size><width>128.0</width><height>96.0</height></size>",
    ],
)
def test_a_size_that_is_not_said_is_the_pictures(tmp_path: Path, size: str) -> None:
    write_images(tmp_path / "JPEGImages", 1)
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "photo_000.xml").write_text(boxed("5", "11", "9", "20", size))
    write_set(tmp_path, "Main/trainval", "photo_000\n")
    truth = only_truth(open_dataset(tmp_path, "Main/trainval"))
    assert truth.foreground.shape == SIZE
    assert truth.foreground.sum() == 5 * 10


@pytest.mark.parametrize(
    ("xml", "told"),
    [
        (boxed("5", "nan", "9", "20"), "its object 'cat' has the box"),
        (boxed("5", "1", "inf", "20"), "its object 'cat' has the box"),
        (boxed("5", "1", "1e300", "20"), "its object 'cat' has the box"),
        (
            boxed("5", "1", "9", "20", "<size><width>4</width><height>4</height></size>"),
            "a box beside its picture of 4 x 4 px",
        ),
        ("<annotation>" + "<a>" * 100_000, "cannot be read as a VOC annotation"),
        ("<annotation><object><name>cat</name><robndbox/></object></annotation>", "'cat' has no bndbox with xmin"),
        (boxed("1", "1", "2", "2", "<size><width>-3</width><height>4</height></size>"), "its width is -3"),
        (boxed("1", "1", "2", "2", "<size><width>3.5</width><height>4</height></size>"), r"its width is 3\.5"),
        (boxed("1", "1", "2", "2", "<size><width>inf</width><height>4</height></size>"), "its width is inf"),
        (boxed("1", "1", "2", "2", "<size><width>90000</width><height>90000</height></size>"), "more than any picture"),
    ],
)
def test_what_cannot_be_a_box_or_a_size_is_named(tmp_path: Path, xml: str, told: str) -> None:
    with pytest.raises(DatasetError, match=rf"photo_000\.xml .*{told}"):
        voc_with_boxes(tmp_path, xml).object_boxes()


@pytest.mark.parametrize(
    "xml", ["", "<annotation><object>", "<annotation><object><name>cat</name></object></annotation>"]
)
def test_a_broken_annotation_is_named(tmp_path: Path, xml: str) -> None:
    with pytest.raises(DatasetError, match=r"photo_000\.xml cannot be read as a VOC annotation"):
        voc_with_boxes(tmp_path, xml).object_boxes()


def test_without_annotations_boxes_are_around_the_objects(tmp_path: Path) -> None:
    dataset = open_dataset(write_voc(tmp_path, [np.full(SIZE, 8)], [3 * square(10, 20, 30)]))
    assert "boxes: around the objects' masks" in dataset.foreground
    assert dataset.samples[0].truth().object_boxes().tolist() == [[20, 10, 50, 40]]


@pytest.mark.shared
def test_the_boxes_of_the_shared_part_of_voc(shared: Path) -> None:
    dataset = open_dataset(shared / "data" / "eval" / "VOC2012")
    assert sum(len(sample.truth().object_boxes()) for sample in dataset.samples) == 264
