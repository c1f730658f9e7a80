#!/usr/bin/env python3
"""A learner that answers with text, through the program: learned, asked, scored, exported, asked again beside the
model, refused where it does not fit, and killed while it learns.

    answers_test.py PATINA FOLDER
"""

import json
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))
import small_data

KILLS = 6
PROMPT = "Greet Ada"


class Program:
    def __init__(self, patina, folder):
        self.patina, self.folder = patina, folder

    def call(self, *words, text=None):
        return subprocess.run([self.patina, *map(str, words)], cwd=self.folder, capture_output=True, text=True,
                              input=text, errors="replace")

    def run(self, *words, text=None):
        done = self.call(*words, text=text)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *words, said):
        done = self.call(*words)
        assert done.returncode == 2, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert said in done.stderr, f"{words}: {said}\n{done.stderr}"


def learned_and_asked(program):
    """One artefact of two tasks: what is said of it."""
    said = program.run("learn", "a.patina", "letters.jsonl", "--backbone", "gpt2", "--learner", "slao",
                       "--set", "learner.rank=2", "--set", "training.lr=0.05", "--set", "training.epochs=20")
    assert "new, on " in said and "slao learned letters from 4 texts in " in said and "1 task is known" in said, said
    said = program.run("learn", "a.patina", "more.jsonl", "--name", "farewells")
    assert "learned farewells from 2 texts in " in said and "2 tasks are known" in said, said
    shown = program.run("inspect", "a.patina", "--summary")
    assert "slao learned to answer with text in 2 tasks, from 6 texts" in shown, shown
    assert "task 1: letters\n  task 2: farewells\n" in shown and "name = \"slao\"" in shown, shown

    alone = program.run("predict", "a.patina", PROMPT, "--max-tokens", 5)
    (program.folder / "prompts.txt").write_text(f"{PROMPT}\n\nGreet Bob\n")
    lines = program.run("predict", "a.patina", "prompts.txt", "--max-tokens", 5, "--json").splitlines()
    found = [json.loads(line) for line in lines]
    assert [one["input"] for one in found] == ["prompts.txt:1", "prompts.txt:3"], found
    assert found[0]["answer"] + "\n" == alone and found[0]["tokens"] <= 5, (found, alone)
    assert program.run("predict", "a.patina", "-", "--max-tokens", 5, text=PROMPT) == alone
    records = program.run("predict", "a.patina", "letters.jsonl", "--max-tokens", 5)
    assert records.startswith("letters.jsonl:1  "), records

    scores = json.loads(program.run("eval", "a.patina", "letters.jsonl", "--json", "--max-tokens", 8))
    assert scores["samples"] == 4, scores
    assert [one["metric"] for one in scores["probes"]] == ["exact_match", "rouge_l", "answer_loss"], scores
    assert "lower is better" in program.run("eval", "a.patina", "letters.jsonl", "--probe", "answer_loss")


def exported(program):
    """What was learned beside the model answers as the artefact does."""
    said = program.run("export", "a.patina", "--to", "peft", "-o", "lora")
    assert "adapter_config.json" in said, said
    asked = (f"{PROMPT}\n", "--max-tokens", 8)
    own = program.run("generate", "a.patina", *asked)
    assert own == program.run("generate", "gpt2", *asked, "--adapter", "lora"), own
    assert own != program.run("generate", "gpt2", *asked)
    # The template ends a prompt with a line's end.
    assert own == f"{PROMPT}\n" + program.run("predict", "a.patina", PROMPT, "--max-tokens", 8)
    program.run("export", "a.patina", "--to", "gguf", "-o", "gguf")
    program.run("export", "a.patina", "-o", "whole")
    assert own == program.run("generate", "whole", *asked)


def stops_and_logprobs(program):
    """Where an answer ends, and the log-probabilities of its tokens."""
    asked = (PROMPT, "--max-tokens", 6)
    free = json.loads(program.run("predict", "a.patina", *asked, "--json"))["answer"]
    stop = free[1:3]
    cut = free[:free.index(stop)]
    assert program.run("predict", "a.patina", *asked, "--stop", "\n\n\n", "--stop", stop) == cut + "\n"
    found = json.loads(program.run("predict", "a.patina", *asked, "--stop", stop, "--json"))
    assert found["answer"] == cut and found["stopped_by"] == stop and found["ended"], found
    prompt = f"{PROMPT}\n"
    assert program.run("generate", "a.patina", prompt, "--max-tokens", 6, "--stop", stop) == f"{prompt}{cut}\n"
    found = json.loads(program.run("predict", "a.patina", *asked, "--json", "--logprobs", "--top-logprobs", 2,
                                   "--echo"))
    assert "".join(one["token"] for one in found["logprobs"]) == found["answer"], found
    assert all(one["logprob"] == one["top"][0]["logprob"] and len(one["top"]) == 2 for one in found["logprobs"]), found
    assert len(found["prompt_logprobs"]) == found["prompt_tokens"] - 1, found
    # The same numbers where the prompt is written out, but for bf16, in which predict may compute.
    lines = program.run("generate", "a.patina", prompt, "--max-tokens", 6, "--logprobs", "--echo").splitlines()
    told = [float(line.split()[0]) for line in lines[-len(found["prompt_logprobs"] + found["logprobs"]):]]
    expected = [one["logprob"] for one in found["prompt_logprobs"] + found["logprobs"]]
    assert all(abs(a - b) < 0.03 for a, b in zip(told, expected, strict=True)), (told, expected)
    base = program.run("generate", "gpt2", prompt, "--max-tokens", 6, "--logprobs", "--top-logprobs", 1)
    assert len(re.findall(r'^ *-\d+\.\d{4}  ".*"  + ".*" -\d+\.\d{4}$', base, re.MULTILINE)) == 6, base
    program.refused("predict", "a.patina", *asked, "--logprobs", said="add --json")
    program.refused("predict", "a.patina", *asked, "--echo", said="set logprobs, too")
    program.refused("generate", "gpt2", PROMPT, "--top-logprobs", 2, said="set logprobs, too")
    program.refused("predict", "a.patina", *asked, "--stop", "", said="stop: a text without characters")
    program.refused("predict", "pets.patina", "photos/new.jpg", "--stop", "x", said="so --stop")


def samples_kept(program):
    """A learner that replays learns on from a file that has its samples."""
    made = ("--backbone", "gpt2", "--learner", "sft_replay", "--set", "learner.rank=2")
    program.run("learn", "replay.patina", "letters.jsonl", *made)
    program.run("learn", "replay.patina", "more.jsonl")
    shown = program.run("inspect", "replay.patina", "--summary")
    assert "holds 6 texts of earlier tasks (" in shown, shown
    answer = program.run("predict", "replay.patina", PROMPT, "--max-tokens", 4)
    assert "holds no samples" in program.run("forget", "replay.patina", "--samples")
    shown = program.run("inspect", "replay.patina", "--summary")
    assert "was saved without the 6 texts of earlier tasks" in shown and "holds 6 texts" not in shown, shown
    assert b"Greet" not in (program.folder / "replay.patina").read_bytes()
    assert program.run("predict", "replay.patina", PROMPT, "--max-tokens", 4) == answer
    program.refused("learn", "replay.patina", "more.jsonl", said="sft_replay replays samples of earlier tasks")
    program.run("learn", "private.patina", "letters.jsonl", *made, "--no-samples")
    assert b"Greet" not in (program.folder / "private.patina").read_bytes()
    # What a file holds of its backbone stays in it.
    program.run("learn", "whole.patina", "letters.jsonl", *made, "--with-backbone")
    program.run("learn", "whole.patina", "more.jsonl")
    program.run("forget", "whole.patina", "--samples")
    assert ", which the file contains" in program.run("inspect", "whole.patina", "--summary")
    program.refused("forget", "pets.patina", said="say what to forget")
    program.refused("forget", "pets.patina", "cat", "--samples", said="say what to forget")


def forms(program):
    """An artefact on a network whose weights are held in another form: it remembers which, and learns on."""
    made = ("--backbone", "gpt2", "--learner", "o_lora", "--set", "learner.rank=2", "--set", "training.lr=0.05")
    for form in ("fp32", "bf16"):
        file = f"{form}.patina"
        said = program.run("learn", file, "letters.jsonl", *made, "--form", form)
        assert "1 task is known" in said, said
        shown = program.run("inspect", file, "--summary")
        assert ("form = \"bf16\"" in shown) == (form == "bf16"), shown
        said = program.run("learn", file, "more.jsonl")
        assert "2 tasks are known" in said, said
    # Scores tell weights that were rounded from those that were not.
    asked = (PROMPT, "--max-tokens", 1, "--json", "--logprobs", "--top-logprobs", 5)
    found = [json.loads(program.run("predict", f"{form}.patina", *asked))["logprobs"] for form in ("fp32", "bf16")]
    assert found[0] != found[1], found
    assert found[1] == json.loads(program.run("predict", "bf16.patina", *asked))["logprobs"], found
    # What carries its network carries floats.
    program.run("learn", "carried.patina", "letters.jsonl", *made, "--form", "bf16", "--with-backbone")
    program.run("predict", "carried.patina", PROMPT, "--max-tokens", 2)
    program.run("learn", "carried.patina", "more.jsonl")
    program.refused("learn", "bf16.patina", "more.jsonl", "--form", "bf16", said="its learner is chosen")
    program.refused("learn", "none.patina", "letters.jsonl", *made, "--form", "stored",
                    said="set model.form to bf16 or fp32")
    program.refused("learn", "none.patina", "letters.jsonl", "--backbone", "gpt2", "--learner", "sft", "--set",
                    "learner.tune=full", "--form", "bf16", said="set model.form = \"fp32\"")
    program.refused("generate", "bf16.patina", PROMPT, "--form", "bf16", said="--form is for a model")
    assert not (program.folder / "none.patina").exists()


def refused(program):
    (program.folder / "bad.jsonl").write_text('{"instruction": "a", "output": "b"}\n{"instruction": \n')
    (program.folder / "empty.jsonl").write_text('{"instruction": "a", "output": " "}\n')
    (program.folder / "none.txt").write_text("\n\n")
    program.refused("learn", "a.patina", "bad.jsonl", said="bad.jsonl:2")
    program.refused("learn", "a.patina", "empty.jsonl", said="empty.jsonl:1: the answer \"output\" is empty")
    program.refused("learn", "a.patina", "letters.jsonl", "--answer", "reply", said="no \"reply\"")
    program.refused("learn", "a.patina", "cat", "photos/cats", said="slao learns to answer with texts")
    program.refused("learn", "pets.patina", "letters.jsonl", said="such as sft")
    program.refused("learn", "new.patina", "letters.jsonl", said="it needs a decoder")
    program.refused("forget", "a.patina", "letters", said="cannot be taken out")
    program.refused("predict", "a.patina", "", said="the prompt is empty")
    program.refused("predict", "a.patina", "none.txt", said="no prompts in it")
    program.refused("predict", "a.patina", "missing.jsonl", said="missing.jsonl")
    program.refused("predict", "a.patina", "bad.jsonl", said="bad.jsonl:2")
    program.refused("predict", "a.patina", "x" * 100, said="the prompt has 101 tokens")
    program.run("predict", "a.patina", "x" * 100, "--cut", "--max-tokens", 2)
    program.refused("predict", "a.patina", PROMPT, "--top", 2, said="slao answers with text, so --top")
    program.refused("predict", "pets.patina", "photos/new.jpg", "--max-tokens", 2, said="so --max-tokens")
    program.refused("eval", "a.patina", "letters.jsonl", "--probe", "exact", said="no probe is called")
    program.refused("eval", "pets.patina", "letters.jsonl", said="chooses among classes")
    program.refused("eval", "a.patina", "photos/test", said="answers with text")
    program.refused("generate", "a.patina", PROMPT, "--adapter", "lora", said="is an artefact")
    program.refused("generate", "a.patina", PROMPT, "--chat", said="no chat template")
    assert not (program.folder / "new.patina").exists()


def killed(program):
    file, copy = program.folder / "a.patina", program.folder / "copy.patina"
    shutil.copy(file, copy)
    begin = time.monotonic()
    program.run("learn", file, "more.jsonl")
    took = time.monotonic() - begin
    chance, ends = random.Random(7), {2: 0, 3: 0}
    for _ in range(KILLS):
        shutil.copy(copy, file)
        learning = subprocess.Popen([program.patina, "learn", file, "more.jsonl"], cwd=program.folder,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 1.2 * took))
        learning.send_signal(signal.SIGKILL)
        learning.wait()
        program.run("predict", file, PROMPT, "--max-tokens", 2)
        ends[3 if "in 3 tasks" in program.run("inspect", file, "--summary") else 2] += 1
    print(f"{KILLS} kills: {ends[2]} old artefacts, {ends[3]} new ones, none damaged")


def main():
    patina, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    small_data.prepare(folder)
    (folder / "more.jsonl").write_text("".join(
        json.dumps({"instruction": "Bid farewell", "input": name, "output": f"Bye {name}"}) + "\n"
        for name in ("Ada", "Bob")))
    program = Program(patina, folder)
    program.run("learn", "pets.patina", "cat", "photos/cats")
    learned_and_asked(program)
    exported(program)
    stops_and_logprobs(program)
    samples_kept(program)
    forms(program)
    refused(program)
    killed(program)


if __name__ == "__main__":
    main()
