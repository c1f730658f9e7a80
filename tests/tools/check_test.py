#!/usr/bin/env python3
"""Runs tools/check on small trees, each with one fault that it has to find."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check"
BLOCK = "".join(f"int value_{i} = {i};\n" for i in range(8))


def findings(files, git=bool(shutil.which("git"))):
    """What the check says of a tree of these files, without its format rule's lines."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        if git:
            subprocess.run(["git", "init", "-q", root], check=True)
        (root / "tools").mkdir()
        shutil.copy(CHECK, root / "tools" / "check")
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        done = subprocess.run([sys.executable, root / "tools" / "check"], capture_output=True, text=True)
        lines = [line for line in done.stdout.splitlines() if "not formatted" not in line]
        assert done.returncode == (1 if done.stdout else 0), done.stderr
        return lines


class Check(unittest.TestCase):
    def expect(self, path, text, *expected, **more):
        self.assertEqual(findings({path: text, **more.get("others", {})}), list(expected))

    def test_a_clean_tree(self):
        self.expect("patina/base/a.h", "// A.\n#pragma once\n")

    def test_a_tree_without_git(self):
        fault = {name + "/a.h": "#pragma once\n" for name in ("patina/base", "build-asan/x", "runs/x", ".cache")}
        self.assertEqual(findings(fault, git=False),
                         ["patina/base/a.h:1: a header begins with a comment that says what it is"])

    def test_layers(self):
        self.expect("patina/image/a.cc", '#include "patina/base/a.h"\n#include "patina/data/b.h"\n',
                    "patina/image/a.cc:2: image/ may not include patina/data/b.h: data stands below it")
        self.expect("patina/eval/a.cc", '#include "patina/tensor.h"\n',
                    "patina/eval/a.cc:1: eval/ does not know LibTorch, so not patina/tensor.h")
        self.expect("patina/odd/a.cc", "int a;\n",
                    "patina/odd/a.cc:1: folder odd is not in the layer list of tools/check")

    def test_libraries(self):
        self.expect("patina/nn/a.cc", "#include <torch/torch.h>\n",
                    "patina/nn/a.cc:1: torch/ headers may be included only in patina/kernels/node.cc, "
                    "patina/dist/, patina/tensor.cc, tests/support/test_device.cc, bindings/python/python.h")
        self.expect("apps/patina/a.cc", "\n#include <nlohmann/json.hpp>\n",
                    "apps/patina/a.cc:2: nlohmann-json may be included only in patina/base/json.h, "
                    "patina/base/json_fwd.h")

    def test_grants(self):
        self.expect("patina/learners/replay/a.cc", '#include "patina/data/sample_access.h"\n',
                    "patina/learners/replay/a.cc:1: learners do not know where samples lie: no sample_access.h here")
        self.expect("patina/run/a.cc", "int a = dynamic_cast<B*>(c) != nullptr;\n",
                    "patina/run/a.cc:1: dynamic_cast outside models/: ask the backbone what it can do")
        self.expect("patina/models/vision/a.cc", "int a = dynamic_cast<B*>(c) != nullptr;\n")

    def test_words(self):
        self.expect("patina/nn/a.cc", '// One phase of "Dark Experience and its episodes".\nint phase;\n',
                    'patina/nn/a.cc:1: "phase": the project\'s word is "task"')
        self.expect("patina/learners/a.cc", 'const char* a = "num_exemplars";\n',
                    'patina/learners/a.cc:1: "exemplars": the project\'s word is "memory"')
        self.expect("patina/learners/a.cc", "// The moon's phase.  check: word\n")
        self.expect("docs/a.md", "Use `logits` here.\n```\nlogits\n```\nTwo logits.\n",
                    'docs/a.md:5: "logits": the project\'s word is "scores"')

    def test_idioms(self):
        for path, text in (("docs/a.md", "The slope is turned.\n"), ("README.md", "The slope\nof `slope` is turned.\n")):
            lines = findings({path: text})
            self.assertEqual([re.sub(r"^\S+ ", "", line) for line in lines],
                             ['"slope": the project\'s word is "gradient"', '"turned": the project\'s word is "transposed"'])
        self.expect("apps/patina/a.cc", '// Its slope.\nconst char* a = "the batch in hand";\n',
                    'apps/patina/a.cc:2: "in hand": the project\'s word is "current"')
        self.expect("patina/nn/a.cc", "// The slope, turned.\n")  # what people read who read code
        self.expect("docs/methods.md", "Two slopes.\n")  # made from texts of the code

    def test_duplicates(self):
        self.expect("patina/base/a.cc", BLOCK,
                    "patina/base/b.cc:2: the 8 code lines from here also stand at patina/base/a.cc:1",
                    others={"patina/base/b.cc": "int other;\n" + BLOCK.replace(" = ", "  =  ")})
        self.expect("patina/base/a.cc", BLOCK, others={"patina/base/b.cc": BLOCK.replace("7", "8")})

    def test_sizes_and_names(self):
        self.expect("patina/base/a.cc", "// x\n" * 501, "patina/base/a.cc:501: 501 lines, more than 500")
        self.expect("apps/utils/a.cc", "int a;\n",
                    'apps/utils/a.cc:1: a folder called "utils" says nothing about what is in it')
        many = {f"bench/{i}.cc": f"int a{i};\n" for i in range(32)}
        self.expect("bench/x.cc", "int x;\n", "bench:1: 33 files in one folder, more than 32", others=many)

    def test_text(self):
        self.expect("patina/base/a.h", "int a;  \n\tint b;",
                    "patina/base/a.h:1: a header begins with a comment that says what it is",
                    "patina/base/a.h:1: no #pragma once",
                    "patina/base/a.h:1: spaces at the end of the line",
                    "patina/base/a.h:2: a tab",
                    "patina/base/a.h:2: no newline at the end of the file")


if __name__ == "__main__":
    unittest.main()
