"""Runs of recipes, and the lists of what there is."""

import os
import signal

import pytest
import torch

import patina

RECIPE = """
name = "colours"
[data]
name = "folder"
path = "nowhere"
[learner]
name = "simplecil"
[scenario]
classes_per_task = 2
"""


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "colours.toml"
    file.write_text(RECIPE)
    return file


class Set(torch.utils.data.Dataset):
    def __init__(self, images):
        self.images, self.targets, self.classes = images, images.labels, images.names

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return self.images.arrays[i], self.targets[i]


@pytest.fixture
def sets(colours):
    names = ("red", "green", "blue", "yellow")
    return {"train": Set(colours(*names, each=6)), "test": Set(colours(*names, each=2, seed=1))}


def test_a_run_on_torch_data_sets(recipe, sets, tmp_path):
    run = patina.run(recipe, out=tmp_path / "run", set={"scenario": {"class_order_seed": -1}}, **sets)
    assert run.folder == tmp_path / "run" and (run.folder / "record.json").exists()
    assert run.record["status"] == "complete"
    session = run.open()
    assert session.classes == ["red", "green", "blue", "yellow"]
    assert session.eval(sets["test"]).accuracy == 1
    with pytest.raises(patina.Error, match="complete|contains") as caught:
        patina.run(recipe, out=tmp_path / "run", set={"seed": 2}, **sets)
    assert caught.value.kind == "state"
    again = patina.run(recipe, out=tmp_path / "run", set={"seed": 2}, overwrite=True, **sets)
    assert again.record["status"] == "complete"


def test_ctrl_c_and_resume_end_on_the_same_bits(recipe, sets, tmp_path):
    options = dict(set={"learner.name": "finetune", "training": {"epochs": 3, "batch_size": 4}}, **sets)
    whole = patina.run(recipe, out=tmp_path / "whole", **options)
    reads = []

    class Interrupting(Set):
        def __getitem__(self, i):
            reads.append(i)
            if len(reads) == 30:  # in the first task, by a thread of the pool
                os.kill(os.getpid(), signal.SIGINT)
            return super().__getitem__(i)

    stopped = dict(options, train=Interrupting(options["train"].images))
    with pytest.raises(KeyboardInterrupt):
        patina.run(recipe, out=tmp_path / "stopped", cache=False, **stopped)
    resumed = patina.run(recipe, out=tmp_path / "stopped", resume=True, **options)
    assert resumed.record["status"] == "complete"
    images = sets["test"].images.tensors
    assert torch.equal(resumed.open().scores(images), whole.open().scores(images))


def test_mistakes(recipe, tmp_path, sets):
    with pytest.raises(patina.Error, match="nowhere") as caught:
        patina.run(recipe, out=tmp_path / "run")
    assert caught.value.kind in ("data", "file")
    with pytest.raises(patina.Error, match='did you mean "name"'):
        patina.run(recipe, out=tmp_path / "run", set={"learner.nmae": "x"})
    with pytest.raises(ValueError, match="train and test go together"):
        patina.run(recipe, train=sets["train"])
    with pytest.raises(ValueError, match="either resumed or overwritten"):
        patina.run(recipe, resume=True, overwrite=True)


def test_lists():
    rows = {row["name"]: row for row in patina.learners()}
    assert rows["simplecil"]["needs"] == ["boundaries", "many_passes", "new_classes"]
    assert rows["sft"]["answers"] and not rows["ranpac"]["answers"]
    assert "projection" in patina.explain("ranpac")
    with pytest.raises(patina.Error, match='did you mean "ranpac"'):
        patina.explain("rampac")
