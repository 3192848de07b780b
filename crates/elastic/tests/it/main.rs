//! Tests of `parapet-elastic`.

mod built;
mod pods;
mod snapshots;
mod template;
