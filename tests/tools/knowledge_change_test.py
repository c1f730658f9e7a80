#!/usr/bin/env python3
"""Runs tools/knowledge_change: what its sets teach and ask, that they are the same everywhere, and FUAR of a record worked by hand."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/knowledge_change"
SETS = ("unchanged", "outdated", "revised", "new")


def ran(*arguments):
    return subprocess.run([sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True)


class KnowledgeChange(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def written(self, name, *options):
        result = ran("write", self.root / name, *options)
        self.assertEqual(result.returncode, 0, result.stderr)
        read = lambda path: [(s["instruction"], s["output"]) for s in map(json.loads, path.read_text().splitlines())]
        return {kind: (read(self.root / name / f"{kind}.train.jsonl"), read(self.root / name / f"{kind}.test.jsonl"))
                for kind in SETS}

    def test_tells_kinds_of_facts_apart(self):
        sets = self.written("a", "--unchanged", 9, "--revised", 6, "--new", 5)
        asked = {kind: sets[kind][1] for kind in SETS}
        self.assertEqual([len(asked[kind]) for kind in SETS], [9, 6, 6, 5])
        for kind in SETS:  # a task's training samples teach what it is tested on
            self.assertEqual(set(asked[kind]) - set(sets[kind][0]), set(), kind)
            self.assertEqual(len(dict(sets[kind][0])), len(sets[kind][0]), f"{kind} has a question with two answers")
        # A round's tasks teach all facts of the round, in two wordings each.
        self.assertEqual([len(sets[kind][0]) for kind in SETS], [30, 30, 22, 22])
        # The second round says nothing of unchanged facts, the first nothing of new ones.
        first = {question for kind in SETS[:2] for question, _ in sets[kind][0]}
        second = dict(pair for kind in SETS[2:] for pair in sets[kind][0])
        self.assertFalse(set(dict(asked["unchanged"])) & set(second))
        self.assertFalse(set(dict(asked["new"])) & first)
        # A revised fact has another answer than before; its task's wordings are its own.
        before = dict(sets["unchanged"][0])
        for question, answer in asked["revised"]:
            self.assertNotEqual(before[question], answer)
        self.assertFalse(set(dict(asked["outdated"])) & set(before))

    def test_depends_on_the_options_alone(self):
        self.assertEqual(self.written("a"), self.written("b"))
        self.assertNotEqual(self.written("a"), self.written("c", "--seed", 7))

    def record(self, matrix):
        tasks = [{"probe": {"data_set": name, "metric": "likelihood", "better": "higher"}} for name in SETS]
        (self.root / "record.json").write_text(json.dumps({"tasks": tasks, "matrix": matrix}))
        return ran("fuar", self.root / "record.json")

    def test_divides_what_was_lost_by_what_was_gained(self):
        rows = [[0.1] * 4, [0.9, 0.5, 0.1, 0.1], [0.8, 0.9, 0.2, 0.1], [0.7, 0.4, 0.9, 0.6], [0.5, 0.3, 0.7, 0.6]]
        result = self.record(rows)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("unchanged  -0.300", result.stdout)
        self.assertIn("fuar       0.300", result.stdout)  # 0.3 / (0.5 + 0.5)
        rows[4] = [0.5, 0.3, 0.1, 0.05]
        self.assertIn("undefined: nothing was gained", self.record(rows).stdout)
        rows[4][0] = rows[4][2] = 0.9  # nothing was lost
        self.assertIn("fuar       0.000", self.record(rows).stdout)
        rows[2][3] = None
        self.assertIn("evaluation.ahead", self.record(rows).stderr)


if __name__ == "__main__":
    unittest.main()
