import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from dinoseg.attention import Attention
from dinoseg.errors import OutputConflict
from dinoseg.images.decode import decode
from dinoseg.options import FigureOptions
from dinoseg.outputs.figures import FigureFolder, record_of
from dinoseg.runs.done import fingerprint
from dinoseg.runs.identity import run_id
from dinoseg.types import Fit, Source
from tests.outputs.scenes import RUN, write_disk

OTHER = {**RUN, "weights": "11"}


@pytest.fixture
def source(tmp_path):
    return Source("sub/a.png", write_disk(tmp_path / "photos/sub/a.png"))


@pytest.fixture
def root(tmp_path):
    root = tmp_path.resolve() / "out"
    root.mkdir()
    return root


def folder(root, run=RUN, **asked):
    return FigureFolder(root, "heads", run, FigureOptions(**{"output": root, "arrays": True} | asked))


def write(folder, source, value=0.25):
    fit = Fit((24, 32), (24, 32), (3, 4), 8)
    maps = np.full((2, *fit.grid), value, np.float32)
    known = fingerprint(source.content)
    folder.write(Attention(source.id, maps, fit, decode(source), "attention of CLS"), known)


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (False, ["heads/sub/a.png.png"]),
        (True, ["heads/sub/a.png.npz", "heads/sub/a.png.png"]),
    ],
)
def test_files_have_a_folder_of_their_own(root, source, arrays, expected):
    assert not folder(root, arrays=arrays).done(source)
    write(folder(root, arrays=arrays), source)
    assert files(root) == expected
    assert folder(root, arrays=arrays).done(source)


def test_a_pdf_carries_its_record_too(root, source):
    def pdf(run=RUN):
        return folder(root, run, arrays=False, format="pdf", dpi=50)

    write(pdf(), source)
    (name,) = files(root)
    assert name == "heads/sub/a.png.pdf"
    assert (root / name).read_bytes().startswith(b"%PDF")
    assert pdf().done(source)
    write_disk(source.content, seed=1)
    assert not pdf().done(source)
    with pytest.raises(OutputConflict, match="was made with other options"):
        pdf(OTHER).done(source)


def test_same_maps_give_the_same_pdf(root, source):
    for number in range(2):
        (root / str(number)).mkdir()
        write(folder(root / str(number), arrays=False, format="pdf"), source)
    first, second = (next(root.glob(f"{number}/heads/sub/*")).read_bytes() for number in range(2))
    assert first == second


def test_every_file_says_of_which_run_and_photograph_it_is(root, source):
    write(folder(root), source)
    records = [record_of(root / file) for file in files(root)]
    assert records == [{"run": folder(root).id, "source": fingerprint(source.content)}] * 2


def test_h105_maps_load_without_pickle(root, source):
    write(folder(root), source)
    with np.load(root / "heads/sub/a.png.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["attention", "grid", "patch", "scaled", "size"]
        assert (arrays["attention"] == 0.25).all()


def text(path):
    path.write_text("mine")


def picture(path):
    PIL.Image.new("RGB", (4, 4)).save(path, "PNG")


def arrays(path):
    with path.open("wb") as file:
        np.savez(file, mine=np.zeros(3))


def commented(path, comment=b"[1, 2]"):
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.comment = comment
    else:
        info = PIL.PngImagePlugin.PngInfo()
        info.add_text("dinoseg", comment.decode())
        PIL.Image.new("RGB", (4, 4)).save(path, "PNG", pnginfo=info)


def of_wrong_type(path):
    commented(path, json.dumps({"run": run_id(RUN), "source": [5]}).encode())


def nested(path):
    commented(path, 50_000 * b"[")


@pytest.mark.parametrize("obstacle", [text, picture, arrays, commented, of_wrong_type, nested])
@pytest.mark.parametrize("suffix", [".png", ".npz"])
def test_d55_a_file_of_somebody_else_is_replaced_on_request_only(root, source, obstacle, suffix):
    path = root / f"heads/sub/a.png{suffix}"
    path.parent.mkdir(parents=True)
    obstacle(path)
    with pytest.raises(OutputConflict, match=rf"a\.png\{suffix} is not ours: .*--overwrite"):
        folder(root).done(source)
    assert not folder(root, overwrite=True).done(source)
    write(folder(root, overwrite=True), source)
    assert folder(root).done(source)


@pytest.mark.parametrize("suffix", [".png", ".npz"])
def test_a_pipe_in_the_place_of_a_figure_is_told_and_not_waited_for(root, source, suffix):
    path = root / f"heads/sub/a.png{suffix}"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(OutputConflict, match="is not ours"):
        folder(root).done(source)
    with pytest.raises(OutputConflict, match="is a folder, a pipe or a device"):
        write(folder(root, overwrite=True), source)


def test_d59_the_figures_are_listed_once_not_for_each_photograph(root, tmp_path, monkeypatch):
    sources = [Source(f"{number}.png", write_disk(tmp_path / f"photos/{number}.png")) for number in range(12)]
    for source in sources:
        write(folder(root), source)
    listed, iterdir = [], Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: (listed.append(path), iterdir(path))[1])
    again = folder(root)
    assert all(again.done(source) for source in sources)
    assert len(listed) == 2  # the folder of results, and heads in it


@pytest.mark.parametrize("kept", ["a.png.png", "a.png.npz"])
def test_d54_files_of_other_options_are_refused(root, source, kept):
    write(folder(root), source)
    for file in files(root):
        if not file.endswith(kept):
            (root / file).unlink()
    with pytest.raises(OutputConflict, match="made with other options"):
        folder(root, OTHER).done(source)


def test_d54_done_goes_by_content(root, source):
    write(folder(root), source)
    write_disk(source.content, seed=7)
    assert not folder(root).done(source)


def test_maps_that_are_there_are_never_stale(root, source):
    write(folder(root), source)
    write_disk(source.content, seed=7)
    write(folder(root, arrays=False), source, 0.5)
    assert folder(root).done(source)
    with np.load(root / "heads/sub/a.png.npz") as maps:
        assert (maps["attention"] == 0.5).all()


def test_same_maps_give_the_same_bytes(root, source):
    write(folder(root), source)
    before = [(root / file).read_bytes() for file in files(root)]
    write(folder(root), source)
    assert [(root / file).read_bytes() for file in files(root)] == before
    assert PIL.Image.open(io.BytesIO(before[1])).text.keys() >= {"dinoseg"}
