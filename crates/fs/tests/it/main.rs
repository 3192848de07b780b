//! The two file systems against each other, and the simulated one against its promises.

mod durable;
mod power;
mod redb;
mod same;
