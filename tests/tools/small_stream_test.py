#!/usr/bin/env python3
"""Runs tools/small_stream on a program that only says what it was asked for: the stream is laid over each recipe, records become
rows, older rows are replaced, and a choice becomes a recipe."""

import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools/small_stream"

# Writes a record for each seed of a sweep, with the overrides in its recipe.
PROGRAM = """#!/usr/bin/env python3
import json, pathlib, sys
words = sys.argv[1:]
taken = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
name = next(one for one in taken if one.startswith("name=")).removeprefix("name=")
seeds = words[words.index("--seeds") + 1:]
for seed in seeds[:next(i for i, word in enumerate(seeds) if word.startswith("--"))]:
    folder = pathlib.Path(words[words.index("--out") + 1]) / name / f"seed_{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "record.json").write_text(json.dumps({
        "status": "complete" if seed != "3" else "interrupted", "taken": taken, "learner": {"name": "toy"},
        "recipe": f"seed = {seed}\\n[training]\\nepochs = 4\\n[chosen]\\nvalues = ['training.lr=0.1']\\n",
        "metrics": {"last_accuracy": 0.5, "average_incremental_accuracy": 0.6, "forgetting": 0.1},
        "seconds": {"total": 7.5}, "machine": {"cpu": "a processor", "threads": 2},
        "parameters": {"trainable": 10, "stored_bytes_after_task": [1, 2]}}))
"""


def tool():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("small_stream", str(TOOL))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("small_stream", loader))
    loader.exec_module(module)
    return module


class SmallStream(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.program = self.root / "patina"
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)

    def run_tool(self, *words):
        return subprocess.run([sys.executable, TOOL, "run", *words, "--patina", self.program, "--out", self.root / "runs",
                               "--results", self.root / "results.json"], capture_output=True, text=True)

    def test_the_stream_is_laid_over_every_recipe(self):
        for name, stream in tool().STREAMS.items():
            read = tomllib.loads((ROOT / f"recipes/streams/{name}.toml").read_text())
            laid = {}
            for setting in stream.settings():
                key, value = setting.split("=", 1)
                section, entry = key.split(".")
                laid.setdefault(section, {})[entry] = tomllib.loads(f"value = {value}")["value"]
            del read["base"]
            self.assertEqual(laid, read)
        images = tomllib.loads((ROOT / "recipes/streams/cifar100_starter.toml").read_text())
        self.assertEqual(len(set(images["scenario"]["class_order"])), 50)

    def test_another_stream_has_its_own_recipes(self):
        result = self.run_tool("idbr", "--stream", "clinc150_starter", "--seeds", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual([row["recipe"] for row in json.loads((self.root / "results.json").read_text())], ["idbr"])
        record = json.loads((self.root / "runs/clinc150_starter_idbr/seed_1/record.json").read_text())
        self.assertIn('model.name="text_starter"', record["taken"])
        self.assertIn("no recipe l2p; there are ", self.run_tool("l2p", "--stream", "clinc150_starter").stderr)

    def test_records_become_rows_and_older_ones_are_replaced(self):
        self.assertEqual(self.run_tool("ranpac", "--seeds", "1", "2", "3").returncode, 0)
        rows = json.loads((self.root / "results.json").read_text())
        self.assertEqual([(row["recipe"], row["seed"]) for row in rows], [("ranpac", 1), ("ranpac", 2)])
        spent = rows[0]["processor_seconds"]
        self.assertGreaterEqual(spent, 0)
        self.assertEqual(rows[0], {"recipe": "ranpac", "seed": 1, "learner": "toy", "epochs": 4, "last": 0.5, "average": 0.6,
                                   "forgetting": 0.1, "seconds": 7.5, "processor_seconds": spent, "bytes": [1, 2], "machine": "a processor, 2 threads",
                                   "chosen": ["training.lr=0.1"]})
        record = json.loads((self.root / "runs/cifar100_starter_ranpac/seed_1/record.json").read_text())
        self.assertIn('model.name="starter"', record["taken"])
        self.assertIn("name=cifar100_starter_ranpac", record["taken"])
        rows[0]["last"] = 0.25
        (self.root / "results.json").write_text(json.dumps(rows))
        self.assertEqual(self.run_tool("fecam", "--seeds", "1").returncode, 0)
        rows = json.loads((self.root / "results.json").read_text())
        self.assertEqual([(row["recipe"], row["seed"], row["last"]) for row in rows],
                         [("fecam", 1, 0.5), ("ranpac", 1, 0.5), ("ranpac", 2, 0.5)])

    def test_what_is_asked_for_wrongly_is_refused(self):
        result = self.run_tool("ranpack")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("no recipe ranpack; there are aper, ", result.stderr)

    def test_time_is_told_of_runs_in_one_piece_alone(self):
        (self.root / "runs/cifar100_starter_ranpac/seed_1").mkdir(parents=True)
        self.assertEqual(self.run_tool("ranpac", "--seeds", "1").returncode, 0)
        self.assertIsNone(json.loads((self.root / "results.json").read_text())[0]["processor_seconds"])

    def test_a_choice_becomes_a_recipe_that_is_run_instead(self):
        module = tool()
        stream = module.STREAMS["cifar100_starter"]
        stream.methods, stream.fitted, stream.trials = self.root / "small", self.root / "fitted", self.root / "trials"
        stream.methods.mkdir()
        (stream.methods / "er.toml").write_text("")
        self.assertEqual(stream.recipe_of("er"), stream.methods / "er.toml")
        self.program.write_text("""#!/usr/bin/env python3
import pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
out.mkdir(parents=True)
(out / "chosen.toml").write_text('# chosen\\nbase = "elsewhere"\\n[training]\\nlr = 0.1\\n')
""")
        module.tune(module.argparse.Namespace(name="er", stream=stream, candidates=["training.lr=0.1"], patina=str(self.program),
                                              by="last_accuracy", set=[]))
        self.assertEqual(stream.recipe_of("er"), stream.fitted / "er.toml")
        self.assertEqual((stream.fitted / "er.toml").read_text(), '# chosen\nbase = "../small/er.toml"\n[training]\nlr = 0.1\n')


if __name__ == "__main__":
    sys.exit(unittest.main())
