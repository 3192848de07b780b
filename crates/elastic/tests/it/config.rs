//! Configuration files, to the byte.

mod apm_server;
mod elasticsearch;
mod kibana;
mod merge;
mod roles;
