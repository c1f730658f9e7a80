"""Runs docs/guide/python.md from top to bottom and compares what it shows."""

import doctest
import os
import pathlib
import re

import small_data

GUIDE = pathlib.Path(__file__).resolve().parents[3] / "docs/guide/python.md"


def test_the_guide(tmp_path, monkeypatch):
    small_data.prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATINA_DATA", os.fspath(tmp_path / "data"))
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, GUIDE.name, os.fspath(GUIDE), 0)
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)
