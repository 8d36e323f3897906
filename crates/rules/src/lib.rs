//! Recording and alerting rules as (state, result vector, now) -> decisions.
