//! Users and roles, as Elasticsearch's file realm reads them.

mod files;
mod hash;
mod passwords;
mod predefined;
mod provided;
mod realm;
mod service_token;

pub use hash::{Hasher, Strength};
pub use passwords::{
    DIAGNOSTICS, ELASTIC, INTERNAL, MONITORING, PRE_STOP, PROBE, apm_token, elastic_user, internal_users,
    password_of,
};
pub use predefined::predefined_roles;
pub use provided::{Provided, ProvidedProblem, read_provided};
pub use realm::{Realm, RealmError, file_realm};
pub use service_token::ServiceToken;
