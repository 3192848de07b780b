//! Policies from flows, over whole clusters.

mod generate;
mod proof;
mod render;
