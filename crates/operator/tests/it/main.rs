//! The operator against a real API server with its controllers.

mod certificates;
mod compatibility;
mod conditions;
mod definitions;
mod explained;
mod manifests;
mod refused;
mod scenario_certificates;
mod scenarios;
mod takeover;
mod webhook;
mod world;
