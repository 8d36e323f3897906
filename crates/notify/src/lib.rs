//! One file per receiver: webhook, slack, console.
