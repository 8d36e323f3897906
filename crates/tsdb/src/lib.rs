//! Series on disk: head, wal, segments, index, retention.
