#!/usr/bin/env python3
"""Runs every command that the documents and `--help` show, each page in a scratch folder of its own with small
data made here. A command that is not in the table below fails the test.

    PATINA=build/bin/patina tests/docs/commands_test.py

What cannot be run here is in the table too, with its reason: its options and recipe keys are checked all the same.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import small_data

ROOT = small_data.ROOT
PATINA = os.environ.get("PATINA", "")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?((?:[A-Z_]+=\S+ )*)(?:build/bin/)?((?:patina|\./demo|\./test|tools/\S+)(?: .*|$))")
OTHER_LANGUAGES = ("c", "cpp", "toml", "python", "cmake")
# A word that stands for another one, in text: `patina explain NAME`.
PLACEHOLDER = re.compile(r"^(?:[A-Z_]+(?:\.\w+)?|\.\.\.|[A-Z]+\.\.\.)$")


class Run:
    """The command is run, with `extra` words behind it, and ends with `status`."""

    def __init__(self, *extra, status=0):
        self.extra, self.status = list(extra), status


class Parse:
    """The command is not run for `reason`. Its options must be known and its recipe must be read without a mistake."""

    def __init__(self, reason):
        self.reason = reason


class Serve:
    """The command serves until it is told to stop."""


LONG = "takes minutes"
WEIGHTS = "needs weights that must be downloaded"
BUILDS = "builds the tree, or changes it"

SMALL = ("--set", "data.path=data/mnist")  # MNIST's files, and 120 images in them

COMMANDS = {
    "./demo": Parse(LONG),
    "./demo text": Parse(LONG),
    "./test": Parse(LONG),
    "./test --fast": Parse(LONG),
    "./test -R config_test": Parse(BUILDS),
    "tools/build config_test": Parse(BUILDS),
    "tools/build patina_program": Parse(BUILDS),
    "tools/benchmarks": Parse("docs_test compares what it makes"),
    "tools/check --fix": Parse(BUILDS),
    "tools/package": Parse(BUILDS),
    "tools/small_stream run --seeds 1993 1 2": Parse("needs data that must be downloaded"),
    "tools/small_stream run --stream clinc150_starter": Parse("needs data that must be downloaded"),
    "tools/setup": Parse("installs packages"),
    "patina check recipes/fashion_mnist/ranpac.toml": Run(*SMALL, "--seconds", "2"),
    "patina completion bash": Run(),
    "patina doctor": Run(),
    "patina manual": Run(),
    "tools/wheel": Parse("wheel_test runs it"),
    "patina board runs/ --port 8090": Serve(),
    "patina bench --out docs/benchmarks/avx512_bf16.json": Parse(LONG),
    "patina bench --only forward": Parse(LONG),
    "patina eval letters.patina letters.jsonl": Run("--max-tokens", "8"),
    "patina eval letters.patina letters.jsonl --probe rouge_l --max-tokens 8": Run(),
    "patina eval pets.patina photos/test/": Run(),
    "patina data recipes/domain_corpora/sft.toml --samples 2": Parse(WEIGHTS),
    "patina data recipes/superni/sft.toml --set model.name=SmolLM2-135M-Instruct.Q4_1.gguf --set data.path=superni": Parse(WEIGHTS),
    "patina explain ranpac": Run(),
    "patina explain recipe": Run(),
    "patina export letters.patina --to peft -o letters-lora/": Run(),
    "patina export pets.patina --to onnx -o pets-onnx/": Run(),
    "patina export runs/tuned --to safetensors -o tuned/": Run(),
    "patina features gpt2 ids.safetensors --all -o stages.safetensors": Run(),
    "patina features starter photos/cats/ -o cats.safetensors": Run(),
    "patina forget pets.patina --samples": Run(),
    "patina forget pets.patina dog": Run(),
    "patina generate gpt2 \"Greet Ada\" --adapter letters-lora": Run("--max-tokens", "4"),
    "patina generate letters.patina \"Dear Ada,\"": Run("--max-tokens", "4"),
    "patina generate gpt2 \"The meaning of life is\" --temperature 0.8 --top-p 0.9": Run("--max-tokens", "4"),
    "patina generate gpt2 \"The meaning of life is\" --adapter gpt2-lora": Run("--max-tokens", "4"),
    "patina inspect bert-base-uncased --summary": Run(),
    "patina inspect letters.patina --summary": Run(),
    "patina inspect pets.patina --summary": Run(),
    "patina inspect starter --summary": Run(),
    "patina learn letters.patina letters.jsonl --backbone gpt2 --learner slao": Run("--set", "learner.rank=2"),
    "patina learn pets.patina cat photos/cats/": Run(),
    "patina learn pets.patina dog photos/dogs/": Run(),
    "patina learn pets.patina dog photos/dogs/ photos/puppy.jpg": Run(),
    "patina learn runs/garden lily photos/lilies/": Run(),
    "patina get": Run(),
    "patina get mnist": Parse("fetches from the internet; get_test does it from a server on this machine"),
    "patina import-pilot exps/ranpac.json": Run(),
    "patina init mine --learner ranpac --data mnist": Run(),
    "patina init mine --learner ranpac --data garden": Run(),
    "patina check mine/ranpac.toml": Run("--seconds", "1"),
    "patina run mine/ranpac.toml --out runs/mine": Run("--set", "learner.projection=100", "--set", "training.epochs=1"),
    "patina init mine --learner ranpac --data fashion-mnist": Run(),
    "patina learn clothes.patina bag photos/bags/": Run(),
    "patina learn clothes.patina boot photos/boots/": Run(),
    "patina eval clothes.patina photos/test/": Run(),
    "patina serve clothes.patina --port 8080": Serve(),
    "patina learn alone.patina cat photos/cats/ --with-backbone": Run(),
    "patina inspect alone.patina --summary": Run(),
    "patina report runs/seeds -o seeds.html": Run(),
    "patina sweep recipes/fashion_mnist/simplecil.toml recipes/fashion_mnist/ranpac.toml --seeds 1 2 3 --out runs/seeds": Run(*SMALL),
    "patina list learners": Run(),
    "patina list runs runs/": Run(),
    "patina list runs runs/ --json": Run(),
    "patina list recipes recipes/fashion_mnist": Run(),
    "patina merge gpt2 gpt2-lora -o merged/ --dtype bf16": Run(),
    "patina learn a.patina cat photos/cats/": Run(),
    "patina learn b.patina dog photos/dogs/": Run(),
    "patina merge a.patina b.patina -o both.patina": Run(),
    "patina merge here.patina there.patina -o both.patina": Parse("a page does the same with artefacts that it makes"),
    "patina features my.toml --shard 1/2 -o shards/1": Run(),
    "patina features my.toml --shard 2/2 -o shards/2": Run(),
    "patina merge shards/1 shards/2 -o features/": Run(),
    "patina merge shards/* -o features/": Run(),
    "patina merge shard1/ shard2/ -o features/": Parse("a page does the same with shards that it makes"),
    "patina run my.toml --set engine.cache_folder=features": Run("--overwrite"),
    "patina predict letters.patina \"Greet Ada\" --max-tokens 20": Run(),
    "patina predict pets.patina photo.jpg": Run(),
    "patina predict pets.patina photos/new.jpg": Run(),
    "patina predict pets.patina photos/new.jpg --top 2": Run(),
    "patina predict pets.patina photos/new/ --top 3": Run(),
    "patina predict runs/garden photos/new.jpg": Run(),
    "patina predict runs/mine photo.jpg --top 3": Run(),
    "patina pretrain recipes/pretrain/starter.toml": Parse(LONG),
    "patina report runs/fashion_mnist_simplecil runs/fashion_mnist_ranpac -o report.html": Run(),
    "patina report runs/mine --latex table.tex": Run(),
    "patina report runs/mine -o report.html": Run(),
    "patina report runs/mine runs/wider -o report.html": Run(),
    "patina report runs/mine --csv runs.csv --latex table.tex --markdown table.md": Run(),
    "patina report runs/mine runs/wider -o runs/wider.html": Run(),
    "patina run --help": Run(),
    "patina run recipes/fashion_mnist/finetune.toml --workers 2 --set training.shards=8":
        Parse("workers_test does it, where there is Gloo"),
    "patina run garden.toml": Run("--set", "data.path=garden"),
    "patina run my.toml --no-cache": Run("--overwrite"),
    "patina run my.toml --out runs/mine --resume": Run(),
    "patina run my.toml --set engine.cache_disk_bytes=0": Run("--overwrite"),
    "patina run my.toml --set engine.cache_folder=/data/features": Run("--overwrite", "--set", "engine.cache_folder=kept"),
    "patina run my.toml --set engine.kind=plain": Run("--overwrite"),
    "patina run my.toml --set engine.precision=fp32": Run("--overwrite"),
    "patina run my.toml --set run.tensorboard=true --out runs/watched": Run(),
    "patina run my.toml --set learner.name=finetune --out runs/tuned": Run("--set", "training.epochs=1"),
    "patina run my.toml --set training.epochs=5 --set learner.name=simplecil": Run(),
    "tools/weights minilm": Parse("downloads 91 MB"),
    "tools/weights smollm2": Parse("downloads 98 MB"),
    "patina inspect SmolLM2-135M-Instruct.Q4_1.gguf --summary": Parse(WEIGHTS),
    "patina generate SmolLM2-135M-Instruct.Q4_1.gguf \"What is the capital of France?\" --chat --system \"Answer in one word.\"": Parse(WEIGHTS),
    "patina generate llava-1.5-7b-hf \"USER: <image>\\nWhat is on the table? ASSISTANT:\" --image table.jpg": Parse(WEIGHTS),
    "patina generate SmolLM2-135M-Instruct.Q4_1.gguf \"The capital of France is\" --max-tokens 24": Parse(WEIGHTS),
    "patina generate SmolLM2-135M-Instruct.Q4_1.gguf \"The capital of France is\" --form stored": Parse(WEIGHTS),
    "patina run recipes/cifar100_clip/rail.toml --set model.name=clip-vit-base-patch16 --set data.path=cifar100": Parse(WEIGHTS),
    "patina run recipes/small_clip/rail.toml --set data.path=cifar100": Parse("needs data that must be downloaded"),
    "patina run recipes/vqa_kinds/vqacl.toml --set data.path=easy_vqa": Parse("needs data that must be downloaded"),
    "patina run recipes/small_x_tail/rail.toml --set data.path=FOLDER": Parse("needs data that must be downloaded"),
    "patina run recipes/cifar100_small/simplecil.toml --set model.path=deit_tiny.safetensors": Parse(WEIGHTS),
    "patina run recipes/clinc150/simplecil.toml --set model.name=bert-base-uncased --set data.path=clinc150": Parse(WEIGHTS),
    "patina run recipes/clinc150/ranpac.toml --set model.name=all-MiniLM-L6-v2 --set data.path=clinc150": Parse(WEIGHTS),
    "patina run recipes/domain_corpora/sft.toml --set model.name=stories260K --set data.path=domain_corpora": Parse(WEIGHTS),
    "patina run recipes/easy_vqa/keeplora.toml --set model.name=llava-1.5-7b-hf --set data.path=easy_vqa": Parse(WEIGHTS),
    "patina run recipes/visual_instructions/sft_replay.toml --set model.name=llava-1.5-7b-hf --set data.path=instructions": Parse(WEIGHTS),
    "tools/visual_instructions easy_vqa instructions": Parse("needs the publisher's data"),
    "patina run recipes/knowledge_change/sft.toml --set model.name=stories260K --set data.path=facts": Parse(WEIGHTS),
    "tools/knowledge_change fuar runs/knowledge_change_sft/record.json": Parse("reads the run of the line above"),
    "tools/knowledge_change write facts": Run(),
    "patina run recipes/superni/sft_replay.toml --set model.name=SmolLM2-135M-Instruct.Q4_1.gguf --set data.path=superni": Parse(WEIGHTS),
    "patina run recipes/digits_vit/duct.toml --set model.path=deit_tiny_patch16_224.safetensors": Parse(WEIGHTS),
    "patina run recipes/fashion_mnist/ranpac.toml": Run(*SMALL),
    "patina run recipes/fashion_mnist/ranpac.toml --out runs/mine": Run(*SMALL),
    "patina run recipes/fashion_mnist/ranpac.toml --set learner.projection=4000 --out runs/wider": Run(*SMALL),
    "patina run recipes/fashion_mnist/simplecil.toml": Run(*SMALL),
    "patina run recipes/split_mnist_told/hat.toml --set scenario.name=si_blurry": Run(status=2),
    "patina serve pets.patina --port 8080": Serve(),
    "patina sweep recipes/cifar100_small/*.toml --jobs 2 --set model.path=FILE --set data.path=FOLDER": Parse(WEIGHTS),
    "patina sweep recipes/fashion_mnist/simplecil.toml recipes/fashion_mnist/ranpac.toml --jobs 2 --out runs/sweep": Run(*SMALL),
    "patina sweep recipes/fashion_mnist/ranpac.toml --set learner.projection=[500,1000] --out runs/widths": Run(*SMALL),
    "patina tune my.toml training.lr=0.01,0.1 training.epochs=1,2 --set learner.name=finetune --by last_accuracy --no-final": Run(),
    "patina tune recipes/fashion_mnist/ranpac.toml learner.projection=500,1000 --out runs/projection": Run(*SMALL),
    "patina tune recipes/permuted_mnist/ewc.toml learner.strength=1,10,100,1000 --set data.domain_count=5 --set data.train_per_class=500 --set learner.fisher_samples=500 --out runs/ewc": Run(*SMALL),
    "PATINA_TORCH=~/torch PATINA_BUILD=build/second ./test": Parse(BUILDS),
    "PATINA_TORCH=~/torch PATINA_BUILD=build/second tools/package": Parse(BUILDS),
    "PATINA_TORCH=~/torch ./demo": Parse(BUILDS),
}


def commands_of(block):
    """(command, the lines below it up to the next one) of a block. Two spaces end a command: an explanation follows."""
    found = []
    for line in block.split("\n"):
        command = COMMAND.match(line)
        if command:
            words = re.split(r" {2,}|\s+#", command[2])[0].strip()
            found.append((command[1] + words, []))
        elif found and line.strip():
            found[-1][1].append(line.strip())
    return found


def pages():
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {str(file.relative_to(ROOT)): file.read_text() for file in files}


def call(folder, words):
    """The status and the text of a command in `folder`; `patina` is the program under test."""
    words = [PATINA if words[0] == "patina" else str(ROOT / words[0]), *words[1:]]
    environment = dict(os.environ, PATINA_DATA=str(folder / "data"), XDG_CACHE_HOME=str(folder / "cache"))
    done = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode, done.stdout


def words_of(folder, command):
    """The words of a command as a shell hands them on."""
    words = []
    for word in shlex.split(command):
        matched = sorted(folder.glob(word)) if "*" in word else []
        words += [str(path.relative_to(folder)) for path in matched] or [word]
    return words


def help_of(command, known={}):
    if command not in known:
        status, text = call(ROOT, ["patina", command, "--help"])
        known[command] = text if status == 0 and text.find(f"Usage: patina {command}") >= 0 else None
    return known[command]


def subcommands():
    text = call(ROOT, ["patina", "--help"])[1]
    return re.findall(r"^  (\w+) ", text.split("Subcommands:")[1], re.MULTILINE)


def mistakes_in(words):
    """What is wrong with the options of a command that is not run."""
    if words[0] != "patina":
        program = ROOT / words[0]
        return [] if os.access(program, os.X_OK) else [f"{words[0]} is no program"]
    text = help_of(words[1])
    if text is None:
        return [f"there is no subcommand {words[1]}"]
    options = [word.split("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)]
    return [f"patina {words[1]} has no option {option}" for option in options
            if not re.search(rf"(?:^|[\s,]){re.escape(option)}(?![\w-])", text)]


@unittest.skipUnless(PATINA, "PATINA does not name the program")
class Commands(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="patina-docs-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        small_data.prepare(self.folder)

    def check_recipe(self, recipe, overrides=()):
        """The program must read the whole recipe, and stop only because there are no such data."""
        words = ["patina", "run", recipe, "--out", "runs/parsed"]
        for setting in (*overrides, "data.path=nowhere"):
            words += ["--set", setting]
        status, text = call(self.folder, words)
        self.assertEqual(status, 2, text)
        self.assertNotRegex(text, r"\.toml:\d+: |unknown (key|section)|--set", f"{recipe}: {text}")
        self.assertRegex(text, r"nowhere|there is no such file", f"{recipe}: {text}")

    def check(self, command, output):
        if command not in COMMANDS:
            self.fail(f"COMMANDS does not know: {command}")
        rule = COMMANDS[command]
        words = words_of(self.folder, re.sub(r"^(?:[A-Z_]+=\S+ )*", "", command))
        self.assertEqual(mistakes_in(words), [])
        if isinstance(rule, Parse):
            self.assertTrue(rule.reason)
            if words[:2] in (["patina", "run"], ["patina", "sweep"]):
                settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
                settings = [one for one in settings if not one.startswith("data.path=")]
                # Of a whole folder one: shipped_recipes_test reads all of them.
                self.check_recipe(next(word for word in words if word.endswith(".toml")), settings)
            return
        if isinstance(rule, Serve):
            return self.check_server(words)
        status, text = call(self.folder, words + rule.extra)
        self.assertEqual(status, rule.status, f"{command}\n{text}")
        if output:  # what the page says that the program prints
            self.assertIn(" ".join(" ".join(output).split()), " ".join(text.split()))

    def check_server(self, words):
        port = words.index("--port") + 1
        (self.folder / "runs").mkdir(exist_ok=True)
        words = [PATINA, *words[1:port], "0", *words[port + 1:]]  # a port that is free
        with subprocess.Popen(words, cwd=self.folder, stdout=subprocess.PIPE, text=True) as server:
            self.assertRegex(server.stdout.readline(), r"^(serving|showing) [\w/]+ at http://127\.0\.0\.1:\d+/$")
            server.terminate()
            self.assertEqual(server.wait(60), 0)

    def shows_commands(self, text):
        return any(commands_of(block) for language, block in BLOCK.findall(text) if language not in OTHER_LANGUAGES)

    def test_commands_of_the_pages(self):
        met = set()
        for page, text in pages().items():
            if not self.shows_commands(text):
                continue
            folder, self.folder = self.folder, self.folder / re.sub(r"\W", "_", page)
            small_data.prepare(self.folder)
            for language, block in BLOCK.findall(text):
                if language in OTHER_LANGUAGES:
                    continue
                for command, output in commands_of(block):
                    met.add(command)
                    with self.subTest(page=page, command=command):
                        self.check(command, output if block.startswith("$ ") else [])
            self.folder = folder
        examples = {command for name in subcommands() for command in self.examples(name)}
        self.assertEqual(set(COMMANDS) - met - examples, set(), "COMMANDS knows what no page shows")

    def examples(self, name):
        found = re.findall(r"^(?:example:|        ) (patina .*)$", help_of(name), re.MULTILINE)
        return [command.strip() for command in found]

    def test_examples_of_help(self):
        self.assertGreater(len(subcommands()), 10)
        examples = 0
        # In this order: what one learns, another one reads.
        for name in sorted(subcommands(), key=lambda name: name != "learn"):
            for command in self.examples(name):
                examples += 1
                with self.subTest(help=name, command=command):
                    self.check(command, [])
            for setting in re.findall(r"for example --set (\S+?);", help_of(name)):
                with self.subTest(help=name, setting=setting):
                    status, text = call(self.folder, ["patina", "run", "my.toml", "--out", f"runs/{name}", "--set", setting])
                    self.assertEqual(status, 0, text)
        self.assertGreater(examples, 5)

    def test_commands_within_sentences(self):
        for page, text in pages().items():
            for command in re.findall(r"`(patina [a-z][^`\n]*)`", BLOCK.sub("", text)):
                words = [word for word in shlex.split(command) if not PLACEHOLDER.match(word)]
                with self.subTest(page=page, command=command):
                    self.assertEqual(mistakes_in(words), [])

    def test_tables_of_recipes(self):
        tables = 0
        for page, text in pages().items():
            text = re.sub(r"<!-- from \S+ -->\n```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
            for language, block in BLOCK.findall(text):
                if language != "toml":
                    continue
                tables += 1
                for section, rest in (("data", 'name = "folder"'), ("learner", 'name = "simplecil"')):
                    if f"[{section}]" not in block:
                        block += f"\n[{section}]\n{rest}\n"
                recipe = self.folder / "table.toml"
                recipe.write_text(block)
                with self.subTest(page=page, table=block):
                    self.check_recipe("table.toml")
        self.assertGreater(tables, 3)

    def test_mistakes_are_noticed(self):
        self.assertEqual(mistakes_in(["patina", "run", "--wrong"]), ["patina run has no option --wrong"])
        self.assertEqual(mistakes_in(["patina", "runn"]), ["there is no subcommand runn"])
        self.assertEqual(mistakes_in(["tools/nothing"]), ["tools/nothing is no program"])
        self.assertEqual(commands_of("$ A=b build/bin/patina run a.toml  it runs\nand says\n"),
                         [("A=b patina run a.toml", ["and says"])])
        for recipe, setting in (("my.toml", "learner.nonsense=1"), ("my.toml", "trainer.lr=1")):
            with self.assertRaises(AssertionError):
                self.check_recipe(recipe, [setting])
        with self.assertRaisesRegex(AssertionError, "does not know: patina run other"):
            self.check("patina run other.toml", [])


if __name__ == "__main__":
    sys.exit(unittest.main())
