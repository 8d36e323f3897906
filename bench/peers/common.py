"""What every Python peer shares: the payload, the record of what ran, and the run itself.

Handlers append their number to a file; the run is over when every number is there, and wrong if one is there twice.
"""
import json
import os
import struct
import sys
import time

TEXT = "x" * 180
RAN = os.environ.get("RAN_FILE", "/dev/null")
_out = os.open(RAN, os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def ran(n):
    os.write(_out, struct.pack("<I", n))


def main(enqueue, worker):
    """Starts the workers, enqueues, waits, prints one line of JSON."""
    tasks = int(sys.argv[1])
    workers = worker()
    try:
        enqueue(0, 1)
        wait(1, 60)
        begun = time.perf_counter()
        enqueue(1, tasks + 1)
        enqueued = time.perf_counter() - begun
        wait(tasks + 1, 600)
        seconds = time.perf_counter() - begun
    finally:
        for child in workers:
            child.terminate()
        for child in workers:
            child.wait()
    numbers = [n for (n,) in struct.iter_unpack("<I", open(RAN, "rb").read())]
    exact = sorted(numbers) == list(range(tasks + 1))
    cpu = sum(os.times()[:4])
    print(json.dumps({"tasks": tasks, "seconds": seconds, "enqueue_seconds": enqueued, "exact": exact, "cpu_seconds": cpu}))


def wait(count, limit):
    until = time.perf_counter() + limit
    while os.path.getsize(RAN) < 4 * count:
        if time.perf_counter() > until:
            raise SystemExit(f"{os.path.getsize(RAN) // 4} of {count} ran in {limit} s")
        time.sleep(0.01)
