//! The operator against a real API server with its controllers.

mod certificates;
mod definitions;
mod manifests;
mod scenario_certificates;
mod scenarios;
mod webhook;
mod world;
