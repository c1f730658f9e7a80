"""A `patina serve` of a test, and the pictures that tests send to it."""

import base64
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))
import small_data

JSON = {"Content-Type": "application/json"}


class Served:
    """A server of an artefact, on a port of its own."""

    def __init__(self, program, file, *options, name=None, environment=None):
        self.name, self.token = name or file.stem, None
        self.log = open(file.with_suffix(".log"), "a")
        self.process = subprocess.Popen([program, "serve", str(file), "--port", "0", *options], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, env=dict(os.environ, **(environment or {})))
        line = self.process.stdout.readline()
        assert line.startswith("serving "), line + pathlib.Path(self.log.name).read_text()
        self.url = line.split()[-1].rstrip("/")
        self.port = int(self.url.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(60)
        self.process.stdout.close()
        self.log.close()
        return status

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = dict(headers or {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def json(self, path, value=None, headers=None):
        method, body = ("GET", None) if value is None else ("POST", json.dumps(value))
        status, text, _ = self.call(method, path, body, JSON | (headers or {}))
        return status, json.loads(text)

    def learn(self, name, pictures, key=None):
        value = {"class": name, "images": [base64.b64encode(one).decode() for one in pictures]}
        return self.json("/v1/learn", value | ({"id": key} if key else {}))

    def metric(self, name):
        text = self.call("GET", "/metrics")[1].decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.split("{")[0].split(" ")[0] == name)


def picture(colour, seed):
    return small_data.png(small_data.COLOURS[colour], seed)
