//! One small case per rule.

mod bootstrap;
mod given;
mod over;
mod predicates;
mod two_masters;
mod unseen;
