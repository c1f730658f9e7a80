"""What the documents' commands need, made small: photographs, recipes, data sets and language models."""

import gzip
import json
import pathlib
import random
import struct
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


def png(colour, seed, side=32):
    """An image of one colour with noise."""
    draw = random.Random(seed)
    rows = b"".join(b"\0" + bytes(min(255, c + draw.randrange(40)) for _ in range(side) for c in colour)
                    for _ in range(side))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (180, 180, 20)]


def photographs(folder, colour, count, seed=0):
    """PNGs under names of JPEGs: what a file is, its first bytes say."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i}.jpg").write_bytes(png(COLOURS[colour], seed + i))


def idx(folder, train, test, classes=10, side=28):
    """MNIST's four files with `train` and `test` images a class."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", train), ("t10k", test)):
        labels = bytes(i % classes for i in range(count * classes))
        draw = random.Random(name)
        pixels = bytearray()
        for label in labels:
            image = bytearray(draw.randrange(60) for _ in range(side * side))
            for row in range(2 * label, 2 * label + 8):  # a bar whose height tells the class
                image[row * side + 4:row * side + 24] = bytes([220]) * 20
            pixels += image
        header = struct.pack(">IIII", 0x0803, len(labels), side, side)
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + bytes(pixels)))
        header = struct.pack(">II", 0x0801, len(labels))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + labels))


def safetensors(path, shapes, kind="F32"):
    """A file of tensors: small random numbers, ones for the scales of norms, or ids from 0 to 99."""
    draw = random.Random(str(path.name))
    header, data = {}, b""
    for name, shape in shapes.items():
        size = 1
        for extent in shape:
            size *= extent
        if kind == "I64":
            values = struct.pack(f"<{size}q", *(1 if "mask" in name else draw.randrange(100) for _ in range(size)))
        else:
            is_scale = len(shape) == 1 and ("ln_" in name or "LayerNorm" in name) and name.endswith("weight")
            values = struct.pack(f"<{size}f", *(1.0 if is_scale else draw.gauss(0, 0.1) for _ in range(size)))
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def gpt2(folder, width=8, positions=64):
    """A GPT-2 of one block whose tokens are single bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = [chr(b) for b in (*range(33, 127), *range(161, 173), *range(174, 256))]
    tokens = shown + [chr(256 + i) for i in range(256 - len(shown))] + ["<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "config.json").write_text(json.dumps({
        "model_type": "gpt2", "vocab_size": len(tokens), "n_positions": positions, "n_ctx": positions, "n_embd": width,
        "n_layer": 1, "n_head": 2, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new"}))
    shapes = {"wte.weight": [len(tokens), width], "wpe.weight": [positions, width], "ln_f.weight": [width],
              "ln_f.bias": [width]}
    for name, shape in (("ln_1", [width]), ("ln_2", [width]), ("attn.c_attn", [width, 3 * width]),
                        ("attn.c_proj", [width, width]), ("mlp.c_fc", [width, 4 * width]),
                        ("mlp.c_proj", [4 * width, width])):
        shapes[f"h.0.{name}.weight"] = shape
        shapes[f"h.0.{name}.bias"] = [shape[-1]]
    safetensors(folder / "model.safetensors", shapes)


def bert(folder, width=8, positions=64):
    """A BERT of one block with a handful of words."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "config.json").write_text(json.dumps({
        "model_type": "bert", "vocab_size": len(words), "hidden_size": width, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 4 * width, "max_position_embeddings": positions,
        "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12}))
    shapes = {"embeddings.word_embeddings.weight": [len(words), width],
              "embeddings.position_embeddings.weight": [positions, width],
              "embeddings.token_type_embeddings.weight": [2, width]}
    linear = {"attention.self.query": [width, width], "attention.self.key": [width, width],
              "attention.self.value": [width, width], "attention.output.dense": [width, width],
              "intermediate.dense": [4 * width, width], "output.dense": [width, 4 * width]}
    for name, shape in linear.items():
        shapes[f"encoder.layer.0.{name}.weight"] = shape
        shapes[f"encoder.layer.0.{name}.bias"] = [shape[0]]
    for name in ("embeddings", "encoder.layer.0.attention.output", "encoder.layer.0.output"):
        shapes[f"{name}.LayerNorm.weight"] = [width]
        shapes[f"{name}.LayerNorm.bias"] = [width]
    shapes["pooler.dense.weight"], shapes["pooler.dense.bias"] = [width, width], [width]
    safetensors(folder / "model.safetensors", shapes)


def gpt2_lora(folder, width=8, rank=2):
    """A LoRA of PEFT's for that GPT-2."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 4, "target_modules": ["c_attn"],
        "fan_in_fan_out": True}))
    module = "base_model.model.transformer.h.0.attn.c_attn"
    safetensors(folder / "adapter_model.safetensors", {f"{module}.lora_A.weight": [rank, width],
                                                       f"{module}.lora_B.weight": [3 * width, rank]})


def letters(path):
    """Instructions with answers."""
    path.write_text("".join(json.dumps({"instruction": f"Greet {name}", "output": f"Hello {name}"}) + "\n"
                            for name in ("Ada", "Bob", "Cleo", "Dan")))


MY_RECIPE = """
[data]
name = "folder"
path = "garden"
[scenario]
classes_per_task = 2
[learner]
name = "simplecil"
"""


def prepare(folder):
    """A scratch folder in which the documents' commands find what they name."""
    folder.mkdir(parents=True, exist_ok=True)
    for shared in ("recipes", "docs"):
        (folder / shared).symlink_to(ROOT / shared)
    for colour, name in enumerate(("cat", "dog")):
        photographs(folder / "photos" / f"{name}s", colour, 4)
        photographs(folder / "photos" / "test" / name, colour, 2, seed=10)
    photographs(folder / "photos" / "lilies", 2, 4)
    photographs(folder / "photos" / "bags", 2, 4)
    photographs(folder / "photos" / "boots", 3, 4)
    photographs(folder / "photos" / "new", 0, 2, seed=20)
    for name in ("photo.jpg", "photos/new.jpg", "photos/puppy.jpg"):
        (folder / name).write_bytes(png(COLOURS[1], 30))
    for colour, name in enumerate(("rose", "tulip", "iris", "daisy")):
        photographs(folder / "garden" / name, colour, 5)
    (folder / "my.toml").write_text(MY_RECIPE)
    garden = (ROOT / "docs/guide/first-run.md").read_text().split('```toml\nname = "garden"')[1]
    (folder / "garden.toml").write_text('name = "garden"' + garden.split("```")[0])
    idx(folder / "data" / "mnist", 12, 4)
    gpt2(folder / "gpt2")
    gpt2_lora(folder / "gpt2-lora")
    letters(folder / "letters.jsonl")
    bert(folder / "bert-base-uncased")
    (folder / "exps").mkdir()
    (folder / "exps" / "ranpac.json").write_text(json.dumps({
        "dataset": "cifar224", "model_name": "ranpac", "backbone_type": "pretrained_vit_b16_224_adapter", "init_cls": 10,
        "increment": 10, "shuffle": True, "seed": [1993], "tuned_epoch": 20, "init_lr": 0.01, "batch_size": 48, "M": 10000}))
    safetensors(folder / "ids.safetensors", {"input_ids": [2, 5], "attention_mask": [2, 5]}, kind="I64")
