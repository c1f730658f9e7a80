#!/usr/bin/env python3
"""Checks that the documents say what the tree holds: quoted code stands in its file, links lead
somewhere, commands name recipes that exist, the README lists every learner, and the page of benchmarks is the
one that its measurements give.

Code is quoted by a comment before the block: <!-- from patina/learners/learners.def -->
"""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUOTE = re.compile(r"<!-- from (\S+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
RECIPE = re.compile(r"\brecipes/[\w/]+\.toml\b")


def documents():
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {file: file.read_text() for file in sorted(files)}


def program(name):
    """A program of tools/ as a module."""
    sys.dont_write_bytecode = True  # the source tree stays as it is
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "tools" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def is_quoted(block, source):
    """Does the block stand in the source, whole lines in a row? A line "..." leaves lines out."""
    at = 0
    for piece in re.split(r"^ *\.\.\.\n", block, flags=re.MULTILINE):
        found = ("\n" + source).find("\n" + piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


class Documents(unittest.TestCase):
    def test_quoted_code_stands_in_its_file(self):
        quotes = 0
        for file, text in documents().items():
            self.assertEqual(text.count("<!-- from "), len(QUOTE.findall(text)), f"{file}: no block after it")
            for path, block in QUOTE.findall(text):
                quotes += 1
                self.assertTrue(is_quoted(block, (ROOT / path).read_text()),
                                f"{file.relative_to(ROOT)} quotes what {path} does not say:\n{block}")
        self.assertGreater(quotes, 0)

    def test_a_changed_quote_is_noticed(self):
        source = "a\nb\nc\nd\n"
        self.assertTrue(is_quoted("b\nc\n", source))
        self.assertTrue(is_quoted("a\n  ...\nd\n", source))
        self.assertFalse(is_quoted("b\nd\n", source))
        self.assertFalse(is_quoted("d\n...\na\n", source))
        self.assertFalse(is_quoted("bb\n", "abb\n"))

    def test_links_lead_somewhere(self):
        for file, text in documents().items():
            for target in LINK.findall(text):
                if not target.startswith(("http://", "https://", "mailto:")):
                    self.assertTrue((file.parent / target).exists(), f"{file.relative_to(ROOT)}: {target}")

    def test_recipes_exist(self):
        for file, text in documents().items():
            for path in RECIPE.findall(text):
                self.assertTrue((ROOT / path).exists(), f"{file.relative_to(ROOT)}: {path}")

    def test_the_readme_lists_every_learner(self):
        rows = re.findall(r"^LEARNER\(\w+, (\w+)\)", (ROOT / "patina/learners/learners.def").read_text(),
                          re.MULTILINE)
        readme = (ROOT / "README.md").read_text()
        self.assertEqual(sorted(re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)), sorted(rows))
        self.assertIn(f"| {len(rows)} learners |", readme)

    def test_the_page_of_benchmarks_is_made_from_its_measurements(self):
        benchmarks = program("benchmarks")
        runs = benchmarks.records()
        self.assertTrue(runs)
        self.assertEqual(benchmarks.PAGE.read_text(), benchmarks.page(runs), "run tools/benchmarks")
        for file, record in runs.items():
            if file == benchmarks.LANGUAGE:
                self.assertIn("lora", record["medians"])
                continue
            self.assertFalse(record["quick"])
            ratio = record["scenarios"][0]["cases"][0]["ratios"][0]
            measured = ratio["value"]
            ratio["value"] += 1
            self.assertNotEqual(benchmarks.PAGE.read_text(), benchmarks.page(runs))
            ratio["value"] = measured

    def test_the_page_of_reproduction_is_made_from_records(self):
        reproduction = program("reproduction")
        published, *results = reproduction.inputs()
        self.assertEqual(reproduction.PAGE.read_text(), reproduction.page(published, *results), "run tools/reproduction")
        recipes = {row["recipe"] for row in published["small_stream"]} | reproduction.METHODS.to_measure([])[0]
        recipes |= {row["recipe"] for stream in results[:2] for row in stream}
        self.assertLessEqual(recipes, {path.stem for path in (ROOT / "recipes/cifar100_small").glob("*.toml")})
        *_, texts = results
        self.assertLessEqual({row["recipe"] for row in texts}, {path.stem for path in (ROOT / "recipes/clinc150").glob("*.toml")})
        for stream in filter(None, (*results[:2], texts)):
            for row in stream:
                row["last"] += 0.1
            self.assertNotEqual(reproduction.PAGE.read_text(), reproduction.page(published, *results))
            for row in stream:
                row["last"] -= 0.1

    def test_what_was_measured_again_loses_its_mark_and_its_faulty_result(self):
        methods = program("methods")
        results = [{"recipe": "ranpac", "last": 0.9}, {"recipe": "slca", "last": 0.8}, {"recipe": "aper", "last": 0.7}]
        starter = [{"recipe": "ranpac", "last": 0.6}, {"recipe": "slca", "last": 0.5}]
        self.assertEqual([(row["recipe"], row["mark"]) for row in methods.standing(results, [])],
                         [("ranpac", " †"), ("slca", ""), ("aper", " †")])
        left = methods.standing(results, starter)
        self.assertEqual([(row["recipe"], methods.spread([row], "last")) for row in left], [("slca", "80.00"), ("aper", "70.00 †")])
        reproduction = program("reproduction")
        again = reproduction.measure_again(json.loads(reproduction.PUBLISHED.read_text()), starter)
        self.assertIn("- `aper`, ", again)
        self.assertNotIn("`ranpac`", again)

    def test_means_and_deviations_are_over_seeds(self):
        methods = program("methods")
        runs = [{"recipe": "a", "last": 0.5}, {"recipe": "b", "last": 0.7}, {"recipe": "a", "last": 0.6}, {"recipe": "a", "last": 0.7}]
        self.assertEqual({recipe: methods.spread(found, "last") for recipe, found in methods.by_recipe(runs).items()},
                         {"b": "70.00", "a": "60.00 ± 10.00"})
        self.assertEqual(list(methods.by_recipe(runs)), ["b", "a"])
        self.assertEqual(methods.spread([], "last"), "-")

    @unittest.skipUnless("PATINA" in os.environ, "PATINA does not name the program")
    def test_the_page_of_methods_is_made_from_the_registry(self):
        methods = program("methods")
        learners = methods.registry(os.environ["PATINA"])
        self.assertEqual(methods.PAGE.read_text(), methods.page(learners, *methods.measured()), "run tools/methods")
        for learner in learners:
            self.assertTrue(learner["stores"].endswith("."), learner["name"])


if __name__ == "__main__":
    sys.exit(unittest.main())
