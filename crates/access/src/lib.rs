//! Who may come in: users and their password hashes, browser sessions, scoped API tokens, and how fast passwords may be guessed.
//! It does not know HTTP, cookies or what the scopes protect; callers ask, and answer their peers themselves.
//!
//! # What is kept
//!
//! One JSON file, replaced whole ([`parapet_fs::replace`]) before a change takes effect, so a change that was answered with
//! success is still there after a crash; one that failed is as if it had not been asked for, until a restart finds either. Of secrets it holds only what
//! verifies them: argon2id strings of passwords, SHA-256 of session ids and of token secrets (both have 256 random bits,
//! so a fast hash is enough). When a token or session was last used is coarse, and may be lost in a crash.

mod accounts;
mod error;
mod metrics;
mod password;
mod principal;
mod secret;
mod state;
mod throttle;

pub use accounts::{Accounts, Clock, Minted, NewToken, PasswordCheck, Policy, Session, TokenInfo, UserInfo};
pub use error::{AccessError, Denied, Fault, LoginError};
pub use metrics::Metrics;
pub use password::MAX_BYTES as MAX_PASSWORD_BYTES;
pub use principal::{Principal, PrincipalKind, Role, Scope, Scopes};
pub use secret::Secret;
