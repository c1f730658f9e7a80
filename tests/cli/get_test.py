#!/usr/bin/env python3
"""`patina get` against a small server on this machine: redirects, interruptions, wrong files, a full disk.

    get_test.py PATINA FOLDER
"""

import hashlib
import http.server
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest

PATINA, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
DINO = "/facebook/dinov2-small/resolve/main/"
CLIP = "/openai/clip-vit-base-patch32/resolve/main/"
WEIGHTS = bytes(range(256)) * 4000  # a megabyte


class File:
    """What the server has at a path. `breaks` says after how many bytes each answer ends, one after the other."""

    def __init__(self, content=b"{}", status=200, headers=None, breaks=(), busy=0, silent=False):
        self.content, self.status, self.headers = content, status, headers or {}
        self.breaks, self.busy, self.silent = list(breaks), busy, silent


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        file = self.server.files.get(self.path, File(b"no", 404))
        if file.silent:
            time.sleep(30)
            return
        if file.busy:
            file.busy -= 1
            return self.answer(503, b"busy", {})
        content, status, headers = file.content, file.status, dict(file.headers)
        asked, tag = self.headers.get("Range"), headers.get("ETag")
        if asked and tag and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                return self.answer(416, b"", {})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        self.answer(status, content, headers, file.breaks.pop(0) if file.breaks else None)

    def answer(self, status, content, headers, breaks=None):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content if breaks is None else content[:breaks])
        if breaks is not None:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        pass  # a client that is gone


class Get(unittest.TestCase):
    def setUp(self):
        self.folder = ROOT / self._testMethodName
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.files, self.server.asked = {}, []
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.out = self.folder / "weights/dinov2-small"

    def serve(self, path=DINO, **files):
        self.server.files.update({path + name.replace("__", "."): file for name, file in files.items()})

    def serve_dino(self, weights):
        self.serve(config__json=File(b"{\"a\": 1}"), preprocessor_config__json=File(), model__safetensors=weights)

    def call(self, *words, environment=None, before=None, restore_signals=True):
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        kept.update(HF_ENDPOINT=self.url, PATINA_MIRROR=self.url)
        kept.update(environment or {})
        done = subprocess.run([PATINA, "get", *words], cwd=self.folder, env=kept, capture_output=True, text=True,
                              preexec_fn=before, restore_signals=restore_signals, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def refused(self, *words, **more):
        status, out, err = self.call(*words, **more)
        self.assertEqual(status, 2, out + err)
        return err

    def asked_for(self, name):
        return [headers for path, headers in self.server.asked if path.endswith(name)]

    def test_the_list(self):
        status, out, _ = self.call()
        self.assertEqual(status, 0)
        for part in ("mnist ", "; checksums are known", "dinov2-small ", "https://huggingface.co/facebook/dinov2-small"):
            self.assertIn(part, out)
        self.assertIn('did you mean "mnist"', self.refused("minst"))

    def test_what_was_got_is_recorded_and_not_got_again(self):
        right = hashlib.sha256(WEIGHTS).hexdigest()
        self.serve_dino(File(WEIGHTS, headers={"X-Linked-Etag": f'"{right}"', "X-Repo-Commit": "c0ffee"}))
        status, out, err = self.call("dinov2-small")
        self.assertEqual(status, 0, err)
        self.assertIn("model.safetensors: 1.0 MB, SHA-256 as the server says", out)
        config = hashlib.sha256(b'{"a": 1}').hexdigest()
        self.assertIn(f"SHA-256 {config}, and none is known", out)
        self.assertIn("recipes use it with --set model.name=weights/dinov2-small", out)
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS)
        record = json.loads((self.out / "FETCHED.json").read_text())
        self.assertEqual(record["files"][0], {
            "name": "model.safetensors", "address": f"{self.url}{DINO}model.safetensors", "bytes": len(WEIGHTS),
            "sha256": right, "checked_with": "the server", "commit": "c0ffee"})
        self.server.asked.clear()
        status, out, _ = self.call("dinov2-small")
        self.assertEqual((status, self.server.asked), (0, []))
        self.assertIn("already here: model.safetensors", out)
        # What was changed since is fetched again.
        (self.out / "model.safetensors").write_bytes(b"other")
        self.assertEqual(self.call("dinov2-small")[0], 0)
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS)
        self.assertEqual(len(self.server.asked), 1)

    def test_goes_on_where_it_was_interrupted(self):
        self.serve_dino(File(WEIGHTS, headers={"ETag": '"one"'}, breaks=(1000, 2000)))
        status, _, err = self.call("dinov2-small")
        self.assertEqual(status, 0, err)
        self.assertEqual([headers.get("Range") for headers in self.asked_for(".safetensors")], [None, "bytes=1000-", "bytes=3000-"])
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS)
        self.assertEqual(sorted(path.name for path in self.out.glob("*part*")), [])

    def test_the_next_call_goes_on(self):
        self.serve_dino(File(WEIGHTS, headers={"ETag": '"one"'}, breaks=(1000,)))
        err = self.refused("dinov2-small", "--tries", "1")
        self.assertIn("(1 tries); 1.0 KB are kept, and the same command goes on from there", err)
        self.assertFalse((self.out / "model.safetensors").exists())
        self.assertEqual(self.call("dinov2-small")[0], 0)
        self.assertEqual(self.asked_for(".safetensors")[-1]["Range"], "bytes=1000-")
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS)

    def test_begins_again_where_the_file_is_another_one_now(self):
        self.serve_dino(File(WEIGHTS, headers={"ETag": '"one"'}, breaks=(1000,)))
        self.refused("dinov2-small", "--tries", "1")
        self.serve_dino(File(WEIGHTS[::-1], headers={"ETag": '"two"'}))
        self.assertEqual(self.call("dinov2-small")[0], 0)
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS[::-1])
        # A file of which all is there and nothing is left to ask for.
        (self.out / "model.safetensors").rename(self.out / "model.safetensors.part")
        (self.out / "model.safetensors.part.tag").write_text(f"{self.url}{DINO}model.safetensors\n\"two\"")
        self.assertEqual(self.call("dinov2-small")[0], 0)
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS[::-1])

    def test_begins_again_where_the_server_tells_no_validator(self):
        self.serve_dino(File(WEIGHTS, breaks=(1000,)))
        status, _, err = self.call("dinov2-small")
        self.assertEqual(status, 0, err)
        self.assertEqual([headers.get("Range") for headers in self.asked_for(".safetensors")], [None, None])
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS)

    def test_a_killed_process_leaves_a_part_and_no_file(self):
        self.serve_dino(File(silent=True))
        process = subprocess.Popen([PATINA, "get", "dinov2-small"], cwd=self.folder, stderr=subprocess.DEVNULL,
                                   env=dict(os.environ, HF_ENDPOINT=self.url, no_proxy="*"))
        while not self.server.asked:
            time.sleep(0.05)
        self.assertIn("another patina is running here", self.refused("dinov2-small"))
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.assertFalse((self.out / "model.safetensors").exists())
        self.serve_dino(File(WEIGHTS))
        self.assertEqual(self.call("dinov2-small")[0], 0)

    def test_a_token_goes_to_the_first_host_alone(self):
        elsewhere = f"http://localhost:{self.server.server_port}/cdn/weights"
        self.serve_dino(File(b"", 302, {"Location": elsewhere, "X-Linked-Etag": hashlib.sha256(WEIGHTS).hexdigest()}))
        self.server.files["/cdn/weights"] = File(WEIGHTS)
        status, out, err = self.call("dinov2-small", environment={"HF_TOKEN": "secret"})
        self.assertEqual(status, 0, err)
        self.assertIn("model.safetensors: 1.0 MB, SHA-256 as the server says", out)
        self.assertEqual(self.asked_for("model.safetensors")[0]["Authorization"], "Bearer secret")
        self.assertNotIn("Authorization", self.asked_for("/cdn/weights")[0])
        self.assertNotIn("secret", (self.out / "FETCHED.json").read_text())

    def test_redirects_end(self):
        self.serve_dino(File(b"", 302, {"Location": DINO + "model.safetensors"}))
        self.assertIn("more than 10 redirects: the addresses lead in a circle", self.refused("dinov2-small"))
        self.assertEqual(len(self.server.asked), 11)
        self.serve_dino(File(b"", 302, {"Location": "file:///etc/passwd"}))
        self.assertIn("not HTTP or HTTPS", self.refused("dinov2-small"))
        self.assertFalse((self.out / "model.safetensors").exists())

    def test_what_is_not_there_or_not_handed_out(self):
        self.assertIn(f"{self.url}{DINO}model.safetensors: the server has no such file (status 404)", self.refused("dinov2-small"))
        self.serve_dino(File(b"", 401))
        self.assertIn("set HF_TOKEN", self.refused("dinov2-small"))
        self.assertIn("HF_TOKEN was sent", self.refused("dinov2-small", environment={"HF_TOKEN": "x"}))

    def test_another_form_of_the_weights(self):
        self.serve(CLIP, config__json=File(), preprocessor_config__json=File(), tokenizer__json=File(),
                   pytorch_model__bin=File(WEIGHTS))
        status, out, err = self.call("clip-vit-base-patch32", "--to", "clip")
        self.assertEqual(status, 0, err)
        self.assertEqual((self.folder / "clip/pytorch_model.bin").read_bytes(), WEIGHTS)
        self.assertFalse((self.folder / "clip/vocab.json").exists())  # this one has none, and needs none
        self.server.asked.clear()
        self.assertEqual(self.call("clip-vit-base-patch32", "--to", "clip")[0], 0)
        self.assertNotIn("pytorch_model.bin", str(self.server.asked))

    def test_a_wrong_checksum(self):
        place = "/ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz"
        self.server.files[place] = File(b"not it")
        err = self.refused("mnist")
        self.assertIn(f"its SHA-256 is {hashlib.sha256(b'not it').hexdigest()}, and the list says 440fcabf", err)
        self.assertEqual([path.name for path in (self.folder / "data/mnist").iterdir()], [".lock"])
        self.serve_dino(File(WEIGHTS, headers={"X-Linked-Etag": "0" * 64}))
        self.assertIn("and the server says 000", self.refused("dinov2-small"))
        self.assertEqual(list(self.out.glob("model*")), [])

    def test_a_busy_server(self):
        self.serve_dino(File(WEIGHTS, busy=1))
        self.assertEqual(self.call("dinov2-small")[0], 0)
        self.serve_dino(File(WEIGHTS, busy=9))
        self.assertIn("the server is busy (status 503) (1 tries)", self.refused("dinov2-small", "--tries", "1", "--to", "again"))

    def test_a_silent_server(self):
        self.serve_dino(File(silent=True))
        begun = time.monotonic()
        self.assertIn("(1 tries)", self.refused("dinov2-small", "--tries", "1", "--silent-s", "1"))
        self.assertLess(time.monotonic() - begun, 20)

    def test_no_server(self):
        err = self.refused("dinov2-small", "--tries", "2", environment={"HF_ENDPOINT": "http://127.0.0.1:1"})
        self.assertIn("127.0.0.1", err)
        self.assertIn("(2 tries)", err)

    def test_a_full_disk(self):
        self.serve_dino(File(WEIGHTS, headers={"ETag": '"one"'}))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails, as on a full disk
        err = self.refused("dinov2-small", restore_signals=False,
                           before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500000, 500000)))
        self.assertIn("what was got so far is kept: make room and repeat the command", err)
        self.assertEqual(self.call("dinov2-small")[0], 0)
        self.assertEqual(self.asked_for(".safetensors")[-1]["Range"], "bytes=500000-")
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS)

    def test_a_file_larger_than_the_disk(self):
        class Claims(bytes):
            def __len__(self):
                return 1 << 60

        self.serve_dino(File(Claims(b"x")))
        self.assertIn("the disk is full: ", self.refused("dinov2-small"))

    def test_a_proxy(self):
        self.server.files["http://hub.invalid" + DINO + "model.safetensors"] = File(WEIGHTS)
        for name in ("config.json", "preprocessor_config.json"):
            self.server.files["http://hub.invalid" + DINO + name] = File()
        status, _, err = self.call("dinov2-small", environment={"HF_ENDPOINT": "http://hub.invalid", "http_proxy": self.url})
        self.assertEqual(status, 0, err)
        self.assertEqual((self.out / "model.safetensors").read_bytes(), WEIGHTS)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
