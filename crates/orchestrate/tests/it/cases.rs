//! One small case per rule.

mod bootstrap;
mod given;
mod predicates;
mod two_masters;
