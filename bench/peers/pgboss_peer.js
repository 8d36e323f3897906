// pg-boss over PostgreSQL: insert of 100, one worker process that fetches 50 at a time from four loops.
const PgBoss = require("pg-boss");
const { TEXT, ran, main, inHundreds } = require("./common");

const boss = () => new PgBoss({ connectionString: process.env.POSTGRES_URL, max: 6 });

if (process.argv[2] === "work") {
  const worker = boss();
  worker.start().then(() => {
    for (let i = 0; i < 4; i++) {
      worker.work("bench", { batchSize: 50, pollingIntervalSeconds: 0.5 }, async (jobs) => jobs.forEach((job) => ran(job.data.n)));
    }
  });
} else {
  const producer = boss();
  const prepare = async () => { await producer.start(); await producer.createQueue("bench"); };
  main(__filename, prepare, (first, last) =>
    inHundreds(first, last, (ns) => producer.insert(ns.map((n) => ({ name: "bench", data: { n, text: TEXT } })))));
}
