//! The log on a disk that fails: see each module.

mod support;

mod basics;
