#![allow(dead_code, missing_docs)]
#[path = "../src/check.rs"]
mod check;
#[path = "../src/config/mod.rs"]
mod config;
