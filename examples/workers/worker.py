#!/usr/bin/env python3
"""A Tocsin worker in Python's standard library: claims runs of kind "greet" and does them, until SIGTERM.

    TOCSIN_SERVER=http://127.0.0.1:8080 TOCSIN_KEY=... examples/workers/worker.py
"""
import json
import os
import signal
import urllib.request
import uuid

URL = os.environ.get("TOCSIN_SERVER", "http://127.0.0.1:8080") + "/v1/work"
HEADERS = {"Content-Type": "application/json", "X-API-Key": os.environ["TOCSIN_KEY"]}
WORKER = {"id": f"python-{os.getpid()}", "boot_nonce": uuid.uuid4().hex, "labels": {}, "kinds": ["greet"], "slots_free": 1}
stopping = False


def stop(*_):
    global stopping
    stopping = True


def work(**request):
    body = {"worker": {**WORKER, "draining": stopping}, **request}
    call = urllib.request.Request(URL, json.dumps(body).encode(), HEADERS)
    with urllib.request.urlopen(call, timeout=60) as reply:
        return json.load(reply)


def do(run):
    """The work itself; a run longer than a third of its lease_ms must be extended meanwhile."""
    return {"greeting": f"hello, {run['args'].get('name', 'world')}"}


signal.signal(signal.SIGTERM, stop)
done = []
while not stopping or done:
    reply = work(complete=done, want=0 if stopping else 1, wait_ms=0 if stopping else 1000)
    done = [{"attempt_token": run["attempt_token"], "outcome": "done", "result": do(run)} for run in reply["runs"]]
