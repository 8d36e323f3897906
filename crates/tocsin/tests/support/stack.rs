//! The example stack: redis, PostgreSQL, node_exporter and Tocsin on `examples/stack/tocsin.yml`, and a receiver.

use super::{NodeExporter, Pages, Postgres, Redis, Tocsin};

pub struct Stack {
    pub redis: Redis,
    pub postgres: Postgres,
    pub pages: Pages,
    pub tocsin: Tocsin,
    _node: NodeExporter,
}

impl Stack {
    /// Everything runs but Tocsin, whose directory and flags can still be filled.
    pub fn prepare(probe_interval: &str) -> Stack {
        let (redis, postgres, node, pages) =
            (Redis::start(), Postgres::start(), NodeExporter::start(), Pages::start());
        let envs = [
            ("REDIS_PORT", redis.port.to_string()),
            ("REDIS_LOG", redis.log.display().to_string()),
            ("PGPORT", postgres.port.to_string()),
            ("POSTGRES_LOG", postgres.log.display().to_string()),
            ("NODE_EXPORTER_PORT", node.port.to_string()),
            ("PROBE_INTERVAL", probe_interval.to_owned()),
            ("WEBHOOK_URL", pages.url.clone()),
        ];
        let tocsin = Tocsin::prepare(&["--config", "examples/stack/tocsin.yml"], &envs);
        Stack { redis, postgres, pages, tocsin, _node: node }
    }
}
