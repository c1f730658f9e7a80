#!/usr/bin/env python3
"""Runs tools/visual_instructions on a few images: its answers are true of them, and images are put together pixel by pixel."""

import collections
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zlib

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/visual_instructions"
TASKS = ("color", "shape", "yes or no", "count", "caption")
sys.dont_write_bytecode = True


def as_module():
    loader = importlib.machinery.SourceFileLoader("visual_instructions", str(TOOL))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def png(width, filtered):
    """A PNG of rows with their filters' numbers in front."""
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, len(filtered), 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(filtered)))
            + chunk(b"IEND", b""))


class VisualInstructions(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.data = self.root / "easy_vqa"
        self.data.mkdir()
        self.tool = as_module()
        self.images = [(color, shape) for color in ("red", "blue", "gray") for shape in ("circle", "triangle")]
        for split in ("train", "test"):
            self.write(split)

    def write(self, split):
        questions = []
        with tarfile.open(self.data / f"{split}.images.tar.gz", "w:gz") as archive:
            for number, (color, shape) in enumerate(self.images):
                body = self.tool.encoded([bytes([number]) * 6] * 2)
                member = tarfile.TarInfo(f"{split}/images/{number}.png")
                member.size = len(body)
                archive.addfile(member, io.BytesIO(body))
                questions += [[f"what is the {color} shape?", shape, number], ["what color is the shape?", color, number],
                              [f"is there a {shape}?", "yes", number], [f"is there not a {color} shape?", "no", number]]
        (self.data / f"{split}.questions.json").write_text(json.dumps(questions))

    def ran(self, name, *options):
        return subprocess.run([sys.executable, TOOL, self.data, self.root / name, "--train", "6", "--test", "4", *options],
                              capture_output=True, text=True)

    def lines(self, name, split="train", *options):
        result = self.ran(name, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in (self.root / name / f"{split}.jsonl").read_text().splitlines()]

    def test_every_answer_is_true(self):
        lines = self.lines("made")
        self.assertEqual([line["domain"] for line in lines], [task for task in TASKS for _ in range(6)])
        answers = collections.Counter(line["answer"] for line in lines if line["domain"] == "yes or no")
        self.assertEqual(answers, {"yes": 3, "no": 3})
        for line in lines:
            path = self.root / "made" / line["image"]
            seen = [self.images[int(number)] for number in path.stem.split("_")]
            rows = self.tool.decoded(path.read_bytes(), path.name)
            if line["domain"] == "count":
                word = line["question"].split()[2].removesuffix("s")
                self.assertEqual(line["answer"], str(sum(word in image for image in seen)), line)
                parts = [int(number) for number in path.stem.split("_")]
                self.assertEqual(rows, [bytes([parts[0]] * 6 + [parts[1]] * 6)] * 2 + [bytes([parts[2]] * 6 + [parts[3]] * 6)] * 2)
                continue
            (color, shape), = seen
            self.assertEqual(rows, [bytes([int(path.stem)]) * 6] * 2)
            if line["domain"] in ("color", "shape"):
                self.assertEqual(line["answer"], color if line["domain"] == "color" else shape)
            if line["domain"] == "caption":
                self.assertEqual(line["answer"], f"a {color} {shape}")
        self.assertEqual(len(self.lines("made", "test")), 20)

    def test_depends_on_the_options_alone(self):
        self.assertEqual(self.lines("a"), self.lines("b"))
        self.assertNotEqual(self.lines("a"), self.lines("c", "train", "--seed", "7"))

    # What is not said is not known: an image that is not red may be of any other color.
    def test_knows_what_questions_tell(self):
        told, colors = self.tool.told, self.tool.COLORS
        self.assertEqual(told("is there a red shape?", "yes", colors), "red")
        self.assertIsNone(told("is there a red shape?", "no", colors))
        self.assertEqual(told("is no red shape present?", "no", colors), "red")
        self.assertIsNone(told("is there not a red shape?", "yes", colors))
        self.assertEqual(told("what is the red shape?", "circle", colors), "red")
        self.assertIsNone(told("is there a circle?", "yes", colors))

    # Each filter of PNG's, by hand: 2 pixels a row.
    def test_reads_every_filter_of_png(self):
        first = bytes([10, 20, 30, 40, 50, 60])
        for method, row, wanted in [(0, first, first), (1, bytes([1, 2, 3, 4, 5, 6]), bytes([1, 2, 3, 5, 7, 9])),
                                    (2, bytes([1] * 6), bytes([11, 21, 31, 41, 51, 61])),
                                    (3, bytes([1] * 6), bytes([6, 11, 16, 24, 31, 39])),
                                    (4, bytes([50] * 6), bytes([60, 70, 80, 110, 120, 130]))]:
            rows = self.tool.decoded(png(2, [b"\0" + first, bytes([method]) + row]), "a.png")
            self.assertEqual(rows, [first, wanted], method)

    def test_says_what_is_wrong(self):
        result = self.ran("made", "--train", "50")
        self.assertEqual(result.returncode, 1)
        self.assertIn('questions of the task "color", and 50 are wanted', result.stderr)
        (self.data / "train.questions.json").unlink()
        self.assertIn("train.questions.json", self.ran("made").stderr)


if __name__ == "__main__":
    unittest.main()
