"""A watched run: looks where they are due, a page that stands alone, and the same network as an unwatched one."""

import json
import re
import signal
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import PIL.Image
import pytest

from dinoseg.training import run_training
from dinoseg.training.folder import RunFolder
from dinoseg.training.report import History, below_floors, charts, commands, duration, words, write_report
from dinoseg.training.watch import Watch
from tests.helpers import write_images
from tests.training.test_loop import STEPS, assert_equal_runs, files, run_until
from tests.training.tiny import options, small_head

VOID = {"meta", "line", "circle", "polyline", "img", "br", "link"}


class Page(HTMLParser):
    """Fails on tags that are not closed, and gathers what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.seen: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(autouse=True)
def _small_head(monkeypatch):
    small_head(monkeypatch)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("apple", "pear"):
        write_images(folder / name, 5, height=24, width=32)
    return [folder]


@pytest.fixture(scope="module")
def watched(photos, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("watched") / "run <1>"
    with pytest.MonkeyPatch.context() as patch:
        small_head(patch)
        run_training(photos, options(output, watch_every=2))
    return output


def looks(output: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (output / "watch.jsonl").read_text().splitlines()]


def test_looks_before_the_first_step_every_few_epochs_and_at_the_end(watched):
    lines = looks(watched)
    assert [(line["step"], line["epoch"]) for line in lines] == [(0, 0), (4, 2), (6, 3)]
    assert all(0 <= line["knn"] <= 1 for line in lines)
    assert {"knn_pixels", "chance"} <= lines[0].keys()
    for line in lines:
        with PIL.Image.open(watched / line["strip"]) as strip:
            assert strip.size == (6 * 128, 2 * 128)


def test_the_page_is_whole_small_and_alone(watched):
    text = (watched / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.seen.count("svg") == 6
    assert page.seen.count("img") == 4  # the photographs, three looks
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.fetched)
    assert len(text) < 2_000_000
    assert "http" not in text
    assert "run &lt;1&gt;" in text
    assert "run <1>" not in text
    assert "dinoseg segment" in text


def test_watching_changes_nothing_that_is_learned(watched, photos, tmp_path):
    run_training(photos, options(tmp_path / "run"))
    assert not (tmp_path / "run" / "watch.jsonl").exists()
    Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))  # there is a report of curves
    learned = {name: content for name, content in files(tmp_path / "run").items() if name.endswith((".pth", "tensors"))}
    assert len(learned) == 3
    assert {name: watched.joinpath(name).read_bytes() for name in learned} == learned


@pytest.mark.parametrize("step", [1, 4, 5])  # before the first checkpoint, right after a look, between two
def test_f84_looks_of_a_resumed_run_are_those_of_an_undisturbed_one(step, watched, photos, tmp_path, monkeypatch):
    run_until(step, photos, options(tmp_path / "run", watch_every=2), monkeypatch)
    run_training(photos, options(tmp_path / "run", watch_every=2, resume=True))
    assert_equal_runs(tmp_path / "run", watched)


@pytest.mark.parametrize("epoch", [0, 2, 3])  # before the first step, on the way, at the end
def test_a_look_that_takes_too_long_can_be_left_and_is_had_by_whoever_resumes(
    epoch, watched, photos, tmp_path, monkeypatch
):
    strip = Watch.strip

    def stopped(self, backbone):
        if len(list((tmp_path / "run").glob("watch/*.png"))) == [0, 2, 3].index(epoch):
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("the signal came to nothing")
        return strip(self, backbone)

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "strip", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_training(photos, options(tmp_path / "run", watch_every=2))
    assert (tmp_path / "run" / "checkpoints" / f"step-{2 * epoch:08d}.pth").exists() == (epoch > 0)
    run_training(photos, options(tmp_path / "run", watch_every=2, resume=True))
    assert_equal_runs(tmp_path / "run", watched)


def history(folder: Path, done: int = STEPS, **measures: float) -> History:
    """A run of two steps an epoch whose steps all showed the same."""
    step = {"loss": 2.0, "teacher_entropy": 1.0, "student_entropy": 1.0, "spread": 0.5, "lr": 0.1}
    step |= {"images_per_second": 8.0} | measures
    steps = [{"step": index, "epoch": index // 2, **step} for index in range(done)]
    run = {
        "network": {"width": 12, "depth": 2, "patch": 8},
        "photographs": {"count": 10, "sha256": "0" * 64},
        "photographs_per_step": 4,
        "versions": {"dinoseg": "1"},
    }
    return History(RunFolder(options(folder)), run, steps, [], 2)


@pytest.mark.parametrize(
    ("measures", "told"),
    [
        ({}, None),
        ({"teacher_entropy": 0.0}, "one prototype for all"),
        ({"spread": 0.0}, "lower --lr"),
        ({"loss": float("nan")}, None),
    ],
)
def test_the_page_warns_of_collapse(measures, told, tmp_path):
    write_report(history(tmp_path, **measures), ["photos"])
    text = (tmp_path / "report.html").read_text()
    assert ('class="warn"' in text) == (told is not None)
    assert told is None or f"Epoch 3: {told}" in text or told in text


def test_a_run_without_a_step_has_a_page_too(tmp_path):
    write_report(history(tmp_path, done=0), ["photos"])
    Page((tmp_path / "report.html").read_text())


def test_the_next_command_goes_on_or_uses_what_came_out(tmp_path):
    unfinished = commands(history(tmp_path, done=3), ["my photos", "more"])
    assert unfinished[0].startswith("dinoseg train 'my photos' more -o ")
    assert "--epochs 3" in unfinished[0]
    assert unfinished[0].endswith("--resume")
    (segment,) = commands(history(tmp_path), ["photos"])
    assert segment == f"dinoseg segment photos -o masks --model {tmp_path / 'model.safetensors'}"


@pytest.mark.parametrize(
    ("knn", "told"),
    [
        (
            0.3,
            r"\(30\.0 %\) is not above raw pixels \(30\.0 %\) and the most frequent class \(40\.0 %\)",
        ),
        (0.35, r"\(35\.0 %\) is not above the most frequent class \(40\.0 %\)"),
        (0.41, None),
    ],
)
def test_a_network_below_the_floors_is_told_and_not_recommended(knn, told, tmp_path):
    looks = [
        {"step": 0, "epoch": 0, "knn": 0.9, "knn_pixels": 0.3, "chance": 0.4, "peak": 1.04, "strip": "watch/none.png"},
        {"step": 6, "epoch": 3, "knn": knn, "strip": "watch/none.png"},
    ]
    one = replace(history(tmp_path), watched=looks)
    found = " ".join(below_floors(one))
    assert re.search(told, found) if told else not found
    assert ("--model" not in " ".join(commands(one, ["photos"]))) == (told is not None)
    write_report(one, ["photos"])
    assert ("begin with --init builtin" in (tmp_path / "report.html").read_text()) == (told is not None)
    assert not list(below_floors(replace(one, steps=one.steps[:3])))  # not before the end


def test_a_perfect_score_is_not_below_a_perfect_floor(tmp_path):
    look = {"step": 0, "epoch": 0, "knn": 1.0, "knn_pixels": 1.0, "chance": 0.5, "strip": "watch/none.png"}
    assert not list(below_floors(replace(history(tmp_path), watched=[look])))


def test_the_learning_rate_is_drawn_in_its_own_unit(tmp_path):
    chart = next(chart for chart in charts(history(tmp_path, lr=2e-5)) if chart.title == "Learning rate")
    assert {value for _, value in chart.lines["learning rate"]} == {2e-5}


def test_options_are_typed_as_the_command_line_takes_them(tmp_path):
    from dinoseg.options import TrainOptions

    typed = words(TrainOptions(output=tmp_path, teacher_temp=(0.04, 0.07), norm_last_layer=False, epochs=300))
    assert typed == [
        "-o",
        str(tmp_path),
        *["--epochs", "300", "--teacher-temp", "0.04", "0.07", "--no-norm-last-layer"],
    ]


@pytest.mark.parametrize(("seconds", "told"), [(40, "40 s"), (150, "2 min"), (3900, "1 h 05 min")])
def test_durations(seconds, told):
    assert duration(seconds) == told
