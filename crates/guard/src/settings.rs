//! What the user wrote (flags, the configuration file) and what the program uses of it ([`Settings`]), every value checked.

mod addresses;
mod arguments;
mod error;
mod file;
mod flags;
mod places;
mod protocol;
mod resolve;
mod tls;

pub use addresses::{ListenAddress, UpstreamAddress};
pub use arguments::GuardArguments;
pub use error::SettingsError;
pub use file::{Authorization, parse_authorization};
pub use flags::with_dashes;
pub use places::Place;
pub use protocol::{Http2Settings, IdentityHeaderNames};
pub use resolve::{OidcSettings, ServingSettings, Settings, UpstreamSettings};
