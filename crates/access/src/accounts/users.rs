//! Users and their passwords.

use std::sync::PoisonError;

use jiff::Timestamp;

use super::{Accounts, PasswordCheck, check_name};
use crate::secret::generate_password;
use crate::state::User;
use crate::{AccessError, Role, Secret, password};

/// The first administrator's name.
const FIRST_ADMIN: &str = "admin";
/// Users of one installation; every change rewrites the file.
const MAX_USERS: usize = 1000;

/// A user, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UserInfo {
    /// The name to log in with.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was added.
    pub created_at: Timestamp,
    /// When the password was last set.
    pub password_set_at: Timestamp,
}

impl Accounts {
    /// Adds the user `admin` with a generated password if there is no user at all; `None` if there is one.
    /// The password is nowhere else: print it once. Blocks on the disk and on hashing.
    pub fn create_first_admin(&self) -> Result<Option<Secret>, AccessError> {
        if self.read(|state| !state.users.is_empty()) {
            return Ok(None);
        }
        self.add_user(FIRST_ADMIN, Role::Admin).map(Some)
    }

    /// Adds a user with a generated password. Blocks on the disk and on hashing.
    pub fn add_user(&self, name: &str, role: Role) -> Result<Secret, AccessError> {
        check_name(name)?;
        let (secret, phc) = new_password()?;
        let now = self.now();
        self.change(|state| {
            if state.users.contains_key(name) {
                return Err(AccessError::UserExists);
            }
            if state.users.len() >= MAX_USERS {
                return Err(AccessError::Full { what: "users", limit: MAX_USERS });
            }
            state
                .users
                .insert(name.to_owned(), User { role, password: phc, created_at: now, password_set_at: now });
            Ok(())
        })?;
        tracing::info!(user = name, role = role.name(), "user added");
        Ok(secret)
    }

    /// From now on the user's password is what `check` takes, and the one in the file opens nothing, until the next start.
    /// Logins are as slow as others and throttled like them; sessions go on.
    pub fn keep_password_elsewhere(&self, name: &str, check: PasswordCheck) -> Result<(), AccessError> {
        if self.read(|state| !state.users.contains_key(name)) {
            return Err(AccessError::NoSuchUser);
        }
        let mut elsewhere = self.0.elsewhere.write().unwrap_or_else(PoisonError::into_inner);
        elsewhere.insert(name.to_owned(), check);
        Ok(())
    }

    /// How the password of a user who has it elsewhere is checked.
    pub(super) fn check_elsewhere(&self, name: &str) -> Option<PasswordCheck> {
        self.0.elsewhere.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Gives a user a new generated password and ends the user's sessions. Blocks on the disk and on hashing.
    pub fn reset_password(&self, name: &str) -> Result<Secret, AccessError> {
        if self.read(|state| !state.users.contains_key(name)) {
            return Err(AccessError::NoSuchUser);
        }
        let (secret, phc) = new_password()?;
        let now = self.now();
        self.change(|state| {
            let user = state.users.get_mut(name).ok_or(AccessError::NoSuchUser)?;
            user.password = phc;
            user.password_set_at = now;
            state.sessions.retain(|_, login| login.user != name);
            Ok(())
        })?;
        tracing::info!(user = name, "password reset, sessions ended");
        Ok(secret)
    }

    /// All users by name.
    pub fn users(&self) -> Vec<UserInfo> {
        self.read(|state| {
            state
                .users
                .iter()
                .map(|(name, user)| UserInfo {
                    name: name.clone(),
                    role: user.role,
                    created_at: user.created_at,
                    password_set_at: user.password_set_at,
                })
                .collect()
        })
    }
}

fn new_password() -> Result<(Secret, String), AccessError> {
    let secret = generate_password().map_err(AccessError::Random)?;
    let phc = password::hash(secret.expose()).map_err(AccessError::Hash)?;
    Ok((secret, phc))
}
