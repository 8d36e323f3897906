//! Outgoing connections, each guarded and bounded: HTTP, SMTP, redis, PostgreSQL, bare TCP, files, processes,
//! commands.
//!
//! Does not know what a task, a probe or a receiver is. What holds for every connection: the name is resolved
//! once, each address is checked by the [`Guard`], and the address that was checked is the one connected to;
//! everything has a time limit and a size limit; an [`Error`] says in words what was attempted and on what, and
//! never holds a credential.

mod base64;
mod error;
mod guard;

pub mod config;
pub mod http;
pub mod oauth2;
pub mod tls;

pub mod postgres;
pub mod redis;
pub mod smtp;
pub mod tcp;

pub mod command;
pub mod file;
pub mod process;
pub mod signature;

pub use error::{Error, Kind};
pub use guard::{Dialed, Guard, Own, OwnListeners, Policy, Target};
