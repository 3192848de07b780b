//! The testbed tested by itself: what it answers, and that nothing of it stays.

mod answers;
mod end;
mod skipped;
