//! Documents and their places: what is good, what is bad, and what is hostile.

mod bad_input;
mod places;
mod sources;
