#!/usr/bin/env python3
"""A server under load for as long as one likes: predictions and lessons from many clients at a time, and `kill -9`
among them. Every request is counted; no lesson that was acknowledged may be lost or learned twice.

    serve_soak.py PATINA FOLDER [REQUESTS] [CLIENTS] [KILLS]      100000, 16 and 20 if nothing is said
"""

import base64
import concurrent.futures
import http.client
import json
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent), str(pathlib.Path(__file__).resolve().parents[1] / "docs")]
import small_data
from served import JSON, Served, picture

LESSONS = 50  # a lesson in so many requests


def made(program, folder):
    """An artefact that knows two colours. Its learner counts every lesson as a task."""
    shutil.rmtree(folder, ignore_errors=True)
    file = folder / "colours.patina"
    for colour, name in enumerate(("red", "green")):
        small_data.photographs(folder / name, colour, 6)
        new = ["--learner", "slda"] if name == "red" else []
        subprocess.run([program, "learn", file, name, folder / name, *new], check=True, stdout=subprocess.DEVNULL)
    return file


class Load:
    def __init__(self, requests):
        self.lock, self.requests, self.next = threading.Lock(), requests, 0
        self.answered, self.broken, self.acknowledged, self.sent, self.took = 0, 0, set(), [], []
        self.red, self.blue = picture(0, 50), picture(2, 7)
        self.blue_text = base64.b64encode(self.blue).decode()

    def number(self):
        with self.lock:
            if self.next >= self.requests:
                return None
            self.next += 1
            return self.next - 1

    def client(self, server):
        """Asks over one connection until nothing is left or the server is gone."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        try:
            while (number := self.number()) is not None:
                lesson = number % LESSONS == LESSONS - 1
                if lesson:
                    self.sent.append(number)
                begin = time.monotonic()
                try:
                    answer = self.lesson(connection, number) if lesson else self.prediction(connection)
                except (OSError, http.client.HTTPException):
                    with self.lock:
                        self.broken += 1
                    return
                if lesson:
                    assert "repeated" not in answer, answer
                    self.acknowledged.add(number)
                else:
                    assert answer["predictions"][0]["classes"][0]["class"] == "red", answer
                    self.took.append(time.monotonic() - begin)
                with self.lock:
                    self.answered += 1
        finally:
            connection.close()

    def call(self, connection, path, body, headers):
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        text = response.read()
        assert response.status == 200, (response.status, text)
        return json.loads(text)

    def prediction(self, connection):
        return self.call(connection, "/v1/predict", self.red, {"Content-Type": "image/png"})

    def lesson(self, connection, number):
        value = {"class": "blue", "images": [self.blue_text], "id": f"k{number}"}
        return self.call(connection, "/v1/learn", json.dumps(value), JSON)


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    requests, clients, kills = [int(given) for given in sys.argv[3:6]] + [100000, 16, 20][len(sys.argv) - 3:]
    file, chance, load = made(program, folder), random.Random(3), Load(requests)
    begin, served = time.monotonic(), 0.0
    for stretch in range(kills + 1):
        # Saved at once, soon, or hardly ever: the kill comes at every place.
        server = Served(program, file, "--save-after-s", chance.choice(["0", "0.5", "1000"]))
        until, start = requests * (stretch + 1) // (kills + 1), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            asking = [pool.submit(load.client, server) for _ in range(clients)]
            while stretch < kills and load.next < until:
                time.sleep(0.01)
            if stretch < kills:
                server.process.kill()
            for one in asking:
                one.result()
        served += time.monotonic() - start
        server.stop()
    with Served(program, file) as server:
        for number in set(load.sent) - load.acknowledged:  # sent again: learned now, or known from before
            status, answer = server.learn("blue", [load.blue], key=f"k{number}")
            assert status == 200, answer
        tasks = server.json("/v1/session")[1]["tasks"]
    assert tasks == 2 + len(load.sent), (tasks, len(load.sent))
    load.took.sort()
    p50, p99 = (1000 * load.took[int(part * (len(load.took) - 1))] for part in (0.5, 0.99))
    print(f"{load.answered} requests of {clients} clients answered, {load.answered / served:.0f} a second, {load.broken} cut off by {kills} kills; "
          f"predictions p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"{len(load.sent)} lessons, {len(load.acknowledged)} acknowledged, each learned once; "
          f"{time.monotonic() - begin:.0f} s with {kills + 2} starts")


if __name__ == "__main__":
    main()
