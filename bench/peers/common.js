// What every Node peer shares: the payload, the record of what ran, and the run itself (see common.py).
const fs = require("node:fs");
const { fork } = require("node:child_process");

const TEXT = "x".repeat(180);
const RAN = process.env.RAN_FILE || "/dev/null";
const out = fs.openSync(RAN, "a");

function ran(n) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n);
  fs.writeSync(out, bytes);
}

async function wait(count, limit) {
  const until = performance.now() + limit * 1000;
  while (fs.statSync(RAN).size < 4 * count) {
    if (performance.now() > until) throw new Error(`${fs.statSync(RAN).size / 4} of ${count} ran in ${limit} s`);
    await new Promise((next) => setTimeout(next, 10));
  }
}

async function main(file, prepare, enqueue) {
  const tasks = Number(process.argv[2]);
  await prepare();
  const worker = fork(file, ["work"]);
  let seconds, enqueued;
  try {
    await enqueue(0, 1);
    await wait(1, 60);
    const begun = performance.now();
    await enqueue(1, tasks + 1);
    enqueued = (performance.now() - begun) / 1000;
    await wait(tasks + 1, 600);
    seconds = (performance.now() - begun) / 1000;
  } finally {
    const ended = new Promise((end) => worker.once("exit", end));
    worker.kill("SIGKILL");
    await ended;
  }
  const bytes = fs.readFileSync(RAN);
  const numbers = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32LE(4 * i)).sort((a, b) => a - b);
  const exact = numbers.length === tasks + 1 && numbers.every((n, i) => n === i);
  console.log(JSON.stringify({ tasks, seconds, enqueue_seconds: enqueued, exact }));
  process.exit(0);
}

async function inHundreds(first, last, put) {
  for (let start = first; start < last; start += 100) {
    const end = Math.min(start + 100, last);
    await put(Array.from({ length: end - start }, (_, i) => start + i));
  }
}

module.exports = { TEXT, ran, main, inHundreds };
