//! References to secrets and the providers that resolve them: files, Kubernetes, Vault.
//! It doesn't know what the secrets are for.
