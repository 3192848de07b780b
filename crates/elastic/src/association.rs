//! References between applications: what each side gets, and what the referrer is told.
//!
//! The referrer's annotation is the only thing that its own reconciliation acts on; it is written last, when the credentials
//! that it names exist.

mod authority;
mod conf;
mod credentials;
mod external;
mod gate;
mod kind;
mod url;

pub use authority::{authority_copy, has_authority};
pub use conf::Conf;
pub use credentials::{Target, UserSecrets, apm_user_roles, password_user, service_account};
pub use external::{ExternalError, external};
pub use gate::{Gate, gate};
pub use kind::{AssociationKind, domain};
pub use url::{UrlError, service_url};
