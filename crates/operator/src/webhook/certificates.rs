//! The webhook's certificate, where the operator makes it.
//!
//! It is in a Secret: `tls.crt`, `tls.key`, and `ca.crt`, the authority that signed it and whose key nobody has any more.
//! Each replica looks at the Secret again and again and serves what it finds there. Order of writes when it is renewed:
//!
//! 1. the ValidatingWebhookConfiguration trusts the new authority beside the old one,
//! 2. the Secret holds the new certificate.
//!
//! Whatever happens between, the API server trusts what is served. Two replicas that renew at once: the second is refused
//! by its resourceVersion, reads again, and finds a certificate that will do.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhookConfiguration, WebhookClientConfig};
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Client};
use parapet_pki::{Authority, AuthorityOptions, Bundle, Leaf, LeafOptions, Material, Names, PkiError};
use zeroize::Zeroizing;

use crate::settings::Validity;

/// How often the Secret is looked at when nothing is due; other replicas may have renewed it.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often it is tried again at once when another replica was faster.
const TRIES: usize = 3;

/// Where the certificate is kept, and who must trust it.
#[derive(Clone)]
pub struct Keeper {
    /// Reads and writes both.
    pub client: Client,
    /// The Secret's namespace.
    pub namespace: String,
    /// The Secret.
    pub secret: String,
    /// The ValidatingWebhookConfiguration.
    pub configuration: String,
    /// How long a certificate is valid, and when it is renewed.
    pub validity: Validity,
}

/// What is served, and when to look again.
#[derive(Clone)]
pub struct Kept {
    /// Certificate, authority and key.
    pub material: Material,
    /// Not later than this.
    pub look_again: Duration,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// It isn't there.
    #[error("there is no {kind} {name}; apply the operator's manifest, or set enable-webhook: false")]
    Missing {
        /// Secret or ValidatingWebhookConfiguration.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// The API server.
    #[error("can't {what} {name}")]
    Api {
        /// Read or write.
        what: &'static str,
        /// Which.
        name: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// No webhook has a Service or a URL.
    #[error("the ValidatingWebhookConfiguration {0} names neither a Service nor a URL")]
    Nowhere(String),
    /// It can't be made.
    #[error("can't make a certificate for the webhook")]
    Pki(#[from] PkiError),
    /// Other replicas were always faster.
    #[error("the Secret {0} is written by somebody else all the time")]
    Contended(String),
}

impl Keeper {
    /// Reads the certificate, makes one if there is none that will do, and sees to it that it is trusted.
    pub async fn keep(&self, now: Timestamp) -> Result<Kept, KeeperError> {
        for _ in 0..TRIES {
            let configuration = self.configuration().await?;
            let names = names(&configuration, &self.configuration)?;
            let secret = self.secret().await?;
            let current = Stored::read(&secret).filter(|stored| stored.will_do(&names, self.renewal(), now));
            let (stored, is_new) = match current {
                Some(stored) => (stored, false),
                None => (Stored::make(&names, self.validity.lifetime, now)?, true),
            };
            if !self.trust(configuration, &stored).await? {
                continue;
            }
            if is_new && !self.write(secret, &stored).await? {
                continue;
            }
            if is_new {
                tracing::info!(secret = %self.secret, "the webhook has a new certificate");
            }
            let until = stored.renew_at(self.renewal()).duration_since(now);
            let look_again =
                Duration::try_from(until).unwrap_or_default().clamp(Duration::from_secs(1), LOOK_EVERY);
            return Ok(Kept { material: stored.material(), look_again });
        }
        Err(KeeperError::Contended(self.secret.clone()))
    }

    fn renewal(&self) -> SignedDuration {
        SignedDuration::try_from(self.validity.rotate_before).unwrap_or(SignedDuration::MAX)
    }

    async fn configuration(&self) -> Result<ValidatingWebhookConfiguration, KeeperError> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let found = api.get_opt(&self.configuration).await.map_err(|error| self.api("read", error))?;
        let name = self.configuration.clone();
        found.ok_or(KeeperError::Missing { kind: "ValidatingWebhookConfiguration", name })
    }

    async fn secret(&self) -> Result<Secret, KeeperError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = api.get_opt(&self.secret).await.map_err(|error| self.api("read", error))?;
        let name = format!("{}/{}", self.namespace, self.secret);
        found.ok_or(KeeperError::Missing { kind: "Secret", name })
    }

    /// Makes every webhook of the configuration trust the authority; `false`: somebody else wrote it meanwhile.
    async fn trust(
        &self,
        mut configuration: ValidatingWebhookConfiguration,
        stored: &Stored,
    ) -> Result<bool, KeeperError> {
        let mut changed = false;
        for webhook in configuration.webhooks.iter_mut().flatten() {
            changed |= trusts(&mut webhook.client_config, stored)?;
        }
        if !changed {
            return Ok(true);
        }
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        self.written(api.replace(&self.configuration, &PostParams::default(), &configuration).await)
    }

    async fn write(&self, mut secret: Secret, stored: &Stored) -> Result<bool, KeeperError> {
        secret.data.get_or_insert_default().extend(stored.data());
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        self.written(api.replace(&self.secret, &PostParams::default(), &secret).await)
    }

    fn written<K>(&self, result: Result<K, kube::Error>) -> Result<bool, KeeperError> {
        match result {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == http::StatusCode::CONFLICT => Ok(false),
            Err(error) => Err(self.api("write", error)),
        }
    }

    fn api(&self, what: &'static str, source: kube::Error) -> KeeperError {
        let name = format!("{} or {}/{}", self.configuration, self.namespace, self.secret);
        KeeperError::Api { what, name, source: Box::new(source) }
    }
}

/// The names that API servers call the webhook by.
fn names(configuration: &ValidatingWebhookConfiguration, name: &str) -> Result<Names, KeeperError> {
    let mut found = Vec::new();
    for webhook in configuration.webhooks.iter().flatten() {
        if let Some(service) = &webhook.client_config.service {
            let host = format!("{}.{}.svc", service.name, service.namespace);
            found.push(format!("{host}.cluster.local"));
            found.push(host);
        }
        let url = webhook.client_config.url.as_deref().and_then(|url| url.parse::<http::Uri>().ok());
        if let Some(host) = url.as_ref().and_then(http::Uri::host) {
            found.push(host.trim_matches(['[', ']']).to_owned());
        }
    }
    if found.is_empty() {
        return Err(KeeperError::Nowhere(name.to_owned()));
    }
    Ok(Names::only(found.iter().map(String::as_str))?)
}

/// Adds the authority to those that are trusted, in front of one other at most: the one before. Whether that changed it.
fn trusts(client: &mut WebhookClientConfig, stored: &Stored) -> Result<bool, KeeperError> {
    let before = client.ca_bundle.as_ref().and_then(|bundle| Bundle::from_pem(&bundle.0).ok());
    let authority = Bundle::from_pem(stored.authority.as_bytes())?;
    let [own] = authority.certificates() else { return Err(PkiError::NotAnAuthority.into()) };
    if before.as_ref().is_some_and(|before| before.contains(own)) {
        return Ok(false);
    }
    let other = before.iter().flat_map(Bundle::certificates).next_back().cloned();
    let bundle = Bundle::new([own.clone()].into_iter().chain(other))?;
    client.ca_bundle = Some(ByteString(bundle.to_pem().into_bytes()));
    Ok(true)
}

/// What the Secret holds.
struct Stored {
    leaf: Leaf,
    authority: String,
}

impl Stored {
    fn make(names: &Names, lifetime: Duration, now: Timestamp) -> Result<Self, KeeperError> {
        let life = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
        let common_name = Some("elastic-webhook".to_owned());
        let authority =
            Authority::generate_with(&AuthorityOptions { life, common_name, ..Default::default() }, now)?;
        let options =
            LeafOptions { life, common_name: "elastic-webhook-server".to_owned(), ..Default::default() };
        let leaf = authority.issue_with(&options, names, now)?;
        Ok(Self { leaf, authority: authority.certificate_pem().to_owned() })
    }

    fn read(secret: &Secret) -> Option<Self> {
        let part = |key: &str| std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok();
        let pem = Zeroizing::new(format!("{}{}", part("tls.crt")?, part("tls.key")?));
        Some(Self { leaf: Leaf::from_pem(&pem).ok()?, authority: part("ca.crt")?.to_owned() })
    }

    fn will_do(&self, names: &Names, renewal: SignedDuration, now: Timestamp) -> bool {
        let trusted = Bundle::from_pem(self.authority.as_bytes());
        now < self.renew_at(renewal)
            && trusted.is_ok_and(|trusted| {
                trusted.certificates().len() == 1 && self.leaf.check_against(&trusted, names, now).is_ok()
            })
    }

    /// That long before its end; after two thirds of its life if that would be at its beginning.
    fn renew_at(&self, renewal: SignedDuration) -> Timestamp {
        let (from, until) = (self.leaf.not_before(), self.leaf.not_after());
        let at = until.checked_sub(renewal).unwrap_or(from);
        if at <= from { self.leaf.renew_at() } else { at }
    }

    fn data(&self) -> BTreeMap<String, ByteString> {
        let part = |key: &str, value: &[u8]| (key.to_owned(), ByteString(value.to_vec()));
        BTreeMap::from([
            part("ca.crt", self.authority.as_bytes()),
            part("tls.crt", self.leaf.certificate_pem().as_bytes()),
            part("tls.key", self.leaf.key_pem().as_bytes()),
        ])
    }

    fn material(&self) -> Material {
        let key = Zeroizing::new(self.leaf.key_pem().as_bytes().to_vec());
        let chain = format!("{}{}", self.leaf.certificate_pem(), self.authority);
        Material { pair: Some((chain.into_bytes(), key)), trust: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn made() -> Stored {
        Stored::make(&Names::only(["a.b.svc"]).unwrap(), Duration::from_secs(365 * 86_400), now()).unwrap()
    }

    #[test]
    fn what_is_stored_is_found_again_and_renewed_in_time() {
        let secret = Secret { data: Some(made().data()), ..Secret::default() };
        let stored = Stored::read(&secret).unwrap();
        let names = Names::only(["a.b.svc"]).unwrap();
        assert!(stored.will_do(&names, DAY, now()));
        assert!(stored.will_do(&names, DAY, now() + DAY * 363));
        assert!(!stored.will_do(&names, DAY, now() + DAY * 364 + SignedDuration::from_hours(1)));
        assert!(!stored.will_do(&Names::only(["other.b.svc"]).unwrap(), DAY, now()));
        // A clock that is behind the certificate.
        assert!(!stored.will_do(&names, DAY, now() - DAY));
    }

    #[test]
    fn what_is_no_certificate_is_made_anew() {
        assert!(Stored::read(&Secret::default()).is_none());
        let mut data = made().data();
        data.insert("tls.key".to_owned(), made().data()["tls.key"].clone());
        assert!(Stored::read(&Secret { data: Some(data), ..Secret::default() }).is_none(), "another's key");
    }

    #[test]
    fn the_authority_before_stays_trusted_and_older_ones_go() {
        let mut client =
            WebhookClientConfig { ca_bundle: Some(ByteString(b"Cg==".to_vec())), ..Default::default() };
        let authorities = [made(), made(), made()];
        for (index, stored) in authorities.iter().enumerate() {
            assert!(trusts(&mut client, stored).unwrap());
            assert!(!trusts(&mut client, stored).unwrap(), "nothing changes the second time");
            let bundle = Bundle::from_pem(&client.ca_bundle.as_ref().unwrap().0).unwrap();
            assert_eq!(bundle.certificates().len(), (index + 1).min(2));
        }
    }
}
