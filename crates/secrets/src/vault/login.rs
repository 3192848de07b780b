//! From what the configuration says to a token.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::answer::{Login, parse_unwrapped, read_secret_file};
use super::http::{Api, Call};
use crate::{SecretBytes, SecretError, SecretPath, VaultAuth};

/// Where kubelet puts a pod's own token.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How to log in, and what was unwrapped for it.
pub(super) struct Method {
    auth: VaultAuth,
    /// A wrapping token that was used up, and the secret id that was in it: it opens once.
    unwrapped: Mutex<Option<(SecretBytes, SecretBytes)>>,
}

impl Method {
    pub(super) fn new(auth: VaultAuth) -> Self {
        Self { auth, unwrapped: Mutex::default() }
    }

    /// Whether a token of this method is ours to revoke.
    pub(super) fn owns_its_tokens(&self) -> bool {
        match self.auth {
            VaultAuth::Kubernetes { .. } | VaultAuth::AppRole { .. } => true,
            VaultAuth::TokenFile(_) => false,
        }
    }

    /// The token that a file gives now, if that is where tokens come from.
    pub(super) async fn given_token(&self) -> Option<SecretBytes> {
        match &self.auth {
            VaultAuth::Kubernetes { .. } | VaultAuth::AppRole { .. } => None,
            VaultAuth::TokenFile(path) => read_secret_file(path).await.ok(),
        }
    }

    /// Reads what the login needs anew: files of credentials rotate.
    pub(super) async fn log_in(&self, api: &Api) -> Result<Login, SecretError> {
        match &self.auth {
            VaultAuth::Kubernetes { role, mount, token_file } => {
                let default = PathBuf::from(POD_TOKEN);
                let jwt = read_secret_file(token_file.as_ref().unwrap_or(&default)).await?;
                #[derive(Serialize)]
                struct Body<'a> {
                    role: &'a str,
                    jwt: Exposed<'a>,
                }
                let body = Body { role, jwt: Exposed(&jwt) };
                post_login(api, mount.as_ref(), "kubernetes", &body).await
            }
            VaultAuth::AppRole { role_id, secret_id_file, wrapped, mount } => {
                let secret_id = self.secret_id(api, secret_id_file, *wrapped).await?;
                #[derive(Serialize)]
                struct Body<'a> {
                    role_id: &'a str,
                    secret_id: Exposed<'a>,
                }
                let body = Body { role_id, secret_id: Exposed(&secret_id) };
                post_login(api, mount.as_ref(), "approle", &body).await
            }
            VaultAuth::TokenFile(path) => {
                let token = read_secret_file(path).await?;
                let call = Call::get("look at the token", "auth/token/lookup-self".to_owned());
                let body = api.call(call.with(&token)).await?;
                Login::parse_lookup(token, &body)
            }
        }
    }

    async fn secret_id(&self, api: &Api, file: &Path, wrapped: bool) -> Result<SecretBytes, SecretError> {
        let content = read_secret_file(file).await?;
        if !wrapped {
            return Ok(content);
        }
        if let Some((used, secret_id)) = &*self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner)
            && *used == content
        {
            return Ok(secret_id.clone());
        }
        let call =
            Call::post("unwrap the secret id", "sys/wrapping/unwrap".to_owned(), &serde_json::json!({}));
        let body = api.call(call.with(&content)).await.map_err(|error| match error {
            // It opens once: if not for us, then for somebody else.
            SecretError::Status { status: 400, .. } | SecretError::Denied(_) => SecretError::Denied(
                "the wrapping token is expired or was used before; if nobody here used it, the secret id is known to others",
            ),
            error => error,
        })?;
        let secret_id = parse_unwrapped(&body)?;
        *self.unwrapped.lock().unwrap_or_else(PoisonError::into_inner) = Some((content, secret_id.clone()));
        Ok(secret_id)
    }
}

async fn post_login(
    api: &Api,
    mount: Option<&SecretPath>,
    default_mount: &str,
    body: &impl Serialize,
) -> Result<Login, SecretError> {
    let mount = mount.map_or(default_mount, SecretPath::as_str);
    let call = Call::post("log in", format!("auth/{mount}/login"), body);
    match api.call(call).await {
        Ok(body) => Login::parse(&body),
        // Bad credentials are 400 or 403, by method and version.
        Err(SecretError::Status { status: 400, .. } | SecretError::Denied(_)) => {
            Err(SecretError::Denied("the login"))
        }
        Err(error) => Err(error),
    }
}

/// On its way into a request.
struct Exposed<'a>(&'a SecretBytes);

impl Serialize for Exposed<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.expose_text().ok_or_else(|| serde::ser::Error::custom("not text"))?;
        serializer.serialize_str(text)
    }
}
