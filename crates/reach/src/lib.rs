//! Outgoing connections, each guarded and bounded.
