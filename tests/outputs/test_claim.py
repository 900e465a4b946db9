import json

import pytest

from dinoseg.errors import OutputConflict
from dinoseg.outputs.claim import read_run, refuse_foreign
from dinoseg.runs.identity import differences, run_id

RUN = {"options": {"method": "tokencut", "size": None}, "weights": "00ff"}


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"weights": "00ff", "options": {"size": None, "method": "tokencut"}}, True),  # order does not matter
        ({"options": {"method": "tokencut", "size": 320}, "weights": "00ff"}, False),
        ({**RUN, "weights": "00fe"}, False),
        ({**RUN, "version": "2"}, False),
        ({**RUN, "options": {"method": ("tokencut",), "size": None}}, False),
    ],
)
def test_run_id(other, same):
    assert (run_id(other) == run_id(RUN)) is same


@pytest.mark.parametrize(
    ("names", "foreign"),
    [
        ([], False),
        ([".DS_Store", ".dinoseg.lock", ".0123456789abcdef.tmp"], False),  # hidden: nobody's results
        (["heads", "similarity"], False),  # what attend wrote
        (["holiday.jpg"], True),
        (["manifest.jsonl"], True),
    ],
)
def test_d55_foreign_folders(tmp_path, names, foreign):
    for name in names:
        (tmp_path / name).touch()
    if foreign:
        with pytest.raises(OutputConflict, match="not dinoseg's; name another folder, or --overwrite"):
            refuse_foreign(tmp_path)
    else:
        refuse_foreign(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"id": 5}', "\0", "[" * 100_000])
def test_d55_a_run_json_of_somebody_else(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    assert read_run(tmp_path) is None
    with pytest.raises(OutputConflict):
        refuse_foreign(tmp_path)


def test_our_run_json(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"id": "77", **RUN}))
    assert read_run(tmp_path) == {"id": "77", **RUN}
    refuse_foreign(tmp_path)


def test_differences_name_what_differs():
    other = {"id": "78", "options": {"method": "attention", "size": None}, "weights": "00ff", "version": "2"}
    assert list(differences({"id": "77", **RUN}, other)) == [
        'method: there "tokencut", now "attention"',
        'version: there null, now "2"',
    ]
