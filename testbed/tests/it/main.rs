//! The testbed tested by itself: what it answers, and that nothing of it stays.

mod answers;
mod assets;
mod end;
mod machine;
mod skipped;
