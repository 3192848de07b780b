//! `parapet guard`: how it is called, also by the name of what it replaces.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use parapet_guard::settings::with_dashes;

/// Manifests call the program by this name.
const REFERENCE: &str = "kube-rbac-proxy";

pub(crate) const EXAMPLES: &str = "\
Examples:
  parapet guard --secure-listen-address=0.0.0.0:8443 --upstream=http://127.0.0.1:8080/ --allow-paths=/metrics
  kube-rbac-proxy --secure-listen-address=0.0.0.0:8443 --upstream=http://127.0.0.1:8080/ --logtostderr=true --v=0

Called as kube-rbac-proxy it is this command, with every flag of kube-rbac-proxy; docs/guard.md says what differs.
Names of flags may have _ for -. Exit codes: 0 ended by SIGTERM; 1 failed; 2 a flag, the configuration file, a
certificate or the kubeconfig is wrong: nothing was served.";

/// The words of the command line, with the command named that the program was called by.
pub(crate) fn spelled(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let called = words.first().and_then(|word| Path::new(word).file_name());
    if called == Some(OsStr::new(REFERENCE)) {
        words.insert(1, "guard".into());
    }
    if words.get(1).is_some_and(|word| word == "guard") { with_dashes(words) } else { words }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Arguments, Command};

    fn parse(words: &[&str]) -> Result<parapet_guard::settings::GuardArguments, clap::Error> {
        let parsed = Arguments::try_parse_from(spelled(words.iter().map(OsString::from)))?;
        match parsed.command {
            Command::Guard(arguments) => Ok(*arguments),
            other => panic!("{other:?}"),
        }
    }

    /// What the metrics recipe of the operator's documentation says.
    #[test]
    fn the_recipes_arguments() {
        let arguments = parse(&[
            "/usr/local/bin/kube-rbac-proxy",
            "--secure-listen-address=0.0.0.0:8080",
            "--upstream=http://127.0.0.1:8081",
            "--logtostderr=true",
            "--v=0",
            "--tls-cert-file=/tls/tls.crt",
            "--tls-private-key-file=/tls/tls.key",
        ])
        .unwrap();
        assert_eq!(arguments.secure_listen_address, "0.0.0.0:8080");
        assert_eq!(arguments.verbosity, 0);
    }

    #[test]
    fn flags_as_go_takes_them() {
        let arguments = parse(&[
            "parapet",
            "guard",
            "--secure_listen_address",
            ":8443",
            "--allow-paths=/a,/b",
            "--allow-paths",
            "/c",
            "--upstream=http://a",
            "--upstream=http://b",
            "-v=10",
            "--http2-disable",
            "--krp-compat=false",
            "--oidc-clientID=x",
            "",
        ])
        .unwrap();
        assert_eq!(arguments.secure_listen_address, ":8443");
        assert_eq!(arguments.allow_paths, ["/a", "/b", "/c"]);
        assert_eq!(arguments.upstream, "http://b", "the last one counts");
        assert_eq!((arguments.verbosity, arguments.http2_disable, arguments.krp_compat), (10, true, false));
        assert_eq!(arguments.oidc_client_id, "x");
        assert!(parse(&["parapet", "guard", "--nonsense"]).is_err());
        assert!(parse(&["parapet", "guard", "--http2-disable=maybe"]).is_err());
    }

    #[test]
    fn other_commands_keep_their_words() {
        let words = ["parapet", "logs", "--a_b"].map(OsString::from);
        assert_eq!(spelled(words.clone()), words);
    }
}
