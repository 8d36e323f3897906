// graphile-worker over PostgreSQL: add_jobs of 100, one worker process with 24 jobs at once and a local queue.
const { run, makeWorkerUtils } = require("graphile-worker");
const { TEXT, ran, main, inHundreds } = require("./common");

const connectionString = process.env.POSTGRES_URL;

if (process.argv[2] === "work") {
  const preset = {
    worker: { connectionString, concurrentJobs: 24, maxPoolSize: 12, pollInterval: 500, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
  };
  run({ preset, noHandleSignals: true, taskList: { noop: async (payload) => ran(payload.n) } });
} else {
  let utils;
  const prepare = async () => { utils = await makeWorkerUtils({ connectionString }); await utils.migrate(); };
  main(__filename, prepare, (first, last) =>
    inHundreds(first, last, (ns) => utils.addJobs(ns.map((n) => ({ identifier: "noop", payload: { n, text: TEXT } })))));
}
