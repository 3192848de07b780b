//! From declared flows to the least policies that allow them, proved by `reach`.
//! It doesn't know files or clusters.
