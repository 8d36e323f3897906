#!/usr/bin/env python3
"""A worker for the crash tests, as anybody would write one: it claims, beats, completes, says everything again that
was not answered, and writes to its log what it says and hears, each line before it goes on.

    worker.py ID LOG [--want N] [--work SECONDS] [--stand-still] [--hang-up]

URL and key: TOCSIN_SERVER, TOCSIN_KEY.
"""
import argparse
import http.client
import json
import os
import signal
import time
import urllib.parse
import uuid

parser = argparse.ArgumentParser()
parser.add_argument("id")
parser.add_argument("log")
parser.add_argument("--want", type=int, default=50, help="runs at once")
parser.add_argument("--work", type=float, default=0.0, help="how long each takes")
parser.add_argument("--stand-still", action="store_true", help="stops itself (SIGSTOP) when it has its first run")
parser.add_argument("--hang-up", action="store_true", help="what it holds is given back when its connection closes")
options = parser.parse_args()
server = urllib.parse.urlsplit(os.environ["TOCSIN_SERVER"])
headers = {"Content-Type": "application/json", "X-API-Key": os.environ["TOCSIN_KEY"]}
card = {"id": options.id, "boot_nonce": uuid.uuid4().hex, "labels": {}, "kinds": ["noop"], "draining": False}
if options.hang_up:
    card["release_on_close"] = True
log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
connection = None


def note(what, **more):
    line = {"what": what, "worker": options.id, "pid": os.getpid(), "at": time.time(), **more}
    os.write(log, (json.dumps(line) + "\n").encode())


def ask(body):
    """One round trip; None if nobody answers."""
    global connection
    try:
        if connection is None:
            connection = http.client.HTTPConnection(server.hostname, server.port, timeout=40)
        connection.request("POST", "/v1/work", json.dumps(body), headers)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise OSError(f"{reply.status} {text!r}")
        return json.loads(text)
    except (OSError, http.client.HTTPException, ValueError) as why:
        note("unanswered", why=str(why))
        connection.close()
        connection = None
        time.sleep(0.02)
        return None


note("starts")
held, unsaid = {}, []
while True:
    now = time.time()
    for token in [token for token, run in held.items() if run["done_at"] <= now]:
        run = held.pop(token)
        note("says", task=run["task"], token=token)
        unsaid.append({"attempt_token": token, "outcome": "done", "result": {"task": run["task"]}})
    beats = [token for token, run in held.items() if now - run["beat_at"] > run["lease"] / 3]
    free = max(0, options.want - len(held))
    sent = time.time()
    reply = ask({
        "worker": {**card, "slots_free": free},
        "complete": unsaid,
        "extend": [{"attempt_token": token} for token in beats],
        "want": free,
        "wait_ms": 0 if held else 1000,
    })
    if reply is None:
        continue
    for token, result in reply["results"].items():
        if token in held and result == "accepted":
            held[token]["beat_at"] = sent
            note("beats", task=held[token]["task"], token=token, until=sent + held[token]["lease"])
        elif token in held:
            note("loses", task=held.pop(token)["task"], token=token)
    for said in unsaid:
        token = said["attempt_token"]
        note("heard", task=said["result"]["task"], token=token, result=reply["results"].get(token))
    unsaid = []
    for run in reply["runs"]:
        token, lease = run["attempt_token"], run["lease_ms"] / 1000
        note("claims", task=run["task_id"], token=token, attempt=run["attempt"], until=sent + lease)
        done_at = time.time() + options.work
        held[token] = {"task": run["task_id"], "lease": lease, "beat_at": sent, "done_at": done_at}
    if held and options.stand_still:
        options.stand_still = False
        os.kill(os.getpid(), signal.SIGSTOP)
    if held and not reply["runs"]:
        time.sleep(min(0.05, options.work))
