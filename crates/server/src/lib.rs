//! Everything a client reaches over HTTP.
