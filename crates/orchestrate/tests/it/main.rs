//! Decisions, case by case and in a simulated cluster.

mod cases;
mod simulation;
