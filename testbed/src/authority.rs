//! Throw-away certificates: a CA, what it signs, and the kubeconfigs that hold them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::sandbox::Sandbox;

/// A CA with an ECDSA P-256 key. Its certificates hold for ever: they live as long as the test.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// What a certificate says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leaf<'a> {
    /// To Kubernetes, the user.
    pub common_name: &'a str,
    /// To Kubernetes, the group.
    pub organization: Option<&'a str>,
    /// Host names and addresses. With any, it is a server's certificate; with none, a client's.
    pub names: &'a [&'a str],
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// `tls.crt`.
    pub certificate: String,
    /// `tls.key`, PKCS #8.
    pub key: String,
}

impl Authority {
    /// A new self-signed one.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).context("no names are fine")?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("failed to make a key")?;
        let certificate = params.self_signed(&key).context("failed to sign the CA")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// Its certificate, in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its private key, PKCS #8 in PEM.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Signs a certificate for a new key.
    pub fn sign(&self, leaf: Leaf<'_>) -> Result<Pair> {
        let names: Vec<String> = leaf.names.iter().map(|&name| name.to_owned()).collect();
        let mut params =
            CertificateParams::new(names).context("a name is neither a host's nor an address")?;
        params.distinguished_name.push(DnType::CommonName, leaf.common_name);
        if let Some(organization) = leaf.organization {
            params.distinguished_name.push(DnType::OrganizationName, organization);
        }
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![if leaf.names.is_empty() {
            ExtendedKeyUsagePurpose::ClientAuth
        } else {
            ExtendedKeyUsagePurpose::ServerAuth
        }];
        let key = KeyPair::generate().context("failed to make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("failed to sign a certificate")?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

impl Pair {
    /// Writes `NAME.crt` and `NAME.key` into a sandbox; their paths, the certificate's first.
    pub fn write(&self, sandbox: &Sandbox, name: &str) -> Result<(PathBuf, PathBuf)> {
        let certificate = sandbox.write(&format!("{name}.crt"), &self.certificate)?;
        Ok((certificate, sandbox.write(&format!("{name}.key"), &self.key)?))
    }
}

/// A key pair that signs ServiceAccounts' tokens: private and public, in PEM.
pub(crate) fn token_keys() -> Result<(String, String)> {
    let key = KeyPair::generate().context("failed to make a key")?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

/// A kubeconfig whose user is `user`, a JSON object such as `{"token": "…"}`.
pub(crate) fn kubeconfig(server: &str, ca: &Path, user: &serde_json::Value) -> String {
    // JSON is YAML.
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority": ca}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "user"}}],
        "current-context": "testbed",
    })
    .to_string()
}
