//! The log on disks that work, fail, fill up, lose power, and lie.

mod support;

mod basics;
mod bounds;
mod crash;
mod damage;
mod failure;
mod group;
