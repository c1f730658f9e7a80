#!/usr/bin/env python3
"""`patina serve` as its clients meet it: answers, learning, limits, kills, and other people's clients.

    serve_test.py PATINA FOLDER
"""

import base64
import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.dont_write_bytecode = True
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "docs")]
import served
import small_data
from served import JSON, picture

PATINA, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
KILLS = 5


def run(*words):
    done = subprocess.run([PATINA, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def Served(file, *options, **more):
    return served.Served(PATINA, file, *options, **more)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = ROOT / self.id().split(".")[-1]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)


class Pictures(Case):
    @classmethod
    def setUpClass(cls):
        cls.made = ROOT / "made"
        shutil.rmtree(cls.made, ignore_errors=True)
        for colour, name in enumerate(("red", "green")):
            small_data.photographs(cls.made / name, colour, 6)
        # These two learn every class whenever its samples come, so what is learned twice is counted twice.
        for file, learner in (("pets", "simplecil"), ("twice", "slda")):
            for name in ("red", "green"):
                new = ["--learner", learner] if name == "red" else []
                run("learn", cls.made / f"{file}.patina", name, cls.made / name, *new)

    def setUp(self):
        super().setUp()
        self.file = self.folder / "pets.patina"
        shutil.copy(self.made / "pets.patina", self.file)

    def test_predictions_of_every_form(self):
        red, green = picture(0, 50), picture(1, 51)
        (self.folder / "red.png").write_bytes(red)
        with Served(self.file) as server:
            coded = [base64.b64encode(one).decode() for one in (red, green)]
            status, answer = server.json("/v1/predict", {"images": coded, "top": 2})
            self.assertEqual(status, 200, answer)
            self.assertEqual([one["classes"][0]["class"] for one in answer["predictions"]], ["red", "green"])
            self.assertEqual(len(answer["predictions"][0]["classes"]), 2)
            # As the command predicts.
            said = json.loads(run("predict", self.file, self.folder / "red.png", "--top", 2, "--json"))
            self.assertEqual(answer["predictions"][0]["classes"], said["classes"])
            self.assertEqual(server.call("POST", "/v1/predict?top=1", red, {"Content-Type": "image/png"})[0], 200)
            if shutil.which("curl"):
                told = subprocess.run(["curl", "-sS", "-F", f"file=@{self.folder}/red.png", "-F", "top=1",
                                       f"{server.url}/v1/predict"], capture_output=True, text=True)
                found = json.loads(told.stdout)["predictions"]
                self.assertEqual(found, [{"file": "red.png", "classes": said["classes"][:1]}])

            infer = {"id": "a", "parameters": {"top": 2},
                     "inputs": [{"name": "image", "shape": [2], "datatype": "BYTES", "data": coded}]}
            status, answer = server.json("/v2/models/pets/infer", infer)
            self.assertEqual(status, 200, answer)
            self.assertEqual((answer["model_name"], answer["id"]), ("pets", "a"))
            names, scores = answer["outputs"]
            self.assertEqual((names["name"], names["shape"], names["datatype"]), ("class", [2, 2], "BYTES"))
            self.assertEqual(names["data"][::2], ["red", "green"])
            self.assertEqual(scores["data"][:2], [one["score"] for one in said["classes"]])
            pixels = {"inputs": [{"name": "image", "shape": [1, 3, 32, 32], "datatype": "FP32",
                                  "data": [[[[c / 255] * 32] * 32 for c in (210, 40, 40)]]}]}
            self.assertEqual(server.json("/v2/models/pets/infer", pixels)[1]["outputs"][0]["data"], ["red"])
            binary = struct.pack("<I", len(green)) + green
            head = json.dumps({"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES",
                                           "parameters": {"binary_data_size": len(binary)}}]}).encode()
            status, text, _ = server.call("POST", "/v2/models/pets/versions/1/infer", head + binary,
                                          {"Inference-Header-Content-Length": str(len(head))})
            self.assertEqual(json.loads(text)["outputs"][0]["data"], ["green"])

            self.assertEqual(server.json("/v2")[1]["name"], "patina")
            self.assertTrue(server.json("/v2/health/ready")[1]["ready"])
            self.assertEqual(server.json("/v2/models/pets")[1]["inputs"][0]["name"], "image")
            self.assertEqual(server.json("/v1/models")[1]["data"][0]["id"], "pets")
            self.assertEqual(server.json("/v1/session")[1]["classes"], ["red", "green"])
            self.assertIn(b"Teach a class", server.call("GET", "/")[1])
            self.assertGreater(server.metric("patina_requests_total"), 8)
            self.assertEqual(server.metric("patina_batch_size_sum"), 8)

    def test_mistakes_are_told_and_the_server_goes_on(self):
        red = picture(0, 50)
        with Served(self.file, "--max-body-mb", "1", "--message-s", "1", "--max-image-pixels", "5000") as server:
            image = {"Content-Type": "image/png"}
            coded = base64.b64encode(red).decode()
            for status, said, call in (
                    (400, "not valid JSON", ("POST", "/v1/predict", "{", JSON)),
                    (400, "JPEG nor a PNG", ("POST", "/v1/predict", b"GIF89a", image)),
                    (400, "image 0", ("POST", "/v1/predict", red[:60], image)),
                    (413, "make it smaller", ("POST", "/v1/predict", small_data.png((1, 2, 3), 0, 80), image)),
                    (413, "--max-body-mb", ("POST", "/v1/predict", b"x" * (2 << 20), image)),
                    (415, "application/json", ("POST", "/v1/predict", "a=b",
                                               {"Content-Type": "application/x-www-form-urlencoded"})),
                    (400, "takes images", ("POST", "/v1/predict", '{"texts": ["a"]}', JSON)),
                    (400, "writes no text", ("POST", "/v1/completions", '{"prompt": "a"}', JSON)),
                    (404, "no model", ("POST", "/v2/models/dogs/infer", "{}", JSON)),
                    (404, "no model", ("GET", "/v2/models/..%2f..%2fetc%2fpasswd", None, {})),
                    (404, "nothing at", ("GET", "/../../etc/passwd", None, {})),
                    (405, "is asked with POST", ("GET", "/v1/predict", None, {})),
                    (405, "GET and POST", ("DELETE", "/v1/predict", None, {})),
                    (403, "--token", ("GET", "/v1/session", None, {"Host": "evil.example"})),
                    (403, "--token", ("POST", "/v1/predict", "{}", JSON | {"Origin": "http://evil.example"})),
                    (409, "already known", ("POST", "/v1/learn", json.dumps({"class": "red", "images": [coded]}), JSON)),
                    (400, "\"class\" is missing", ("POST", "/v1/learn", json.dumps({"images": [coded]}), JSON)),
                    (400, "not a class", ("POST", "/v1/forget", '{"class": "rde"}', JSON)),
                    (404, "has this number", ("GET", "/v1/learn/99", None, {}))):
                with self.subTest(said=said, path=call[1]):
                    got, text, _ = server.call(*call)
                    self.assertEqual(got, status, text)
                    self.assertIn(said, json.dumps(json.loads(text)).replace('\\"', '"'))
            # Damaged among whole ones: only the damaged one is told so.
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(server.call, "POST", "/v1/predict", red[:60] if i % 4 == 0 else red, image)
                         for i in range(16)]
                self.assertEqual([one.result()[0] for one in asked], [400 if i % 4 == 0 else 200 for i in range(16)])
            # A client that sends too slowly is cut off.
            with socket.create_connection(("127.0.0.1", server.port)) as slow:
                slow.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
                begin = time.monotonic()
                self.assertIn(b" 408 ", slow.recv(4096))
                self.assertLess(time.monotonic() - begin, 30)
            self.assertEqual(server.json("/healthz")[0], 200)
            self.assertEqual(server.stop(), 0)

    def test_tokens(self):
        refused = subprocess.run([PATINA, "serve", self.file, "--host", "0.0.0.0", "--port", "0"], capture_output=True,
                                 text=True, env={k: v for k, v in os.environ.items() if k != "PATINA_TOKEN"})
        self.assertEqual(refused.returncode, 2)
        self.assertIn("choose a --token", refused.stderr)
        with Served(self.file, "--host", "0.0.0.0", environment={"PATINA_TOKEN": "secret"}) as server:
            self.assertEqual(server.json("/healthz")[0], 200)
            for wrong in ("", "secre", "secrets", "Secret"):
                headers = {"Authorization": f"Bearer {wrong}"} if wrong else {}
                status, _, told = server.call("GET", "/v1/session", None, headers)
                self.assertEqual((status, told.get("WWW-Authenticate")), (401, "Bearer"))
            server.token = "secret"
            self.assertEqual(server.json("/v1/session", headers={"Host": "any.example"})[0], 200)

    def test_a_full_queue_says_so(self):
        red = picture(0, 50)
        with Served(self.file, "--queue", "1", "--max-batch", "1") as server:
            with concurrent.futures.ThreadPoolExecutor(40) as pool:
                got = list(pool.map(lambda _: server.call("POST", "/v1/predict", red, {"Content-Type": "image/png"}),
                                    range(200)))
            self.assertEqual({status for status, _, _ in got}, {200, 429})
            self.assertTrue(all(headers.get("Retry-After") == "1" for status, _, headers in got if status == 429))

    def test_learns_while_fifty_clients_ask(self):
        red, stop, wrong = picture(0, 50), threading.Event(), []

        def ask(server):
            count = 0
            while not stop.is_set():
                status, text, _ = server.call("POST", "/v1/predict", red, {"Content-Type": "image/png"})
                if status != 200 or json.loads(text)["predictions"][0]["classes"][0]["class"] != "red":
                    wrong.append((status, text))
                count += 1
            return count

        with Served(self.file) as server:
            with concurrent.futures.ThreadPoolExecutor(50) as pool:
                asked = [pool.submit(ask, server) for _ in range(50)]
                for i in range(5):
                    status, answer = server.learn(f"new {i}", [picture(2 + i % 2, 60 + i)])
                    self.assertEqual((status, answer["known"]), (200, 3 + i), answer)
                stop.set()
                self.assertGreater(sum(one.result() for one in asked), 50)
            self.assertEqual(wrong, [])
            self.assertEqual(server.json("/v1/session")[1]["classes"], ["red", "green"] + [f"new {i}" for i in range(5)])
            self.assertEqual(server.json("/v1/forget", {"class": "new 3"})[1]["known"], 6)
        self.assertIn("new 4", run("inspect", self.file, "--summary"))
        self.assertNotIn("new 3", run("inspect", self.file, "--summary"))

    def test_what_was_acknowledged_survives_kills(self):
        shutil.copy(self.made / "twice.patina", self.file)
        chance, sent, acknowledged = random.Random(5), 0, set()
        lock = threading.Lock()

        def teach(server):
            nonlocal sent
            while True:
                with lock:
                    sent, number = sent + 1, sent
                try:
                    status, answer = server.learn("blue", [picture(2, number)], key=f"k{number}")
                except (OSError, http.client.HTTPException):
                    return
                self.assertEqual((status, answer.get("repeated")), (200, None), answer)
                with lock:
                    acknowledged.add(number)

        for _ in range(KILLS):
            # Saved at once, after each request, or hardly ever: the kill comes at every place.
            server = Served(self.file, "--save-after-s", chance.choice(["0", "0.05", "1000"]))
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                teachers = [pool.submit(teach, server) for _ in range(4)]
                time.sleep(chance.uniform(0.1, 1.5))
                server.stop(signal.SIGKILL)
                for one in teachers:
                    one.result()
        with Served(self.file) as server:
            # What nobody heard of is sent again: learned now, or known from before.
            lost = [number for number in range(sent) if number not in acknowledged]
            for number in lost:
                status, answer = server.learn("blue", [picture(2, number)], key=f"k{number}")
                self.assertEqual(status, 200, answer)
            for number in chance.sample(sorted(acknowledged), min(20, len(acknowledged))):
                self.assertTrue(server.learn("blue", [picture(2, number)], key=f"k{number}")[1]["repeated"])
            # Every request is a task, so each was learned once.
            self.assertEqual(server.json("/v1/session")[1]["tasks"], 2 + sent)
        self.assertGreater(len(acknowledged), 0)
        with Served(self.file) as server:  # from the saved file alone
            self.assertEqual(server.json("/v1/session")[1]["tasks"], 2 + sent)
        print(f"{KILLS} kills: {sent} requests, {len(acknowledged)} acknowledged before, {len(lost)} sent again, "
              "each learned once", flush=True)

    def test_stops_gracefully(self):
        red = picture(0, 50)
        server = Served(self.file, "--save-after-s", "1000", "--max-wait-ms", "300")
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            asked = [pool.submit(server.call, "POST", "/v1/predict", red, {"Content-Type": "image/png"})
                     for _ in range(10)]
            taught = pool.submit(server.learn, "blue", [picture(2, 60)])
            self.assertEqual(taught.result()[0], 200)
            time.sleep(0.1)
            self.assertEqual(server.stop(), 0)
            self.assertEqual({one.result()[0] for one in asked}, {200})
        said = json.loads(run("predict", self.file, self.made / "red" / "0.jpg", "--top", 5, "--json"))
        self.assertEqual({one["class"] for one in said["classes"]}, {"red", "green", "blue"})
        # What a server left is the same artefact for everything else.
        run("learn", self.file, "yellow", self.made / "red")
        with Served(self.file, "--no-learn") as server:
            self.assertEqual(server.json("/v1/session")[1]["classes"], ["red", "green", "blue", "yellow"])
            self.assertEqual(server.learn("more", [red])[0], 403)
            run("learn", self.file, "orange", self.made / "red")  # that server does not write it

    def test_others_do_not_write_what_it_serves(self):
        with Served(self.file) as server:
            for words in (("learn", self.file, "yellow", self.made / "red"), ("forget", self.file, "red"),
                          ("serve", self.file, "--port", "0")):
                done = subprocess.run([PATINA, *map(str, words)], capture_output=True, text=True)
                self.assertEqual(done.returncode, 2, words)
                self.assertIn(f"{self.file}: a `patina serve` writes it (process {server.process.pid}): teach it", done.stderr)
        run("learn", self.file, "yellow", self.made / "red")

    def test_commands_of_the_guide(self):
        if not shutil.which("curl"):
            self.skipTest("curl is not installed")
        small_data.prepare(self.folder / "guide")
        file = self.folder / "guide" / "pets.patina"
        for name in ("cats", "dogs"):
            run("learn", file, name[:-1], file.parent / "photos" / name)
        page = (small_data.ROOT / "docs/guide/serve.md").read_text()
        commands = [line for block in page.split("```")[1::2] for line in block.splitlines() if line.startswith("curl ")]
        self.assertGreater(len(commands), 5)
        with Served(file) as server:
            for command in commands:
                with self.subTest(command=command):
                    command = command.replace("localhost:8080", f"localhost:{server.port}")
                    done = subprocess.run(command.replace("curl", "curl -sS --fail-with-body", 1), shell=True,
                                          cwd=file.parent, capture_output=True, text=True)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_tritonclient(self):
        try:
            import numpy
            import tritonclient.http as triton
        except ImportError:
            self.skipTest("tritonclient[http] is not installed: pip install 'tritonclient[http]'")
        with Served(self.file) as server:
            client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
            self.assertTrue(client.is_server_live() and client.is_server_ready() and client.is_model_ready("pets"))
            self.assertEqual(client.get_model_metadata("pets")["outputs"][0]["name"], "class")
            given = triton.InferInput("image", [2], "BYTES")
            given.set_data_from_numpy(numpy.array([picture(0, 50), picture(1, 51)], dtype=object))
            found = client.infer("pets", [given], parameters={"top": 2})
            self.assertEqual(found.as_numpy("class")[:, 0].tolist(), [b"red", b"green"])
            self.assertEqual(found.as_numpy("score").shape, (2, 2))
            pixels = numpy.broadcast_to(numpy.array([210, 40, 40], "f4").reshape(1, 3, 1, 1) / 255, (1, 3, 32, 32))
            given = triton.InferInput("image", pixels.shape, "FP32")
            given.set_data_from_numpy(numpy.ascontiguousarray(pixels))
            self.assertEqual(client.infer("pets", [given]).as_numpy("class").tolist(), [[b"red"]])


class Texts(Case):
    def setUp(self):
        super().setUp()
        small_data.gpt2(self.folder / "gpt2")
        small_data.letters(self.folder / "letters.jsonl")
        self.file = self.folder / "letters.patina"
        run("learn", self.file, self.folder / "letters.jsonl", "--backbone", self.folder / "gpt2", "--set",
            "training.epochs=1", "--set", "text.prompt=Q: {instruction} A:")

    def test_a_language_model(self):
        with Served(self.file) as server:
            ask = {"model": "letters", "prompt": "Greet Ada", "max_tokens": 6, "temperature": 0}
            status, answer = server.json("/v1/completions", ask)
            self.assertEqual(status, 200, answer)
            text = answer["choices"][0]["text"]
            self.assertEqual(answer["object"], "text_completion")
            self.assertEqual(answer["usage"]["prompt_tokens"], 9)  # the tokens are bytes
            self.assertLessEqual(answer["usage"]["completion_tokens"], 6)
            said = run("generate", self.file, "Greet Ada", "--max-tokens", 6)
            self.assertIn(text.strip(), said)

            # What evaluation harnesses ask: how likely a text is.
            scored = server.json("/v1/completions", ask | {"max_tokens": 0, "echo": True, "logprobs": 1})[1]
            choice = scored["choices"][0]
            self.assertEqual(choice["text"], "Greet Ada")
            self.assertEqual("".join(choice["logprobs"]["tokens"]), "Greet Ada")
            values = choice["logprobs"]["token_logprobs"]
            self.assertEqual((len(values), values[0]), (9, None))
            self.assertTrue(all(value < 0 for value in values[1:]))
            self.assertEqual(choice["logprobs"]["text_offset"], list(range(9)))
            for value, top in list(zip(values, choice["logprobs"]["top_logprobs"]))[1:]:
                self.assertGreaterEqual(max(top.values()), value)
            longer = server.json("/v1/completions", ask | {"max_tokens": 1, "echo": True, "logprobs": 1})[1]
            self.assertEqual(longer["choices"][0]["logprobs"]["token_logprobs"][:9], values)

            several = server.json("/v1/completions", ask | {"prompt": ["Greet Ada", "Greet Bob"], "n": 2,
                                                            "temperature": 1, "seed": 3})[1]
            self.assertEqual([one["index"] for one in several["choices"]], [0, 1, 2, 3])
            alone = server.json("/v1/completions", ask | {"temperature": 1, "seed": 4})[1]
            self.assertEqual(alone["choices"][0]["text"], several["choices"][1]["text"], "n is so many seeds")

            status, stream, headers = server.call("POST", "/v1/completions", json.dumps(ask | {
                "stream": True, "stream_options": {"include_usage": True}}), JSON)
            self.assertEqual(headers["Content-Type"], "text/event-stream")
            events = [line[6:] for line in stream.decode().split("\n\n") if line]
            self.assertEqual(events[-1], "[DONE]")
            events = [json.loads(one) for one in events[:-1]]
            self.assertEqual("".join(one["choices"][0]["text"] for one in events if one["choices"]), text)
            self.assertEqual(events[-1]["usage"], answer["usage"])

            status, answer = server.json("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]})
            self.assertEqual(status, 400)
            self.assertIn("chat", answer["error"]["message"])
            self.assertEqual(server.json("/v1/completions", ask | {"model": "gpt-4"})[0], 404)
            self.assertEqual(server.json("/v1/completions", ask | {"prompt": ""})[0], 400)
            self.assertEqual(server.json("/v1/completions", ask | {"prompt": "x" * 100})[0], 400)

            two = server.json("/v1/embeddings", {"input": ["Greet Ada", "no"]})[1]
            self.assertEqual([len(one["embedding"]) for one in two["data"]], [8, 8])
            self.assertEqual(two["usage"]["total_tokens"], 11)
            coded = server.json("/v1/embeddings", {"input": "no", "encoding_format": "base64"})[1]
            values = struct.unpack("<8f", base64.b64decode(coded["data"][0]["embedding"]))
            for one, other in zip(values, two["data"][1]["embedding"]):
                self.assertAlmostEqual(one, other, places=4)

            learned = server.json("/v1/learn", {"task": "more", "samples": [
                {"instruction": "Greet Eve", "output": "Hello Eve"}]})
            self.assertEqual((learned[0], learned[1]["tasks"]), (200, 2), learned)
            self.assertEqual(server.json("/v1/forget", {"class": "x"})[0], 400)
        self.assertIn("more", run("inspect", self.file, "--summary"))

    def test_token_ids(self):
        """A prompt of token ids is what its text is; of this network a token is a byte."""
        ids = [byte - 33 for byte in b"GreetAda"]
        with Served(self.file) as server:
            ask = {"max_tokens": 3, "temperature": 0, "echo": True, "logprobs": 2}
            whole = server.json("/v1/completions", ask | {"prompt": "GreetAda"})
            self.assertEqual(whole[0], 200, whole)
            for prompt in (ids, [ids]):
                self.assertEqual(server.json("/v1/completions", ask | {"prompt": prompt})[1]["choices"],
                                 whole[1]["choices"])
            both = server.json("/v1/completions", ask | {"prompt": [ids, ids[:3]]})[1]["choices"]
            self.assertEqual([both[0]["text"], both[1]["text"][:3]], [whole[1]["choices"][0]["text"], "Gre"])
            self.assertEqual(len(both[1]["logprobs"]["tokens"]), 3 + 3)
            for prompt, said in ([100000], "no token"), ([[]], "empty"), ([1] * 64, "64 tokens"):
                status, answer = server.json("/v1/completions", ask | {"prompt": prompt})
                self.assertEqual(status, 400, answer)
                self.assertIn(said, answer["error"]["message"])

    def test_chats(self):
        file = self.folder / "chat.patina"
        template = ("{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
                    "{% if add_generation_prompt %}assistant: {% endif %}")
        (self.folder / "gpt2" / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
        run("learn", file, self.folder / "letters.jsonl", "--backbone", self.folder / "gpt2", "--set",
            "training.epochs=1")
        with Served(file) as server:
            ask = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "temperature": 0,
                   "logprobs": True, "top_logprobs": 2}
            status, answer = server.json("/v1/chat/completions", ask)
            self.assertEqual(status, 200, answer)
            choice = answer["choices"][0]
            self.assertEqual(choice["message"]["role"], "assistant")
            self.assertEqual(answer["usage"]["prompt_tokens"], len("user: Hi\nassistant: "))
            for token in choice["logprobs"]["content"]:
                self.assertEqual(len(token["top_logprobs"]), 2)
            stream = server.call("POST", "/v1/chat/completions", json.dumps(
                {key: value for key, value in ask.items() if "logprobs" not in key} | {"stream": True}), JSON)[1]
            pieces = [json.loads(line[6:])["choices"][0]["delta"].get("content", "")
                      for line in stream.decode().split("\n\n") if line and line != "data: [DONE]"]
            self.assertEqual("".join(pieces), choice["message"]["content"])

    def test_openai_client(self):
        try:
            import openai
        except ImportError:
            self.skipTest("openai is not installed: pip install openai")
        with Served(self.file) as server:
            client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
            self.assertEqual([model.id for model in client.models.list()], ["letters"])
            whole = client.completions.create(model="letters", prompt="Greet Ada", max_tokens=6, temperature=0)
            parts = client.completions.create(model="letters", prompt="Greet Ada", max_tokens=6, temperature=0,
                                              stream=True)
            self.assertEqual("".join(part.choices[0].text for part in parts), whole.choices[0].text)
            found = client.embeddings.create(model="letters", input=["a", "b"])
            self.assertEqual(len(found.data[1].embedding), 8)
            with self.assertRaises(openai.NotFoundError):
                client.completions.create(model="other", prompt="a")
            with self.assertRaises(openai.BadRequestError):
                client.completions.create(model="letters", prompt="a", frequency_penalty=1)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]], verbosity=2)
