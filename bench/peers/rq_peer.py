"""RQ over Redis: bulk enqueue in pipelines of 100, two workers that do not fork for each job."""
import os
import subprocess
import sys

from redis import Redis
from rq import Queue, SimpleWorker

import common


def noop(n, text):
    common.ran(n)


def enqueue(first, last):
    queue = Queue("bench", connection=Redis.from_url(os.environ["REDIS_URL"]))
    for start in range(first, last, 100):
        jobs = [
            Queue.prepare_data("rq_peer.noop", args=(n, common.TEXT), result_ttl=0)
            for n in range(start, min(start + 100, last))
        ]
        queue.enqueue_many(jobs)


def worker():
    return [subprocess.Popen([sys.executable, __file__, "work"]) for _ in range(2)]


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        connection = Redis.from_url(os.environ["REDIS_URL"])
        SimpleWorker([Queue("bench", connection=connection)], connection=connection).work(logging_level="ERROR")
    else:
        common.main(enqueue, worker)
