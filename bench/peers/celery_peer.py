"""Celery over Redis: one message an enqueue (it has no bulk call), late acknowledgement, results ignored."""
import os
import subprocess
import sys

from celery import Celery

import common

app = Celery("celery_peer", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    worker_max_tasks_per_child=None,
)


@app.task(name="noop")
def noop(n, text):
    common.ran(n)


def worker():
    args = ["-A", "celery_peer", "worker", "-c", "2", "-l", "ERROR", "--without-gossip", "--without-mingle"]
    return [subprocess.Popen([sys.executable, "-m", "celery", *args, "--without-heartbeat"])]


def enqueue(first, last):
    with app.producer_pool.acquire(block=True) as producer:
        for n in range(first, last):
            noop.apply_async((n, common.TEXT), producer=producer)


if __name__ == "__main__":
    common.main(enqueue, worker)
