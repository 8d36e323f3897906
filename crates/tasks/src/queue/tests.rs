//! Cases of the queue, told as what goes in and what comes out.
