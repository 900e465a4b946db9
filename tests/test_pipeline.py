"""The road from end to end, on a small random network and on methods made for the test."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import PIL.Image
import pytest
import torch

import dinoseg
from dinoseg import encoding, pipeline
from dinoseg.errors import DeviceError, ImageError, NotAnImage, OptionError, WeightsNotFound
from dinoseg.methods.base import BaseMethod, NetworkMethod
from dinoseg.options import SelectOptions
from dinoseg.pipeline import Finished, Segmenter, selected
from dinoseg.segmentation import Segmentation
from dinoseg.types import Failure, Photo, Proposal, Proposals
from tests.helpers import disk_photo, encode, write_images
from tests.networks import save_teacher


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_teacher(path)
    return str(path)


@dataclass(frozen=True)
class Halves(BaseMethod):
    """Everything left of the middle is an object; needs the network only to be there."""

    needs_network: ClassVar[bool] = True
    batches: ClassVar[list[int]] = []

    def facets(self, family):
        return ("key",)

    def check(self, spec):
        assert spec.heads == 2

    def __call__(self, features, photos, fits):
        self.batches.append(len(photos))
        assert features.facets["key"].shape[:3] == (len(photos), *fits[0].grid)
        return [Proposals((Proposal(left(fit.grid), 0.5, "the left half"),)) for fit in fits]


def left(grid):
    soft = np.zeros(grid, np.float32)
    soft[:, : grid[1] // 2] = 1
    return soft


@pytest.fixture
def halves(monkeypatch):
    Halves.batches.clear()
    monkeypatch.setattr(pipeline, "make_method", lambda name, params: Halves())
    return Halves


def test_masks_have_the_size_of_the_photograph_and_lie_where_the_method_says(model, halves):
    photo, _ = disk_photo(70, 100)
    result = dinoseg.segment(photo, model=model, refine="none", size=64, device="cpu")
    assert result.masks.shape == (1, 70, 100)
    # 64 x 45 px on a grid of 8 x 6 patches: the object's edge lies in the middle of the grid
    assert result.masks[0, :, :48].all()
    assert not result.masks[0, :, 52:].any()
    assert result.boxes.tolist() == [[0, 0, 50, 70]]
    assert result.attention.shape == (2, 6, 8)
    assert result.instances[0].why == "the left half"
    assert set(result.timings) == {"decode", "backbone", "method", "refine"}
    assert np.abs(result.soft()[0] - result.masks[0]).max() <= 0.5


def test_every_kind_of_input_gives_the_same(model, halves, tmp_path):
    photo, _ = disk_photo(40, 60)
    PIL.Image.fromarray(photo).save(tmp_path / "a.png")
    segmenter = Segmenter(model=model, size=64, device="cpu")
    inputs = [
        str(tmp_path / "a.png"),
        tmp_path / "a.png",
        (tmp_path / "a.png").read_bytes(),
        PIL.Image.fromarray(photo),
        photo,
    ]
    results = list(segmenter.stream(inputs))
    assert [type(result) for result in results] == [Segmentation] * 5
    assert all((result.masks == results[0].masks).all() for result in results)
    assert [result.id for result in results] == ["a.png", "a.png", "image-000002", "image-000003", "image-000004"]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_order_is_kept_whatever_the_shapes_and_failures(model, halves, tmp_path, batch):
    shapes = [(40, 60), (60, 40), (40, 60), (50, 50), (60, 40), (40, 60), (40, 60)]
    inputs = [disk_photo(*shape)[0] for shape in shapes]
    inputs.insert(3, b"no image")
    results = list(Segmenter(model=model, size=64, device="cpu", batch=batch).stream(inputs))
    assert [getattr(result, "size", None) for result in results] == [*shapes[:3], None, *shapes[3:]]
    assert isinstance(results[3], Failure)
    assert results[3].reason == "not_an_image"
    assert max(halves.batches) == min(batch, 4)  # four photographs share a shape


def test_a_batch_gives_the_masks_of_single_images(model):
    inputs = [disk_photo(40, 60, seed=seed)[0] for seed in range(4)]
    alone = [Segmenter(model=model, size=64, device="cpu", method="attention")(image) for image in inputs]
    together = list(Segmenter(model=model, size=64, device="cpu", method="attention", batch=4).stream(inputs))
    for one, other in zip(alone, together, strict=True):
        assert (one.mask == other.mask).mean() > 0.999  # sums of a batch may be rounded in another order


def test_e75_out_of_memory_halves_the_batch_and_goes_on(model, halves, monkeypatch):
    segmenter = Segmenter(model=model, size=64, device="cpu", batch=8)
    forward, seen = segmenter.encoder.forward, []

    def small_device(items):
        seen.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError("too much")
        return forward(items)

    monkeypatch.setattr(segmenter.encoder, "forward", small_device)
    results = list(segmenter.stream([disk_photo(40, 60, seed=seed)[0] for seed in range(20)]))
    assert [result.id for result in results] == [f"image-{i:06d}" for i in range(20)]
    assert all(isinstance(result, Segmentation) for result in results)
    assert seen.count(8) == 1  # what did not fit once is not tried again
    assert seen[-2:] == [2, 2]


@pytest.mark.parametrize(
    "fill",
    [
        lambda: torch.empty(10**15),  # the CPU's allocator has no error of its own
        lambda: np.empty(10**15),
    ],
)
def test_e75_one_image_that_does_not_fit_is_a_failure(model, halves, monkeypatch, fill):
    segmenter = Segmenter(model=model, size=64, device="cpu")

    def no_memory(items):
        return fill()

    monkeypatch.setattr(segmenter.encoder, "forward", no_memory)
    (result,) = segmenter.stream([disk_photo()[0]])
    assert isinstance(result, Failure)
    assert result.reason == "oom"
    assert "--size" in str(result.error)


def test_a20_features_that_are_not_finite_fail_that_image_alone(model, halves, monkeypatch):
    segmenter = Segmenter(model=model, size=64, device="cpu", batch=3)
    forward = segmenter.backbone.forward

    def poisoned(images, **asked):
        features = forward(images, **asked)
        features.attention[1, 0, 0, 0] = float("nan")
        return features

    monkeypatch.setattr(segmenter.backbone, "forward", poisoned)
    results = list(segmenter.stream([disk_photo(seed=seed)[0] for seed in range(3)]))
    assert [isinstance(result, Failure) for result in results] == [False, True, False]
    assert results[1].reason == "nan_features"


@pytest.mark.parametrize("error", [np.linalg.LinAlgError, torch.linalg.LinAlgError])  # neither is the other
def test_e79_equations_that_cannot_be_solved_fail_that_image_alone(model, halves, monkeypatch, error):
    propose = Halves.__call__

    def singular(self, features, photos, fits):
        if any(photo.id == "image-000002" for photo in photos):
            raise error("singular")
        return propose(self, features, photos, fits)

    monkeypatch.setattr(Halves, "__call__", singular)
    results = list(Segmenter(model=model, size=64, device="cpu", batch=4).stream([disk_photo()[0]] * 5))
    assert [isinstance(result, Failure) for result in results] == [False, False, True, False, False]
    assert results[2].reason == "numerical"


def test_e79_a_mask_that_does_not_fit_into_memory_fails_that_image_alone(model, halves, monkeypatch):
    refine = pipeline.refine_map

    def small_machine(name, soft, photo, fit):
        if photo.id == "image-000001":
            raise MemoryError
        return refine(name, soft, photo, fit)

    monkeypatch.setattr(pipeline, "refine_map", small_machine)
    results = list(Segmenter(model=model, size=64, device="cpu").stream([disk_photo()[0]] * 3))
    assert [getattr(result, "reason", "") for result in results] == [None, "oom", None]


@pytest.mark.parametrize("stage", ["fit", "refine"])
def test_e79_memory_that_opencv_lacks_fails_that_image_alone(model, halves, monkeypatch, stage):
    module, name = {"fit": (encoding, "fit"), "refine": (pipeline, "refine_map")}[stage]
    whole = getattr(module, name)

    def small_machine(*arguments):
        if any(getattr(argument, "id", "") == "image-000001" for argument in arguments):
            cv2.resize(np.zeros((2, 2), np.uint8), (2**21, 2**21))  # 4 TiB
        return whole(*arguments)

    monkeypatch.setattr(module, name, small_machine)
    results = list(Segmenter(model=model, size=64, device="cpu").stream([disk_photo()[0]] * 3))
    assert [getattr(result, "reason", "") for result in results] == [None, "oom", None]


def test_failures_hold_no_picture():
    broken = [encode(disk_photo(300, 400, seed=seed)[0], "JPEG", quality=90)[:-900] for seed in range(20)]
    stream = Segmenter(method="prior", device="cpu").stream(broken)
    kept = [next(stream)]  # imports and caches are warm
    tracemalloc.start()
    try:
        kept += stream
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert all(isinstance(failure, Failure) for failure in kept)
    assert held < 19 * 300 * 400  # a third of the decoded pictures


def test_what_covers_all_but_a_sliver_is_no_object(model, monkeypatch):
    class AllButAPatch(Halves):
        def __call__(self, features, photos, fits):
            soft = np.ones(fits[0].grid, np.float32)
            soft[0, 0] = 0
            return [Proposals((Proposal(soft, 0.5),)) for _ in photos]

    monkeypatch.setattr(pipeline, "make_method", lambda name, params: AllButAPatch())
    photo = disk_photo(240, 320)[0]
    result = Segmenter(model=model, size=320, device="cpu", refine="none")(photo)
    assert (result.instances, result.reason) == ((), "no_object")


def test_the_range_of_values_is_part_of_what_a_run_looks_at(model):
    deep = disk_photo()[0].astype(np.uint16) * 16
    found, named = (dinoseg.segment(deep, method="prior", value_range=each) for each in (None, (0, 4095)))
    assert found.notes
    assert not named.notes
    assert (found.masks == named.masks).mean() > 0.99
    assert np.abs(named.photo().pixels.astype(int) - disk_photo()[0]).max() <= 1  # overlays see it as the network did
    with pytest.raises(OptionError, match="--value-range"):
        dinoseg.segment(deep, method="prior", value_range=(5, 5))


def test_b35_a_rare_shape_does_not_hold_the_stream(model, halves):
    taken = 0

    def photos():
        nonlocal taken
        for index in range(200):
            taken += 1
            yield disk_photo(60, 40)[0] if index == 0 else disk_photo(40, 60, seed=index)[0]

    stream = Segmenter(model=model, size=32, device="cpu", batch=4).stream(photos())
    next(stream)
    assert taken < 50  # the first result does not wait for the last photograph


def test_wrong_requests_are_refused_before_anything_is_read(model):
    with pytest.raises(OptionError, match="tau"):
        Segmenter(model=model, method="tokencut", param=("tua=1",))
    with pytest.raises(OptionError, match="tokencut"):
        Segmenter(model=model, method="tokenkut")
    with pytest.raises(WeightsNotFound):
        Segmenter(model="no-such-model")
    with pytest.raises(DeviceError):
        Segmenter(model=model, device="cuda:77")
    with pytest.raises(OptionError, match=r"head 2 is out of range: the network has 0\.\.1"):
        Segmenter(model=model, method="attention", param=("head=2",))
    with pytest.raises(OptionError, match="--refine sharp is unknown"):
        Segmenter(model=model, refine="sharp")
    with pytest.raises(OptionError, match="put it into a list"):
        list(Segmenter(model=model).stream(np.zeros((40, 60, 3), np.uint8)))
    with pytest.raises(OptionError, match="--size 3"):
        Segmenter(model=model, size=3)


def test_one_bad_image_raises_and_a_list_holds_its_failure(model, halves):
    with pytest.raises(NotAnImage):
        dinoseg.segment(b"no image", model=model)
    results = dinoseg.segment([b"no image", disk_photo()[0]], model=model, size=64)
    assert [type(result) for result in results] == [Failure, Segmentation]


def test_a17_a_constant_image_has_no_object_and_a_reason(model):
    result = dinoseg.segment(np.full((64, 64, 3), 90, np.uint8), model=model, size=64)
    assert result.instances == ()
    assert result.reason == "constant_image"
    assert result.masks.shape == (0, 64, 64)
    assert not result.mask.any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 5), (7, 300), (2000, 12)])
@pytest.mark.parametrize("method", ["attention-cut", "attention", "tokencut", "kmeans", "prior"])
def test_a13_a15_tiny_and_narrow_images_give_a_result(model, method, shape):
    result = dinoseg.segment(disk_photo(*shape)[0], model=model, size=64, method=method)
    assert result.masks.shape[1:] == shape
    assert result.instances or result.reason


def test_a18_presence_is_told_and_refuses_what_is_too_unlikely(model, halves):
    photo = disk_photo(64, 64)[0]
    told = dinoseg.segment(photo, model=model, size=64)
    assert 0 < told.presence < 1
    assert told.instances
    assert told.presence == dinoseg.segment(photo, model=model, size=64).presence
    for limit, found in ((told.presence, True), (np.nextafter(told.presence, 1), False)):
        result = dinoseg.segment(photo, model=model, size=64, min_presence=float(limit))
        assert bool(result.instances) is found
        assert result.reason == (None if found else "no_object")
        assert result.presence == told.presence


def test_presence_does_not_depend_on_the_batch(model, halves):
    photos = [disk_photo(64, 64, seed=seed)[0] for seed in range(3)]
    together = dinoseg.segment(photos, model=model, size=64, batch=3)
    for photo, result in zip(photos, together, strict=True):
        assert result.presence == pytest.approx(dinoseg.segment(photo, model=model, size=64).presence, abs=1e-4)


def test_a17_a_constant_image_keeps_its_reason_whatever_the_presence_asked_for(model):
    result = dinoseg.segment(np.full((64, 64, 3), 90, np.uint8), model=model, size=64, min_presence=0.5)
    assert (result.presence, result.reason) == (0, "constant_image")


def test_presence_is_not_made_up_where_nothing_tells_it(tmp_path):
    save_teacher(tmp_path / "dino.safetensors", family="dino")
    for asked in ({"model": str(tmp_path / "dino.safetensors"), "method": "attention"}, {"method": "prior"}):
        assert dinoseg.segment(disk_photo(64, 64)[0], size=64, **asked).presence is None
        with pytest.raises(OptionError, match="presence is not known for"):
            Segmenter(size=64, min_presence=0.3, **asked)


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan")])
def test_min_presence_is_a_probability(value):
    with pytest.raises(OptionError, match="--min-presence"):
        Segmenter(min_presence=value)


def test_methods_without_a_network_load_none(tmp_path):
    segmenter = Segmenter(method="prior", model="no-such-model", size=64)
    assert segmenter.backbone is None
    photo, mask = disk_photo(96, 128, seed=3)
    found = segmenter(photo)
    assert found.attention is None
    assert (found.mask & mask).sum() / (found.mask | mask).sum() > 0.7


def test_python_and_command_line_share_one_declaration():
    assert dinoseg.segment.__wrapped__.__module__ == "dinoseg.pipeline"
    with pytest.raises(TypeError, match="methud"):
        dinoseg.segment(np.zeros((8, 8), np.uint8), methud="attention")


def test_a_folder_is_streamed_by_its_path(model, halves, tmp_path):
    write_images(tmp_path, 3)
    results = list(Segmenter(model=model, size=64).stream(tmp_path))
    assert [Path(result.id).name for result in results] == ["photo_000.jpg", "photo_001.jpg", "photo_002.jpg"]


def test_a_photograph_is_encoded_once_and_asked_many_times(model, monkeypatch):
    photo, _ = disk_photo()
    encoded = dinoseg.encode(photo, model=model, size=64, device="cpu")
    assert encoded.features.facets.keys() == {"query", "key", "value", "token"}
    assert encoded.attention.shape[1:] == encoded.fit.grid
    first = Segmenter(model=model, size=64, device="cpu", method="attention", refine="none")
    expected = [first.with_method("tokencut", {"tau": tau})(photo) for tau in (0.1, 0.4)]
    monkeypatch.setattr(first.backbone, "forward", None)  # no other pass
    for tau, other in zip((0.1, 0.4), expected, strict=True):
        found = first.with_method("tokencut", {"tau": tau})(encoded)
        assert (found.masks == other.masks).all()
        assert found.scores == other.scores


def test_what_was_not_encoded_is_told(model):
    segmenter = Segmenter(model=model, size=64, device="cpu", method="attention")
    encoded = segmenter.encoder(disk_photo()[0])
    with pytest.raises(OptionError, match=r"tokencut needs (token|key), which .* dinoseg\.encode"):
        segmenter.with_method("tokencut")(encoded)


def test_a_list_is_encoded_in_order_with_failures_in_their_places(model):
    results = dinoseg.encode([disk_photo(seed=1)[0], b"no image"], model=model, size=64)
    assert isinstance(results[1], Failure)
    assert "patches" in repr(results[0])
    with pytest.raises(ImageError):
        dinoseg.encode(b"no image", model=model, size=64)


def test_a_segmenter_never_changes_and_shares_its_network(model):
    segmenter = Segmenter(model=model, size=64, device="cpu", method="attention")
    other = segmenter.with_options(refine="none", size=80)
    assert (segmenter.options.refine, segmenter.options.size) == ("guided", 64)
    assert other.backbone is segmenter.backbone
    assert other.with_method("prior").backbone is None
    elsewhere = segmenter.with_options(mean=(0.5, 0.5, 0.5))
    assert elsewhere.backbone.spec.mean == (0.5, 0.5, 0.5)
    assert segmenter.backbone.spec.mean != (0.5, 0.5, 0.5)


def test_threads_share_a_segmenter(model):
    segmenter = Segmenter(model=model, size=64, device="cpu", method="attention")
    photos = [disk_photo(40, 60, seed=seed)[0] for seed in range(6)]
    alone = [segmenter(photo) for photo in photos]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(segmenter, photos))
    assert all((one.masks == other.masks).all() for one, other in zip(alone, together, strict=True))


@dataclass(frozen=True)
class Left(NetworkMethod):
    """A method as a user writes one: the left part of every picture."""

    share: float = 0.5

    def propose(self, view):
        soft = np.zeros(view.fit.grid, np.float32)
        soft[:, : round(self.share * view.fit.grid[1])] = 1
        return Proposals((Proposal(soft, 1.0, "the left part"),))


def test_a_method_object_is_asked_like_one_with_a_name(model):
    photo, _ = disk_photo(64, 64)
    mask = dinoseg.segment(photo, model=model, size=64, method=Left(0.25), refine="none").mask
    assert mask[:, :12].all()
    assert not mask[:, 24:].any()
    segmenter = Segmenter(model=model, method=Left())
    assert segmenter.identity()["method"] == "Left"
    assert segmenter.identity()["parameters"] == {"share": 0.5}


@pytest.mark.parametrize("method", [Left, object(), 3])
def test_what_is_no_method_is_told(model, method):
    with pytest.raises(OptionError, match="is no method"):
        Segmenter(model=model, method=method)


def test_a_method_object_has_its_own_parameters(model):
    with pytest.raises(OptionError, match="--param"):
        Segmenter(model=model, method=Left(), param={"share": 0.3})


def test_parameters_may_be_a_dict(model):
    by_dict = Segmenter(model=model, method="tokencut", param={"tau": 0.3, "facet": "key", "centre": None})
    assert by_dict.method == Segmenter(model=model, method="tokencut", param=("tau=0.3", "facet=key")).method
    with pytest.raises(OptionError, match="Did you mean tau"):
        Segmenter(model=model, method="tokencut", param={"tua": 0.3})


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({}, [1, 2, 3]),
        ({"top": 2}, [1, 2]),
        ({"largest": True}, [3]),
        ({"min_score": 0.8}, [1, 2]),
        ({"min_area": 0.2}, [1, 3]),
        ({"min_area": 0.2, "top": 1}, [1]),
        ({"min_area": 0.2, "min_score": 0.8, "largest": True}, [1]),
        ({"min_area": 0.9}, []),
    ],
)
def test_objects_are_selected_and_counted_anew(options, labels):
    shares = (0.25, 0.1, 0.5)
    masks = [np.arange(100).reshape(10, 10) < 100 * share for share in shares]
    every = Segmentation.from_masks(masks, [0.9, 0.8, 0.7], id="a.jpg")
    soft = np.stack(masks).astype(np.float32)
    result = selected(
        Finished(every, Photo("a.jpg", np.zeros((10, 10, 3), np.uint8), (10, 10)), soft), SelectOptions(**options)
    )
    assert [each.area for each in result.segmentation] == [100 * shares[label - 1] for label in labels]
    assert [each.label for each in result.segmentation] == list(range(1, len(labels) + 1))
    np.testing.assert_array_equal(result.soft, soft[[label - 1 for label in labels]])
    assert (result.segmentation.reason == "filtered") is (not labels)


@dataclass(frozen=True)
class Discs(BaseMethod):
    """Three discs in one mask: large, smaller, and one that is too small to count."""

    needs_network: ClassVar[bool] = False

    def __call__(self, features, photos, fits):
        return [Proposals((Proposal(self.soft(fit.grid), 0.8, "discs"),)) for fit in fits]

    def soft(self, grid):
        soft = np.zeros(grid, np.float32)
        for centre, radius in (((7, 7), 6), ((8, 24), 3), ((20, 28), 1)):
            cv2.circle(soft, centre[::-1], radius, 1, -1)
        return soft


def test_connected_parts_are_objects_where_that_is_asked(tmp_path):
    write_images(tmp_path, 1, height=320, width=320)
    photo = next(iter(tmp_path.iterdir()))
    whole = dinoseg.segment(photo, method=Discs(), refine="none")
    parts = dinoseg.segment(photo, method=Discs(), refine="none", parts=True)
    assert len(whole) == 1
    assert [part.label for part in parts] == [1, 2]
    areas = [part.area for part in parts]
    assert areas[0] > areas[1] > 0.08 * areas[0]
    assert parts.scores == pytest.approx([0.8, 0.8 * (areas[1] / areas[0]) ** 0.5])
    assert not (parts.masks[0] & parts.masks[1]).any()
    assert (parts.mask & ~whole.mask).sum() == 0
    assert sum(areas) < whole.mask.sum()  # the smallest is no object
    soft = parts.soft()
    assert ((soft > 0.5) == parts.masks).all()
    assert (np.maximum(*soft) <= whole.soft()[0]).all()
    assert ((parts[1:].soft() > 0.5) == parts.masks[1:]).all()  # without its neighbour too
