#!/usr/bin/env python3
"""`patina board` and `patina list runs` beside runs that go, end and are killed.

    board_test.py PATINA FOLDER
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))
import small_data

PATINA, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
RECIPE = f"""
name = "watched"
[model]
name = "mlp"
hidden = [64, 64]
[data]
name = "mnist"
path = "{ROOT}/mnist"
[scenario]
classes_per_task = 2
[learner]
name = "finetune"
[training]
epochs = 1200
batch_size = 10
[run]
tensorboard = true
"""


class Board:
    def __init__(self, folder, *options):
        self.process = subprocess.Popen([PATINA, "board", str(folder), "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("showing "), line
        self.port = int(line.strip().rstrip("/").rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0
        self.process.stdout.close()

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode(), dict(response.getheaders())
        finally:
            connection.close()

    def runs(self):
        status, text, _ = self.get("/runs")
        assert status == 200, text
        return {run["id"]: run for run in json.loads(text)["runs"]}


def until(what, seconds=120):
    end = time.time() + seconds
    while time.time() < end:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come to that")


class BoardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(ROOT, ignore_errors=True)
        small_data.idx(ROOT / "mnist", 40, 4)
        (ROOT / "watched.toml").write_text(RECIPE)
        (ROOT / "runs").mkdir()

    def begin(self, *options):
        return subprocess.Popen([PATINA, "run", str(ROOT / "watched.toml"), "--out", str(ROOT / "runs/watched"), *options],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def test_a_run_from_its_begin_over_a_kill_to_its_end(self):
        with Board(ROOT / "runs") as board:
            self.assertEqual(board.runs(), {})
            run = self.begin()
            seen = until(lambda: board.runs().get("watched"))
            self.assertEqual((seen["state"], seen["learner"], seen["tasks"]), ("running", "finetune", 5))
            seen = until(lambda: (one := board.runs()["watched"])["learned"] >= 1 and one.get("part", {}).get("rate") and one)
            self.assertEqual(len(seen["curve"]), seen["learned"])
            self.assertIn("task", seen["part"]["name"])
            self.assertGreater(seen["seconds_left"], 0)
            self.assertEqual(board.get("/report?run=watched")[0], 200, "of an unfinished run, too")
            run.kill()
            run.communicate()
            seen = until(lambda: (one := board.runs()["watched"])["state"] == "cut short" and one)
            self.assertNotIn("part", seen)
            listed = subprocess.run([PATINA, "list", "runs", str(ROOT / "runs")], capture_output=True, text=True, check=True).stdout
            self.assertRegex(listed, r"watched +watched +finetune +cut short +\d/5 ")
            run = self.begin("--resume")
            self.assertEqual(until(lambda: (one := board.runs()["watched"])["state"] == "running" and one)["state"], "running")
            error = run.communicate(timeout=300)[1]
            self.assertEqual(run.returncode, 0, error)
            seen = until(lambda: (one := board.runs()["watched"])["state"] == "finished" and one)
            self.assertEqual((seen["learned"], len(seen["curve"])), (5, 5))
            self.assertFalse((ROOT / "runs/watched/progress.json").exists())
            self.assertIn("Classes after the last task", board.get("/report?run=watched")[1])
        files = list((ROOT / "runs/watched").glob("events.out.tfevents.*"))
        self.assertEqual(len(files), 2, "one a process")
        self.check_tensorboard(ROOT / "runs/watched")

    def check_tensorboard(self, folder):
        try:
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        except ImportError:
            print("tensorboard is not installed (pip install tensorboard): its own reader was not asked", file=sys.stderr)
            return
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
        events.Reload()
        record = json.loads((folder / "record.json").read_text())
        seen = events.Scalars("accuracy/seen_classes")
        self.assertEqual([event.step for event in seen], [1, 2, 3, 4, 5])
        for event, accuracy in zip(seen, record["accuracy_after_task"]):
            self.assertAlmostEqual(event.value, accuracy, places=6)
        steps = [event.step for event in events.Scalars("loss")]
        self.assertGreater(len(steps), 100)
        self.assertEqual(steps, sorted(set(steps)), "what was repeated after the kill is not there twice")
        self.assertEqual([event.step for event in events.Images("matrix")], [1, 2, 3, 4, 5])
        image = events.Images("matrix")[-1]
        self.assertEqual((image.encoded_image_string[:4], image.width > 0), (b"\x89PNG", True))
        text = events.Tensors("recipe")[0].tensor_proto.string_val[0].decode()
        self.assertIn(record["recipe"], text)

    def test_who_may_ask(self):
        with Board(ROOT / "runs") as board:
            self.assertEqual(board.get("/")[0], 200)
            self.assertEqual(board.get("/", Host="evil.example")[0], 403)
            self.assertEqual(board.get("/runs", Origin="http://evil.example")[0], 403)
            self.assertEqual(board.get("/../../etc/passwd")[0], 404)
        with Board(ROOT / "runs", "--token", "open-sesame") as board:
            for path in ("/", "/runs", "/report", "/?token=wrong"):
                self.assertEqual(board.get(path)[0], 401, path)
            self.assertEqual(board.get("/runs", Authorization="Bearer open-sesame")[0], 200)
            status, _, headers = board.get("/?token=open-sesame")
            self.assertEqual((status, headers["Location"]), (303, "/"))
            self.assertIn("HttpOnly", headers["Set-Cookie"])
            cookie = headers["Set-Cookie"].split(";")[0]
            self.assertEqual(board.get("/runs", Cookie="other=1; " + cookie)[0], 200)
            self.assertEqual(board.get("/", Cookie=cookie)[0], 200)
            self.assertEqual(board.get("/", Cookie="patina_board=wrong")[0], 401)
        refused = subprocess.run([PATINA, "board", str(ROOT / "runs"), "--host", "0.0.0.0"], capture_output=True, text=True,
                                 env={name: value for name, value in os.environ.items() if name != "PATINA_TOKEN"})
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--token", refused.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
