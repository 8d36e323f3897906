"""Procrastinate over PostgreSQL: batch defer of 100, one worker process with 20 tasks at once."""
import asyncio
import os
import subprocess
import sys

import procrastinate

import common

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["POSTGRES_URL"]))


@app.task(name="noop", queue="bench")
async def noop(n, text):
    common.ran(n)


async def defer(first, last):
    async with app.open_async():
        for start in range(first, last, 100):
            jobs = [{"n": n, "text": common.TEXT} for n in range(start, min(start + 100, last))]
            await noop.batch_defer_async(*jobs)


async def work():
    async with app.open_async():
        await app.run_worker_async(queues=["bench"], concurrency=20, delete_jobs="always")


async def prepare():
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


if __name__ == "__main__":
    if sys.argv[1:] == ["work"]:
        asyncio.run(work())
    else:
        asyncio.run(prepare())
        common.main(
            lambda first, last: asyncio.run(defer(first, last)),
            lambda: [subprocess.Popen([sys.executable, __file__, "work"])],
        )
