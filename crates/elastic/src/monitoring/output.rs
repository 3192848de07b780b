//! The cluster that is sent to.

use parapet_api::{Application, StackVersion};
use sha2::{Digest as _, Sha256};

use super::kind_of;
use crate::association::{Conf, Target};
use crate::config::{Credentials, Yml};

/// Where a Beat sends to, as a reference that holds says it.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    /// The cluster; one that a Secret describes has the Secret's name, and the referrer's namespace.
    pub target: Target<'a>,
    /// How it is reached.
    pub conf: &'a Conf,
    /// Who the Beat is there.
    pub credentials: &'a Credentials,
}

impl Output<'_> {
    /// Where the Beat finds the cluster's authority.
    pub(crate) fn folder<K: Application>(&self) -> String {
        let Target { namespace, name } = self.target;
        format!("/mnt/elastic-internal/{}-association/{namespace}/{name}/certs", kind_of::<K>().label())
    }

    /// The volume with that authority. Two Beats that send to one cluster share it.
    pub(crate) fn volume<K: Application>(&self) -> String {
        let digest = Sha256::digest(format!("{}{}", self.target.namespace, self.target.name));
        let short: String = digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{short}-ca", kind_of::<K>().label())
    }

    /// The Secret with that authority, if the cluster has one that must be told.
    pub(crate) fn authority(&self) -> Option<&str> {
        self.conf.ca_cert_provided.then_some(self.conf.ca_secret_name.as_str())
    }

    /// `output.elasticsearch`. The name in the certificate isn't checked: a certificate that users bring is for the name that the
    /// world knows, and the Beat calls the Service.
    pub(super) fn write<K: Application>(&self, yml: &mut Yml, version: &StackVersion) {
        yml.set("output.elasticsearch.hosts", vec![self.conf.url.as_str()]);
        if let Credentials::Password { username, password } = self.credentials {
            yml.set("output.elasticsearch.username", username.as_str());
            yml.set("output.elasticsearch.password", password.as_str());
        }
        yml.set("output.elasticsearch.ssl.verification_mode", "certificate");
        // Before 8.8 no Beat looks at a file of authorities again.
        if version.at_least(8, 8, 0) {
            yml.set("output.elasticsearch.ssl.restart_on_cert_change.enabled", true);
            yml.set("output.elasticsearch.ssl.restart_on_cert_change.period", "1m");
        }
        if self.authority().is_some() {
            let file = format!("{}/ca.crt", self.folder::<K>());
            yml.set("output.elasticsearch.ssl.certificate_authorities", vec![file]);
        }
    }
}
