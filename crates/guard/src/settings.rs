//! What the user wrote (flags, the configuration file) and what the program uses of it ([`Settings`]), every value checked.

mod addresses;
mod arguments;
mod credentials;
mod error;
mod file;
mod flags;
mod guarded;
mod paths;
mod places;
mod protocol;
mod resolve;
mod serving;
#[cfg(test)]
mod tests;
mod tls;

pub use addresses::{ListenAddress, UpstreamAddress};
pub use arguments::{GuardArguments, Wildcard};
pub use credentials::OidcSettings;
pub use error::SettingsError;
pub use file::{Authorization, parse_authorization};
pub use flags::with_dashes;
pub use guarded::UpstreamSettings;
pub use places::Place;
pub use protocol::{Http2Settings, IdentityHeaderNames};
pub use resolve::Settings;
pub use serving::ServingSettings;
