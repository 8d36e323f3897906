// BullMQ over Redis: addBulk of 100, one worker process with 50 jobs at once, finished jobs removed.
const { Queue, Worker } = require("bullmq");
const { TEXT, ran, main, inHundreds } = require("./common");

const url = new URL(process.env.REDIS_URL);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };

if (process.argv[2] === "work") {
  new Worker("bench", async (job) => ran(job.data.n), { connection, concurrency: 50 });
} else {
  const queue = new Queue("bench", { connection });
  const options = { removeOnComplete: true };
  main(__filename, () => queue.waitUntilReady(), (first, last) =>
    inHundreds(first, last, (ns) => queue.addBulk(ns.map((n) => ({ name: "noop", data: { n, text: TEXT }, opts: options })))));
}
