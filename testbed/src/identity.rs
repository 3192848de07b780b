//! ServiceAccounts as identities: their tokens, and kubeconfigs that hold them.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;

use crate::authority::kubeconfig;
use crate::cluster::Cluster;

impl Cluster {
    /// A token of a ServiceAccount from the TokenRequest API, good for an hour; without audiences, for the API server's own.
    pub async fn token(&self, namespace: &str, account: &str, audiences: &[&str]) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
                ..TokenRequestSpec::default()
            },
            ..TokenRequest::default()
        };
        let granted = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .with_context(|| format!("failed to request a token of {namespace}/{account}"))?;
        Ok(granted.status.context("a granted token has a status")?.token)
    }

    /// A kubeconfig with a ServiceAccount's token, as a pod of it would find one; removed with the cluster.
    pub async fn kubeconfig_of(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let token = self.token(namespace, account, &[]).await?;
        let text = kubeconfig(self.server(), self.ca(), &serde_json::json!({ "token": token }));
        self.sandbox().write(&format!("{namespace}-{account}.kubeconfig"), text)
    }
}
