// pg-boss over PostgreSQL: insert of 100, one worker process with four loops that fetch 100 and complete them at once. Its
// own `work` asks only each half second, which is 400 tasks a second like this; fetching is what its users do for speed.
const PgBoss = require("pg-boss");
const { TEXT, ran, main, inHundreds } = require("./common");

const boss = () => new PgBoss({ connectionString: process.env.POSTGRES_URL, max: 6 });

if (process.argv[2] === "work") {
  const worker = boss();
  const loop = async () => {
    for (;;) {
      const jobs = await worker.fetch("bench", { batchSize: 100 });
      jobs.forEach((job) => ran(job.data.n));
      if (jobs.length) await worker.complete("bench", jobs.map((job) => job.id));
      else await new Promise((next) => setTimeout(next, 5));
    }
  };
  worker.start().then(() => Promise.all([loop(), loop(), loop(), loop()]));
} else {
  const producer = boss();
  const prepare = async () => { await producer.start(); await producer.createQueue("bench"); };
  main(__filename, prepare, (first, last) =>
    inHundreds(first, last, (ns) => producer.insert(ns.map((n) => ({ name: "bench", data: { n, text: TEXT } })))));
}
