//! The store from outside: what it acknowledges is found again, once, whatever happens.

mod durability;
mod harness;
mod housekeeping;
mod limits;
mod simulation;
