//! The operator against a real API server with its controllers.

mod certificates;
mod manifests;
mod world;
