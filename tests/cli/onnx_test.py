#!/usr/bin/env python3
"""What `patina export --to onnx` writes gives in ONNX Runtime the scores of the artefact.

    onnx_test.py PATINA FOLDER      needs onnxruntime (PyPI)
"""

import json
import pathlib
import shutil
import subprocess
import sys
import zlib

try:
    import numpy
    import onnxruntime
except ImportError:
    print("onnxruntime is not installed: pip install onnxruntime")
    sys.exit(77)

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))
import small_data

PATINA, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
MEANS = {"imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), "half": ((0.5,) * 3, (0.5,) * 3)}
SIDE = 32
CASES = [(("simplecil",), "starter"), (("slda",), "starter"), (("recursive_ridge", "learner.projection=50"), "starter"),
         (("ranpac", "learner.projection=50", "learner.adaptation=none"), "starter"),
         (("finetune", "training.epochs=1", "training.batch_size=4"), "starter")]


def run(*words):
    done = subprocess.run([PATINA, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def pixels(png):
    """[3,S,S] in [0,1] of an image of small_data: rows without a filter."""
    at, data = 8, b""
    while at < len(png):
        size, kind = int.from_bytes(png[at:at + 4], "big"), png[at + 4:at + 8]
        data += png[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    rows = numpy.frombuffer(zlib.decompress(data), numpy.uint8).reshape(SIDE, 1 + 3 * SIDE)[:, 1:]
    return (rows.reshape(SIDE, SIDE, 3).transpose(2, 0, 1) / 255).astype(numpy.float32)


def check(learner, network):
    artefact, out = FOLDER / "a.patina", FOLDER / "out"
    artefact.unlink(missing_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    settings = [word for option in learner[1:] for word in ("--set", option)]
    for colour, name in enumerate(("red", "green", "blue")):
        new = ["--learner", learner[0], "--backbone", network, *settings] if name == "red" else []
        run("learn", artefact, name, FOLDER / name, *new, "--precision", "fp32")
    said = run("export", artefact, "--to", "onnx", "-o", out)
    session = onnxruntime.InferenceSession(str(out / "model.onnx"))
    notes = session.get_modelmeta().custom_metadata_map
    classes, images = json.loads(notes["classes"]), json.loads(notes["images"])
    assert classes == ["red", "green", "blue"] and images["size"] == SIDE, notes
    means, deviations = (numpy.array(one, numpy.float32)[:, None, None] for one in MEANS[images["normalize"]])
    files = sorted((FOLDER / "asked").iterdir())
    batch = numpy.stack([(pixels(file.read_bytes()) - means) / deviations for file in files])
    scores = session.run(["scores"], {"images": batch})[0]
    told = run("predict", artefact, FOLDER / "asked", "--top", 3, "--json", "--precision", "fp32").splitlines()
    largest = 0
    for row, line in zip(scores, told, strict=True):
        expected = {one["class"]: one["score"] for one in json.loads(line)["classes"]}
        difference = max(abs(expected[name] - score) for name, score in zip(classes, row))
        largest = max(largest, difference / max(map(abs, expected.values())))
    assert largest < 1e-4, (learner, largest, said)
    print(f"{learner[0]} on {network}: {len(files)} images, largest relative difference {largest:.1e}")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    for colour, name in enumerate(("red", "green", "blue")):
        small_data.photographs(FOLDER / name, colour, 4)
        (FOLDER / "asked").mkdir(exist_ok=True)
        (FOLDER / "asked" / f"{name}.png").write_bytes(small_data.png(small_data.COLOURS[colour], 90 + colour, SIDE))
    for learner, network in CASES:
        check(learner, network)
    refused = subprocess.run([PATINA, "export", FOLDER / "a.patina", "--to", "onnx", "-o", FOLDER / "x", "--dtype", "bf16"],
                             capture_output=True, text=True)
    assert refused.returncode == 2 and "fp32" in refused.stderr, refused


if __name__ == "__main__":
    main()
