"""The tables of every protocol: the truth against itself is perfect, floors are geometry, nothing is measured twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dinoseg.evaluation import PROTOCOLS
from dinoseg.evaluation.metrics import instances
from dinoseg.evaluation.protocols import attention_jaccard, copies, miou
from tests.evaluation.sets import polygon, square, write_coco, write_davis, write_pairs, write_voc
from tests.helpers import write_images

bench = pytest.importorskip("tables", reason="the benchmarks are in the repository only")
definitions = pytest.importorskip("protocol_tables")
reports = pytest.importorskip("reports")

MASKS = [table for table in definitions.TABLES if table.truth]
ERRORS = {"MAE (an error)"}
FLOORS = {"centred ellipse", "whole image"}


@pytest.fixture(scope="module")
def words(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A few pictures of every data set."""
    root = tmp_path_factory.mktemp("data")
    write_pairs(root / "duts", 4)
    write_voc(root / "VOC2012", [(8 + number % 4) * square() for number in range(8)], [square()] * 8)
    write_davis(root / "DAVIS", {"a": 3, "b": 12})
    write_coco(root / "coco", [polygon(picture, 1, 20, 30, 40) for picture in range(4)], 4)
    for name in ("cat", "dog"):
        write_images(root / "classes" / name, 22)  # k-NN has its 20 neighbours
    models = ["--models", str(small_model), "--cache", str(root / "cache")]
    return ["--data", str(root), "--classes", str(root / "classes"), *models]


@pytest.fixture(scope="module")
def made(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        for module in (instances, miou):
            patch.setattr(module, "RESAMPLES", 3)  # the shortest bootstrap of what is slow
        patch.setattr(attention_jaccard, "SIDE", 64)
        patch.setattr(copies, "FEWEST", 8)
        bench.main([*words, "-o", str(folder / "tables")])
    return folder


def lines_of(made: Path) -> dict[tuple[str, str], dict[str, object]]:
    content = json.loads((made / "tables.json").read_text())
    return {(x["half"], x["model"]): x for x in content["scores"]}


def test_there_is_a_table_of_every_protocol(made: Path) -> None:
    assert [table.protocol for table in definitions.TABLES] == list(PROTOCOLS)
    page = (made / "tables.md").read_text()
    for table in definitions.TABLES:
        assert f"## {table.protocol}: " in page
        line = lines_of(made)[table.protocol, "small"]
        assert set(table.scores) <= set(line), "the network has every column"
        assert str(line["command"]).startswith(f"dinoseg evaluate {table.protocol} ")


@pytest.mark.parametrize("table", MASKS, ids=lambda table: table.protocol)
def test_the_truth_against_itself_is_perfect(made: Path, table) -> None:
    line = lines_of(made)[table.protocol, bench.TRUTH]
    shown = [name for name in table.scores if name in line]
    assert shown
    for name in shown:
        assert line[name][0] == (0 if name in ERRORS else 1), name


def test_floors_are_what_geometry_says(made: Path) -> None:
    lines, share = lines_of(made), square().mean()
    assert lines["foreground", "whole image"]["IoU"][0] == pytest.approx(share, abs=1e-4)
    assert lines["saliency", "whole image"]["accuracy"][0] == pytest.approx(share, abs=1e-4)
    assert lines["davis-unsupervised", "whole image"]["J mean"][0] == pytest.approx(share, abs=1e-4)
    assert lines["davis-propagation", "first mask kept (floor)"]["J&F"][0] == 1
    assert lines["ap", "whole image"]["AP50 of masks"][0] == 0
    assert lines["knn", "most frequent class (floor)"]["top-1"][0] == 0.5
    assert {name for protocol, name in lines if protocol == "attention-jaccard"} >= FLOORS
    others = {name for _, name in lines if "(floor)" in name}  # none of another score than its column's
    assert others == {f"{name} (floor)" for name in ("first mask kept", "raw pixels", "most frequent class")}


def test_a_floor_in_a_report_is_the_floor_that_was_drawn(made: Path, words: list[str]) -> None:
    (found,) = Path(words[-1]).glob("corloc-VOC2012-small-*/report.json")
    inside = {score["name"]: score["value"] for score in json.loads(found.read_text())["scores"]}
    for name in FLOORS:
        assert inside[f"CorLoc {name}"] == lines_of(made)["corloc", name]["CorLoc"][0]


def test_nothing_is_measured_twice(made: Path, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(reports, "measured", fail)
    monkeypatch.setattr(definitions, "track", fail)
    monkeypatch.setattr(definitions, "group", fail)
    bench.main([*words, "-o", str(made / "again")])
    first, again = ((made / f"{name}.md").read_text() for name in ("tables", "again"))
    assert again == first.replace("-o tables", "-o again")


def test_nothing_tells_where_it_ran(made: Path, words: list[str]) -> None:
    for name in ("tables.md", "tables.json"):
        text = (made / name).read_text()
        assert words[1] not in text
        assert str(made) not in text


@pytest.mark.slow  # an untrained network of the built-in's size
def test_other_weights_are_another_network(small_model: Path, tmp_path: Path) -> None:
    network = definitions.open_network(str(small_model), tmp_path)
    untrained = definitions.open_network("random", tmp_path)
    assert network.name == "small"
    assert untrained.name == "random weights"
    assert untrained.options == {"model": "builtin", "random_weights": True}
    assert network.sha256 != untrained.sha256 == definitions.open_network("random", tmp_path).sha256


def test_pictures_that_fail_give_no_table(words: list[str], tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "duts", 4).parent
    (data / "duts" / "images" / "photo_001.jpg").write_bytes(b"no picture")
    given = ["--data", str(data), *words[4:6], "--cache", str(tmp_path / "cache"), "--protocols", "saliency"]
    with pytest.raises(SystemExit, match=r"evaluate saliency duts .*1 pictures failed, for instance \['photo_001.jpg"):
        bench.main([*given, "-o", str(tmp_path / "out")])


def test_without_data_it_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds none of duts"):
        bench.main(
            ["--data", str(tmp_path), "--cache", str(tmp_path), "--protocols", "saliency", "-o", str(tmp_path / "x")]
        )
