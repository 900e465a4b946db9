import pytest

from dinoseg.errors import OptionError
from dinoseg.outputs import FORMATS, load_format, split_formats
from dinoseg.outputs.format import FolderFormat, ImageFormat


@pytest.mark.parametrize("name", FORMATS)
def test_every_registered_format_loads(name):
    assert isinstance(load_format(name), ImageFormat | FolderFormat)


@pytest.mark.parametrize(
    ("names", "per_image", "per_folder"),
    [
        (["masks"], ["masks"], []),
        (["coco"], [], ["coco"]),
        (["contact-sheet"], ["overlays"], ["contact-sheet"]),  # made from overlays
        (["contact-sheet", "overlays", "coco", "masks"], ["overlays", "masks"], ["contact-sheet", "coco"]),
        (["masks", "masks"], ["masks"], []),
        ([], [], []),
    ],
)
def test_split_formats(names, per_image, per_folder):
    images, folders = split_formats(names)
    assert (list(images), list(folders)) == (per_image, per_folder)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mask", "Did you mean masks?"),
        ("contact_sheet", "Did you mean contact-sheet?"),
        ("pascal", "There are: masks, labels"),
    ],
)
def test_unknown_format_suggests(name, hint):
    with pytest.raises(OptionError) as error:
        load_format(name)
    assert name in str(error.value)
    assert hint in str(error.value)
