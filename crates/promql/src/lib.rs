//! PromQL: own parser and evaluator over a Querier, and the .test runner.
