//! What the scripted server remembers, and how it answers: as the API's documentation says, for the calls it knows.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The token of the test itself.
pub(crate) const ROOT: &str = "root-of-the-test";
/// What the roles for logins accept.
pub(crate) const ROLE: &str = "parapet";

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string().into_bytes() }
    }

    /// As Vault words refusals.
    pub(crate) fn error(status: u16) -> Self {
        Self::json(status, json!({"errors": ["permission denied, or something of that kind"]}))
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn empty() -> Self {
        Self { status: 204, headers: Vec::new(), body: Vec::new() }
    }
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) unknown: Vec<String>,
    /// Versions by path; `None` where one was destroyed.
    kv2: HashMap<String, Vec<Version>>,
    kv1: HashMap<String, Value>,
    pub(crate) tokens: HashMap<String, Token>,
    policies: HashMap<String, Vec<String>>,
    /// Secret ids by the wrapping token that opens once.
    pub(crate) wrapped: HashMap<String, String>,
    pub(crate) secret_ids: Vec<String>,
    /// Tokens of service accounts that are accepted.
    pub(crate) jwts: Vec<String>,
    pub(crate) leases: BTreeMap<String, Lease>,
    pub(crate) revoked: Vec<String>,
    /// How long a login's token lives, and how long it can be made to.
    pub(crate) token_ttl: (u64, u64),
    /// The same of a credential.
    pub(crate) lease_ttl: (u64, u64),
    made: u64,
}

struct Version {
    data: Value,
    deleted: bool,
    destroyed: bool,
}

pub(crate) struct Token {
    pub(crate) policies: Vec<String>,
    ends: Instant,
    last: Instant,
}

pub(crate) struct Lease {
    pub(crate) token: String,
    ends: Instant,
    last: Instant,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn left(end: Instant) -> u64 {
    // Vault counts whole seconds; those that have begun count here, so that short lives are not none.
    end.saturating_duration_since(Instant::now()).as_secs_f64().ceil() as u64
}

impl State {
    pub(crate) fn answer(&mut self, what: &str, token: &str, body: &Value) -> Answer {
        let (call, query) = what.split_once('?').unwrap_or((what, ""));
        let Some((method, path)) = call.split_once(" /v1/") else { return self.refuse(what) };
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        match (method, path) {
            ("POST", "auth/kubernetes/login") if self.jwts.contains(&text("jwt")) && text("role") == ROLE => {
                self.log_in()
            }
            ("POST", "auth/approle/login")
                if self.secret_ids.contains(&text("secret_id")) && text("role_id") == ROLE =>
            {
                self.log_in()
            }
            ("POST", "auth/kubernetes/login" | "auth/approle/login") => Answer::error(400),
            ("POST", "sys/wrapping/unwrap") => match self.wrapped.remove(token) {
                Some(id) => Answer::json(200, json!({"data": {"secret_id": id, "secret_id_ttl": 60}})),
                None => Answer::error(400),
            },
            _ if !self.knows(token) => Answer::error(403),
            ("GET", "auth/token/lookup-self") => self.look_up(token),
            ("POST", "auth/token/renew-self") => self.renew(token, body["increment"].as_u64().unwrap_or(0)),
            ("POST", "auth/token/revoke-self") => self.revoke(token),
            ("PUT", "sys/leases/renew") => self.renew_lease(&text("lease_id"), token),
            ("PUT", "sys/leases/revoke") => {
                self.leases.remove(&text("lease_id"));
                self.revoked.push(text("lease_id"));
                Answer::empty()
            }
            _ if token == ROOT => self.administer(what, body),
            _ if !self.allows(token, path) => Answer::error(403),
            ("GET", _) if path.starts_with("kv/data/") => self.read_kv2(&path["kv/data/".len()..], query),
            ("GET", _) if path.starts_with("kv1/") => match self.kv1.get(&path["kv1/".len()..]) {
                Some(data) => Answer::json(200, json!({"lease_duration": 2_764_800, "data": data})),
                None => Answer::json(404, json!({"errors": []})),
            },
            ("GET", _) if path.starts_with("database/creds/") => self.lease(token),
            _ => self.refuse(what),
        }
    }

    fn refuse(&mut self, what: &str) -> Answer {
        self.unknown.push(what.to_owned());
        Answer::json(404, json!({"errors": []}))
    }

    /// What the test itself does through the API, as it would with a real server.
    fn administer(&mut self, what: &str, body: &Value) -> Answer {
        let (method, path) = what.split_once(" /v1/").unwrap();
        let version = || usize::try_from(body["versions"][0].as_u64().unwrap()).unwrap() - 1;
        match (method, path.split_once('/').unwrap_or((path, ""))) {
            ("POST", ("sys", _)) => Answer::empty(),
            ("PUT", ("sys", rest)) if rest.starts_with("policies/acl/") => {
                let rules = body["policy"].as_str().unwrap().split('"');
                // Every second part of `path "kv/data/app/*" {…}`, as far as the tests write them.
                let paths = rules.skip(1).step_by(4).map(|path| path.trim_end_matches('*').to_owned());
                self.policies.insert(rest["policies/acl/".len()..].to_owned(), paths.collect());
                Answer::empty()
            }
            ("POST", ("auth", "token/create")) => {
                let ttl = |key: &str| body[key].as_str().unwrap().trim_end_matches('s').parse().unwrap();
                let policies = body["policies"].as_array().unwrap().iter();
                let policies = policies.map(|name| name.as_str().unwrap().to_owned()).collect();
                let token = self.make_token(policies, ttl("ttl"), ttl("explicit_max_ttl"));
                Answer::json(200, json!({"auth": {"client_token": token}}))
            }
            ("POST", ("auth", "token/revoke")) => self.revoke(body["token"].as_str().unwrap()),
            ("POST", ("kv1", path)) => {
                self.kv1.insert(path.to_owned(), body.clone());
                Answer::empty()
            }
            ("POST", ("kv", rest)) => {
                let (action, path) = rest.split_once('/').unwrap();
                let versions = self.kv2.entry(path.to_owned()).or_default();
                match action {
                    "data" => versions.push(Version {
                        data: body["data"].clone(),
                        deleted: false,
                        destroyed: false,
                    }),
                    "delete" => versions[version()].deleted = true,
                    "undelete" => versions[version()].deleted = false,
                    "destroy" => versions[version()].destroyed = true,
                    _ => return self.refuse(what),
                }
                Answer::json(200, json!({"data": {"version": self.kv2[path].len()}}))
            }
            _ => self.refuse(what),
        }
    }

    fn knows(&self, token: &str) -> bool {
        token == ROOT || self.tokens.get(token).is_some_and(|token| token.ends > Instant::now())
    }

    fn allows(&self, token: &str, path: &str) -> bool {
        let rules = self.tokens[token].policies.iter().filter_map(|name| self.policies.get(name)).flatten();
        rules.into_iter().any(|rule| path.starts_with(rule.as_str()))
    }

    fn make_token(&mut self, policies: Vec<String>, ttl: u64, most: u64) -> String {
        self.made += 1;
        let name = format!("hvs.scripted-token-{}", self.made);
        let now = Instant::now();
        let last = if most == 0 { now + seconds(1_000_000) } else { now + seconds(most) };
        self.tokens.insert(name.clone(), Token { policies, ends: (now + seconds(ttl)).min(last), last });
        name
    }

    fn log_in(&mut self) -> Answer {
        let (ttl, most) = self.token_ttl;
        let token = self.make_token(vec![ROLE.to_owned()], ttl, most);
        let auth = json!({"client_token": token, "lease_duration": ttl, "renewable": true, "accessor": "a",
            "policies": [ROLE]});
        Answer::json(200, json!({"auth": auth}))
    }

    fn look_up(&self, token: &str) -> Answer {
        let ttl = self.tokens.get(token).map_or(0, |token| left(token.ends));
        Answer::json(200, json!({"data": {"ttl": ttl, "renewable": token != ROOT, "id": token}}))
    }

    fn renew(&mut self, name: &str, increment: u64) -> Answer {
        let token = self.tokens.get_mut(name).unwrap();
        token.ends = (Instant::now() + seconds(increment)).min(token.last);
        let auth = json!({"client_token": name, "lease_duration": left(token.ends), "renewable": true});
        Answer::json(200, json!({"auth": auth}))
    }

    /// Leases go with the token that they were made with.
    fn revoke(&mut self, token: &str) -> Answer {
        self.tokens.remove(token);
        self.leases.retain(|_, lease| lease.token != token);
        self.revoked.push(token.to_owned());
        Answer::empty()
    }

    fn read_kv2(&self, path: &str, query: &str) -> Answer {
        let Some(versions) = self.kv2.get(path) else { return Answer::json(404, json!({"errors": []})) };
        let wanted = query.strip_prefix("version=").map_or(versions.len(), |n| n.parse().unwrap());
        let Some(version) = versions.get(wanted - 1) else { return Answer::json(404, json!({"errors": []})) };
        let gone = version.deleted || version.destroyed;
        let deletion_time = if version.deleted { "2026-11-21T09:00:00.000000000Z" } else { "" };
        let metadata = json!({"version": wanted, "created_time": "2026-11-21T08:00:00Z",
            "deletion_time": deletion_time, "destroyed": version.destroyed, "custom_metadata": null});
        let data = if gone { Value::Null } else { version.data.clone() };
        Answer::json(if gone { 404 } else { 200 }, json!({"data": {"data": data, "metadata": metadata}}))
    }

    fn lease(&mut self, token: &str) -> Answer {
        self.made += 1;
        let id = format!("database/creds/app/{}", self.made);
        let (ttl, most) = self.lease_ttl;
        let now = Instant::now();
        let lease = Lease { token: token.to_owned(), ends: now + seconds(ttl), last: now + seconds(most) };
        self.leases.insert(id.clone(), lease);
        let data = json!({"username": format!("v-app-{}", self.made), "password": "scripted-password"});
        let body = json!({"lease_id": id, "lease_duration": ttl, "renewable": true, "data": data});
        Answer::json(200, body)
    }

    fn renew_lease(&mut self, id: &str, token: &str) -> Answer {
        let ttl = self.lease_ttl.0;
        match self.leases.get_mut(id) {
            Some(lease) if lease.token == token && lease.ends > Instant::now() => {
                lease.ends = (Instant::now() + seconds(ttl)).min(lease.last);
                let duration = left(lease.ends);
                Answer::json(200, json!({"lease_id": id, "lease_duration": duration, "renewable": true}))
            }
            _ => Answer::error(400),
        }
    }
}
