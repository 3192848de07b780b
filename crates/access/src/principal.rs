//! Who was let in, and what for.

use serde::{Deserialize, Serialize};

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Send telemetry.
    Ingest,
    /// Read telemetry and status.
    Read,
    /// Manage tokens, and with that everything: who makes tokens can make one with any scope.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::Read, Self::Admin];

    /// `ingest`, `read` or `admin`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|scope| scope.name() == text).ok_or(UnknownScope)
    }
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope; expected ingest, read or admin")]
pub struct UnknownScope;

/// A set of scopes, in JSON a list without repetition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scopes(std::collections::BTreeSet<Scope>);

impl Scopes {
    /// Whether they suffice for what needs `scope`.
    pub fn allow(&self, scope: Scope) -> bool {
        self.0.contains(&scope) || self.0.contains(&Scope::Admin)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// What a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything and manages tokens.
    Admin,
    /// Reads everything.
    Viewer,
}

impl Role {
    /// `admin` or `viewer`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }

    /// What a session of such a user may do.
    pub fn scopes(self) -> Scopes {
        let scope = match self {
            Self::Admin => Scope::Admin,
            Self::Viewer => Scope::Read,
        };
        [scope].into_iter().collect()
    }
}

/// Someone who proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// How they proved it.
    pub kind: PrincipalKind,
    /// What they may do.
    pub scopes: Scopes,
}

impl Principal {
    /// A bounded key for limits per principal and for logs: `user:…` or `token:…`; never a secret.
    pub fn key(&self) -> String {
        match &self.kind {
            PrincipalKind::User { name, .. } => format!("user:{name}"),
            PrincipalKind::Token { id, .. } => format!("token:{id}"),
        }
    }
}

/// How a principal proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// By a session.
    User {
        /// The user's name.
        name: String,
        /// The user's role.
        role: Role,
    },
    /// By an API token.
    Token {
        /// The token's id, which is no secret.
        id: String,
        /// What its owner called it.
        name: String,
    },
}
