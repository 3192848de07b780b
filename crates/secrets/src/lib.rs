//! References to secrets, the providers that resolve them (files, Kubernetes, Vault), and a store that keeps the last
//! good value of each fresh. It doesn't know what the secrets are for, nor who serves the metrics and status it gives.
//!
//! # How a value gets to its user
//! ```text
//! SecretRef ── Store::watch ──→ Subscription ── apply: validate, then take ──→ what uses it
//!                 │ one task per location: resolve → publish → wait → …
//!                 └→ Provider (file | kubernetes | vault), few calls at once
//! ```
//! Invariants: **S-1** a published [`Snapshot`] never changes; all its keys are of one version. **S-2** a failure never
//! replaces a value: the last good one stays, and is reported as stale beyond its age limit. **S-3** at most one call per
//! location is under way. **S-4** nothing of a value is in an error, log, metric or status; names and versions are.
//!
//! Values are wiped from memory when the last holder drops them. What the TLS and HTTP libraries buffer on the way is not.

mod bytes;
mod config;
mod error;
mod file;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod metrics;
mod provider;
mod providers;
mod reference;
pub mod schedule;
mod scope;
mod snapshot;
mod store;
mod subscription;
mod two_slot;
mod vault;

pub use bytes::SecretBytes;
pub use config::{
    Address, Configuration, FileConfig, KubernetesConfig, ProviderConfig, Span, Tenants, VaultAuth,
    VaultConfig, VaultEngine, WorldReadable,
};
pub use error::{Reason, SecretError};
pub use file::FileProvider;
#[cfg(feature = "kubernetes")]
pub use kubernetes::KubernetesProvider;
pub use metrics::Metrics;
pub use provider::Provider;
pub use providers::Providers;
pub use reference::{Location, ProviderName, SecretKey, SecretPath, SecretRef, SecretSource};
pub use scope::Scope;
pub use snapshot::{MAX_SECRET_BYTES, Snapshot, Version};
pub use store::{ConsumerStatus, NotReady, Options, SecretStatus, Settings, Store};
pub use subscription::{Need, Refused, Subscription};
pub use two_slot::{Slot, TwoSlot};
pub use vault::VaultProvider;
