//! Getting samples in: scrape, probe, host, discovery, relabelling.
