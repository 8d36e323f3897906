#!/usr/bin/env node
// A Tocsin worker in Node 18 or later, without packages: claims runs of kind "greet" and does them, until SIGTERM.
//
//     TOCSIN_SERVER=http://127.0.0.1:8080 TOCSIN_KEY=... examples/workers/worker.js
'use strict';
const { randomUUID } = require('crypto');

const url = (process.env.TOCSIN_SERVER || 'http://127.0.0.1:8080') + '/v1/work';
const headers = { 'Content-Type': 'application/json', 'X-API-Key': process.env.TOCSIN_KEY };
const worker = { id: `node-${process.pid}`, boot_nonce: randomUUID(), kinds: ['greet'], slots_free: 1 };
let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => { stopping = true; });

// One round trip: finished work in, new work out.
async function work(request) {
  const body = JSON.stringify({ worker: { ...worker, draining: stopping }, ...request });
  const reply = await fetch(url, { method: 'POST', headers, body });
  if (!reply.ok) throw new Error(`${reply.status}: ${await reply.text()}`);
  return reply.json();
}

// The work itself; a run longer than a third of its lease_ms must be extended meanwhile.
async function act(run) {
  return { greeting: `hello, ${run.args.name ?? 'world'}` };
}

(async () => {
  let complete = [];
  while (!stopping || complete.length > 0) {
    const { runs } = await work({ complete, want: stopping ? 0 : 1, wait_ms: stopping ? 0 : 1000 });
    complete = await Promise.all(runs.map(async (run) => {
      const { attempt_token } = run;
      return act(run).then(
        (result) => ({ attempt_token, outcome: 'done', result }),
        (error) => ({ attempt_token, outcome: 'retry', error: { type: error.name, message: error.message } }));
    }));
  }
})();
