//! Logging in, and the sessions that come of it.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::{Accounts, after, lock};
use crate::metrics::Outcome;
use crate::secret::RandomId;
use crate::state::{Login, State};
use crate::{AccessError, Denied, LoginError, Principal, PrincipalKind, Role, Secret, password};

/// Sessions of one user; the next login ends the oldest.
const MAX_SESSIONS_PER_USER: usize = 32;
/// A session's last use is noted when it is so much newer; must be far below any idle limit.
const COARSE: Duration = Duration::from_secs(60);

/// A session, as its holder may see it.
#[derive(Debug)]
pub struct Session {
    /// The secret that proves it: the value of the cookie. Present after [`Accounts::login`] alone.
    pub id: Option<Secret>,
    /// Unsafe requests repeat it in a header; other sites cannot read it.
    pub csrf_token: Secret,
    /// The user's name.
    pub user: String,
    /// The user's role.
    pub role: Role,
    /// When it ends if it is not used before.
    pub expires_at: Timestamp,
}

impl Session {
    /// Who holds it.
    pub fn principal(&self) -> Principal {
        Principal {
            kind: PrincipalKind::User { name: self.user.clone(), role: self.role },
            scopes: self.role.scopes(),
        }
    }

    /// Whether `sent` is this session's CSRF token; compared in constant time.
    pub fn is_csrf_token(&self, sent: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.csrf_token.expose().as_bytes(), sent.as_bytes()).into()
    }
}

impl Accounts {
    /// Checks a password and opens a session, durable when it returns. The work is done on the blocking pool, a bounded
    /// number at a time; unknown users take as long as known ones.
    pub async fn login(&self, user: &str, password: Secret, source: IpAddr) -> Result<Session, LoginError> {
        let result = self.try_login(user, password, source).await;
        let outcome = result.as_ref().map_or_else(LoginError::reason, |_| "ok");
        self.0.metrics.logins.get_or_create(&Outcome { outcome }).inc();
        match &result {
            Ok(session) => tracing::info!(user = session.user, %source, "login"),
            // A name that nobody has may be a password typed into the wrong field.
            Err(error) => {
                let known = self.read(|state| state.users.contains_key(user));
                let user = if known { user } else { "(unknown)" };
                tracing::warn!(user, %source, outcome, %error, "login refused");
            }
        }
        result
    }

    /// The session whose cookie has this value, and notes its use.
    pub fn session(&self, cookie: &str) -> Result<Session, Denied> {
        self.find_session(cookie).map_err(|denied| self.deny(denied))
    }

    /// Ends the session whose cookie has this value, if there is one. Durable when it returns. Blocks on the disk.
    pub fn logout(&self, cookie: &str) -> Result<(), AccessError> {
        let Some(id) = RandomId::from_base64(cookie) else { return Ok(()) };
        let digest = id.digest();
        if self.read(|state| !state.sessions.contains_key(&digest)) {
            return Ok(());
        }
        let ended = self.change(|state| Ok(state.sessions.remove(&digest)))?;
        if let Some(login) = ended {
            tracing::info!(user = login.user, "logout");
        }
        Ok(())
    }

    async fn try_login(&self, user: &str, password: Secret, source: IpAddr) -> Result<Session, LoginError> {
        // Longer names belong to nobody; cut, they still cost the address its failures.
        let name: String = user.chars().take(65).collect();
        lock(&self.0.throttle)
            .begin(&name, source, self.now())
            .map_err(|retry_after| LoginError::Throttled { retry_after })?;
        let busy = LoginError::Busy { retry_after: Duration::from_secs(1) };
        let Ok(_place) = self.0.logins.try_acquire() else {
            lock(&self.0.throttle).withdraw(&name, source);
            return Err(busy);
        };
        let Ok(_slot) = self.0.hashing.acquire().await else { return Err(busy) };
        let accounts = self.clone();
        let checked =
            tokio::task::spawn_blocking(move || accounts.check_password(name, &password, source)).await;
        // The blocking pool drops work only when the process ends.
        checked.unwrap_or(Err(busy))
    }

    fn check_password(&self, name: String, password: &Secret, source: IpAddr) -> Result<Session, LoginError> {
        let phc = self.read(|state| state.users.get(&name).map(|user| user.password.clone()));
        let fits = password.expose().len() <= password::MAX_BYTES;
        let candidate = if fits { password.expose() } else { "" };
        let is_right = match self.check_elsewhere(&name) {
            None => password::verify(candidate, phc.as_deref()),
            Some(check) => {
                // For its time alone: who has a password elsewhere is not to be found out, nor guessed faster.
                password::verify(candidate, None);
                check(password)
            }
        };
        if !(is_right && fits) {
            return Err(LoginError::Wrong);
        }
        lock(&self.0.throttle).succeeded(&name, source);
        let id = RandomId::generate().map_err(AccessError::Random)?;
        let now = self.now();
        let role = self.change(|state| {
            let user = state.users.get(&name).ok_or(AccessError::NoSuchUser)?;
            // The password may have been reset while it was checked.
            if Some(&user.password) != phc.as_ref() {
                return Err(AccessError::NoSuchUser);
            }
            let role = user.role;
            self.drop_ended(state, now);
            make_room(state, &name);
            state
                .sessions
                .insert(id.digest(), Login { user: name.clone(), created_at: now, last_seen_at: now });
            Ok(role)
        });
        match role {
            Ok(role) => Ok(Session {
                csrf_token: csrf_token(&id),
                id: Some(id.to_base64()),
                user: name,
                role,
                expires_at: self.ends_at(now, now),
            }),
            Err(AccessError::NoSuchUser) => Err(LoginError::Wrong),
            Err(other) => Err(LoginError::Failed(other)),
        }
    }

    fn find_session(&self, cookie: &str) -> Result<Session, Denied> {
        let id = RandomId::from_base64(cookie).ok_or(Denied::Malformed)?;
        let digest = id.digest();
        let now = self.now();
        let (login, role) = self
            .read(|state| {
                let login = state.sessions.get(&digest)?;
                Some((login.clone(), state.users.get(&login.user)?.role))
            })
            .ok_or(Denied::Unknown)?;
        if now >= self.ends_at(login.created_at, login.last_seen_at) {
            return Err(Denied::Expired);
        }
        let last_seen_at = if now >= after(login.last_seen_at, COARSE) {
            self.touch(|state| {
                if let Some(login) = state.sessions.get_mut(&digest) {
                    login.last_seen_at = now;
                }
            });
            now
        } else {
            login.last_seen_at
        };
        Ok(Session {
            id: None,
            csrf_token: csrf_token(&id),
            user: login.user,
            role,
            expires_at: self.ends_at(login.created_at, last_seen_at),
        })
    }

    fn ends_at(&self, created_at: Timestamp, last_seen_at: Timestamp) -> Timestamp {
        let policy = &self.0.policy;
        after(last_seen_at, policy.session_idle).min(after(created_at, policy.session_absolute))
    }

    fn drop_ended(&self, state: &mut State, now: Timestamp) {
        state.sessions.retain(|_, login| now < self.ends_at(login.created_at, login.last_seen_at));
    }
}

fn csrf_token(id: &RandomId) -> Secret {
    id.derive("parapet csrf token")
}

fn make_room(state: &mut State, user: &str) {
    loop {
        let mut mine = state.sessions.iter().filter(|(_, login)| login.user == user);
        if mine.clone().count() < MAX_SESSIONS_PER_USER {
            return;
        }
        let oldest = mine.clone().min_by_key(|(_, login)| login.created_at).or_else(|| mine.next());
        let Some(oldest) = oldest.map(|(digest, _)| *digest) else { return };
        state.sessions.remove(&oldest);
    }
}
