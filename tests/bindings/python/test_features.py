"""Backbones and their features as a stream."""

import itertools

import pytest
import torch

import patina


def test_features_of_a_stream(colours):
    backbone = patina.Backbone("starter")
    images = colours("red", "green", each=5)
    expected = backbone.features(images.tensors)
    assert expected.shape == (10, backbone.width) and not expected.requires_grad
    taken = []

    def stream():
        for i in itertools.count():  # without an end
            taken.append(i)
            yield images.arrays[i % 10]

    batches = patina.features(backbone, stream(), batch=4)
    first = next(batches)
    assert len(taken) == 4
    torch.testing.assert_close(torch.cat([first, next(batches), next(batches)])[:10], expected, rtol=1e-3, atol=1e-3)
    for data in (images.tensors, images.arrays, list(images.arrays),
                 torch.utils.data.TensorDataset(images.tensors, torch.tensor(images.labels))):
        sizes = [len(rows) for rows in patina.features(backbone, data, batch=4)]
        assert sizes == [4, 4, 2], type(data)
    assert [len(rows) for rows in patina.features(backbone, images.tensors[0])] == [1]


def test_backbones():
    backbone = patina.Backbone("text_starter", engine={"precision": "fp32"})
    assert backbone.reads_texts and backbone.about in repr(backbone)
    both = backbone.features(["a long text of several words", "short"])
    torch.testing.assert_close(both[1:], backbone.features("short"), rtol=1e-4, atol=1e-4)
    pair = next(patina.features(backbone, [("first", "second"), "third"]))
    torch.testing.assert_close(pair[0], backbone.features(("first", "second"))[0], rtol=1e-4, atol=1e-4)
    with pytest.raises(patina.Error, match="nothing_at_all"):
        patina.Backbone("nothing_at_all")
    with pytest.raises(ValueError, match="batch is 0"):
        patina.features(backbone, ["a"], batch=0)
