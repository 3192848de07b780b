//! API tokens: `ppt_<id>_<secret>`, 16 and 64 hexadecimal digits.

use std::time::Duration;

use jiff::Timestamp;

use super::{Accounts, after, check_name};
use crate::secret::RandomId;
use crate::state::Token;
use crate::{AccessError, Denied, Principal, PrincipalKind, Scope, Scopes, Secret};

/// Tokens of one installation; every change rewrites the file.
const MAX_TOKENS: usize = 1000;
/// Ten years: past it, "never" is more honest.
const MAX_DAYS: u32 = 3650;
/// A token's last use is noted when it is so much newer.
const COARSE: Duration = Duration::from_secs(600);

/// A token that is wanted.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for; at least one.
    pub scopes: Scopes,
    /// Days until it expires; `None`: it does not.
    pub expires_in_days: Option<u32>,
}

/// A token that was made.
#[derive(Debug)]
pub struct Minted {
    /// What is known of it from now on.
    pub token: TokenInfo,
    /// The token itself, nowhere else and never again.
    pub secret: Secret,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TokenInfo {
    /// Names it in the API and in logs; no secret.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to ten minutes; `None`: never.
    pub last_used_at: Option<Timestamp>,
    /// When it expires; `None`: it does not.
    pub expires_at: Option<Timestamp>,
}

impl Accounts {
    /// Makes a token, durable when it returns. Blocks on the disk.
    pub fn mint_token(&self, wanted: NewToken) -> Result<Minted, AccessError> {
        let NewToken { name, scopes, expires_in_days } = wanted;
        check_name(&name)?;
        if scopes.is_empty() {
            return Err(AccessError::NoScopes);
        }
        if expires_in_days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
            return Err(AccessError::InvalidExpiry { max_days: MAX_DAYS });
        }
        let (id, secret) = (new_id()?, RandomId::generate().map_err(AccessError::Random)?);
        let created_at = self.now();
        let expires_at = expires_in_days.map(|days| after(created_at, Duration::from_secs(86_400) * days));
        let token =
            Token { name, scopes, secret: secret.digest(), created_at, expires_at, last_used_at: None };
        let info = describe(&id, &token);
        self.change(|state| {
            if state.tokens.len() >= MAX_TOKENS {
                return Err(AccessError::Full { what: "tokens", limit: MAX_TOKENS });
            }
            state.tokens.insert(id.clone(), token);
            Ok(())
        })?;
        let scopes = info.scopes.iter().map(Scope::name).collect::<Vec<_>>().join(",");
        tracing::info!(token = id, name = info.name, scopes, "token minted");
        Ok(Minted { token: info, secret: Secret::from(format!("ppt_{id}_{}", secret.to_hex().expose())) })
    }

    /// Makes a token useless at once and for good; durable when it returns. Blocks on the disk.
    pub fn revoke_token(&self, id: &str) -> Result<(), AccessError> {
        self.change(|state| state.tokens.remove(id).map(drop).ok_or(AccessError::NoSuchToken))?;
        tracing::info!(token = id, "token revoked");
        Ok(())
    }

    /// All tokens, oldest first.
    pub fn tokens(&self) -> Vec<TokenInfo> {
        let mut tokens: Vec<_> =
            self.read(|state| state.tokens.iter().map(|(id, token)| describe(id, token)).collect());
        tokens.sort_by(|a: &TokenInfo, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        tokens
    }

    /// Who sent this `Authorization` header (`None`: there was none), provided they have the scope `needed`.
    /// Takes microseconds and does not touch the disk.
    pub fn authenticate_bearer(&self, header: Option<&str>, needed: Scope) -> Result<Principal, Denied> {
        let principal = self.find_token(header).map_err(|denied| self.deny(denied))?;
        if principal.scopes.allow(needed) { Ok(principal) } else { Err(self.deny(Denied::Scope { needed })) }
    }

    fn find_token(&self, header: Option<&str>) -> Result<Principal, Denied> {
        let (id, secret) = parse_header(header.ok_or(Denied::Missing)?).ok_or(Denied::Malformed)?;
        let token = self.read(|state| state.tokens.get(id).cloned()).ok_or(Denied::Unknown)?;
        if !token.secret.matches(&secret.digest()) {
            return Err(Denied::Unknown);
        }
        let now = self.now();
        if token.expires_at.is_some_and(|expires_at| now >= expires_at) {
            return Err(Denied::Expired);
        }
        if token.last_used_at.is_none_or(|last| now >= after(last, COARSE)) {
            self.touch(|state| {
                if let Some(token) = state.tokens.get_mut(id) {
                    token.last_used_at = Some(now);
                }
            });
        }
        let kind = PrincipalKind::Token { id: id.to_owned(), name: token.name };
        Ok(Principal { kind, scopes: token.scopes })
    }
}

/// `Bearer ppt_<id>_<secret>`; the scheme in any case, as HTTP has it.
fn parse_header(header: &str) -> Option<(&str, RandomId)> {
    let (scheme, token) = header.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (id, secret) = token.trim_start().strip_prefix("ppt_")?.split_once('_')?;
    (id.len() == 16).then_some((id, RandomId::from_hex(secret)?))
}

fn new_id() -> Result<String, AccessError> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes).map_err(AccessError::Random)?;
    Ok(hex::encode(bytes))
}

fn describe(id: &str, token: &Token) -> TokenInfo {
    TokenInfo {
        id: id.to_owned(),
        name: token.name.clone(),
        scopes: token.scopes.clone(),
        created_at: token.created_at,
        last_used_at: token.last_used_at,
        expires_at: token.expires_at,
    }
}
