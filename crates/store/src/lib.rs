//! Durable state: one Journal over the deciders' change values.
