//! What is refused at the start, and how it is said.

use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use super::{GuardArguments, Settings};
use crate::authz::VerbMapping;

#[derive(clap::Parser)]
struct Command {
    #[command(flatten)]
    arguments: GuardArguments,
}

const GOOD: [&str; 2] = ["--secure-listen-address=127.0.0.1:0", "--upstream=http://127.0.0.1:8081/"];

fn resolve(flags: &[&str]) -> Result<Settings, String> {
    let words = ["guard"].iter().chain(flags);
    let command = Command::try_parse_from(words).map_err(|error| error.to_string())?;
    Settings::resolve(command.arguments).map_err(|error| error.to_string())
}

/// With good addresses before.
fn with(flags: &[&str]) -> Result<Settings, String> {
    resolve(&[&GOOD, flags].concat())
}

#[track_caller]
fn refused(flags: &[&str], expected: &str) {
    let error = with(flags).unwrap_err();
    assert!(error.starts_with(expected), "{flags:?}: {error}");
}

#[track_caller]
fn warned(flags: &[&str], expected: &str) {
    let warnings = with(flags).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.starts_with(expected)), "{flags:?}: {warnings:?}");
}

#[test]
fn defaults() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.gate.verbs, VerbMapping::Krp);
    assert!(settings.gate.allow.is_none() && settings.gate.ignore.is_empty() && !settings.krp);
    let http2 = settings.http2.unwrap();
    assert_eq!((http2.max_concurrent_streams, http2.max_size), (100, 262_144));
    let ten = Duration::from_secs(10);
    assert_eq!((settings.tokens.good_for, settings.tokens.bad_for), (ten, ten));
    assert_eq!((settings.access.allowed_for, settings.access.denied_for), (ten, ten));
    assert_eq!(settings.reviews.rate, None, "the reference's five a second are not ours");
    assert_eq!(settings.reviews.deadline, Duration::from_secs(5));
    assert_eq!(settings.serving.reload, Duration::from_secs(60));
    assert!(settings.identity_headers.is_none() && settings.upgrades.is_empty());
    assert!(!settings.pass_authorization && !settings.pass_cookies && settings.trusted_forwarders.is_empty());
}

#[test]
fn what_the_reference_has_not() {
    let settings =
        with(&["--stale-allow=10m", "--path-prefix=/guarded/app", "--forbidden-body=brief"]).unwrap();
    let ten_minutes = Duration::from_secs(600);
    assert_eq!((settings.tokens.stale_for, settings.access.stale_for), (ten_minutes, ten_minutes));
    assert_eq!((settings.gate.path_prefix.as_str(), settings.gate.brief), ("/guarded/app", true));
    // Prefixed, no default role fits.
    assert!(!settings.warnings.iter().any(|warning| warning.starts_with("every service account")));
    let by_default = with(&[]).unwrap();
    assert_eq!((by_default.tokens.stale_for, by_default.gate.brief), (Duration::ZERO, false));
    refused(&["--stale-allow=11m"], "--stale-allow: expected 10m or less");
    for prefix in ["guarded", "/a/", "/a/../b", "/%41", "/a;b"] {
        refused(&[&format!("--path-prefix={prefix}")], "--path-prefix: expected a path");
    }
    assert!(with(&["--forbidden-body=loud"]).is_err());
}

#[test]
fn compatibility_has_the_references_times_and_says_so() {
    let settings = with(&["--krp-compat"]).unwrap();
    let seconds = Duration::from_secs;
    assert_eq!((settings.tokens.good_for, settings.tokens.bad_for), (seconds(120), seconds(120)));
    assert_eq!((settings.access.allowed_for, settings.access.denied_for), (seconds(300), seconds(30)));
    assert!(settings.tokens.accept_unchecked_audience);
    warned(&["--krp-compat"], "--krp-compat:");
    let shorter = with(&["--krp-compat", "--cache-allowed=1s"]).unwrap();
    assert_eq!((shorter.tokens.good_for, shorter.access.allowed_for), (seconds(1), seconds(1)));
}

#[test]
fn addresses() {
    let error = resolve(&["--upstream=http://127.0.0.1:1"]).unwrap_err();
    assert!(error.starts_with("--secure-listen-address: expected host:port"), "{error}");
    let error = resolve(&["--secure-listen-address=:1"]).unwrap_err();
    assert!(error.starts_with("--upstream: expected http://host:port"), "{error}");
    refused(&["--secure-listen-address=8443"], "--secure-listen-address: expected host:port");
    refused(&["--insecure-listen-address=x"], "--insecure-listen-address: expected host:port");
    refused(
        &["--secure-listen-address=:8443", "--proxy-endpoints-port=8443"],
        "--proxy-endpoints-port: 8443 is",
    );
    refused(&["--upstream=ftp://x"], "--upstream: expected http://host:port");
    refused(&["--upstream=http://a?b=c"], "--upstream: a query in the address is not used");
    warned(&["--insecure-listen-address=:1"], "--insecure-listen-address: whoever can see the traffic");
    warned(
        &["--secure-listen-address=", "--insecure-listen-address=:1", "--proxy-endpoints-port=2"],
        "--proxy-endpoints-port has no effect",
    );
}

#[test]
fn certificates() {
    refused(&["--tls-cert-file=a"], "--tls-private-key-file: is needed beside --tls-cert-file");
    refused(&["--tls-private-key-file=a"], "--tls-cert-file: is needed beside --tls-private-key-file");
    refused(&["--tls-reload-interval=0s"], "--tls-reload-interval: expected 1s or more");
    refused(&["--tls-min-version=1.2"], "--tls-min-version: expected VersionTLS12 or VersionTLS13");
    refused(&["--tls-cipher-suites=RC4"], "--tls-cipher-suites: \"RC4\" is not a cipher suite");
    warned(&["--tls-min-version=VersionTLS10"], "--tls-min-version=VersionTLS10: TLS 1.2 is the oldest");
    warned(&[], "no --tls-cert-file: a self-signed certificate is made");
}

/// The reference shows its client certificate only if `--upstream-ca-file` is there too.
#[test]
fn upstream_client_certificate_without_ca() {
    let flags =
        ["--upstream=https://a.example", "--upstream-client-cert-file=c", "--upstream-client-key-file=k"];
    let upstream = with(&flags).unwrap().upstream;
    assert!(upstream.pair.is_some() && upstream.authorities.is_none());
}

#[test]
fn what_leaves_this_machine() {
    let (user, h2c) = ("--auth-header-fields-enabled", "--upstream-force-h2c");
    let remote = "--upstream=http://10.0.0.1:1";
    refused(&[remote, user], "--auth-header-fields-enabled: the upstream is not on this machine");
    refused(&[remote, h2c], "--upstream-force-h2c: the upstream is not on this machine");
    refused(&[remote, "--pass-authorization"], "--pass-authorization: the upstream is not on this machine");
    refused(&["--upstream=https://a.example", user], "--auth-header-fields-enabled: the upstream is not");
    refused(&["--upstream=https://127.0.0.1", h2c], "--upstream-force-h2c: is HTTP/2 without TLS");
    refused(&["--upstream-ca-file=a"], "--upstream-ca-file: has no effect unless --upstream is https");
    refused(
        &["--upstream=https://a.example", "--upstream-client-cert-file=a"],
        "--upstream-client-key-file: is needed beside",
    );
    let both = ["--upstream-client-cert-file=c", "--upstream-client-key-file=k"];
    assert!(with(&[&["--upstream=https://a.example", user][..], &both].concat()).is_ok());
    assert!(with(&[user, h2c]).is_ok(), "loopback");
    assert!(with(&["--upstream=unix:///run/app.sock", user]).is_ok());
    warned(
        &["--krp-compat", remote, user],
        "--auth-header-fields-enabled: the upstream is not on this machine",
    );
}

#[test]
fn paths() {
    refused(
        &["--allow-paths=/a", "--ignore-paths=/b"],
        "--ignore-paths: can't be used together with --allow-paths",
    );
    refused(&["--allow-paths=[]a]"], "--allow-paths: \"[]a]\" doesn't begin with a slash");
    refused(&["--krp-compat", "--allow-paths=[]a]"], "--allow-paths: \"[]a]\" is not a glob");
    refused(&["--ignore-paths=/a/*/b"], "--ignore-paths: \"/a/*/b\" has a * before its last segment");
    refused(&["--path-wildcard=below", "--allow-paths=/a/*/b"], "--allow-paths: \"/a/*/b\" has a * before");
    refused(&["--upgrade-paths=ws"], "--upgrade-paths: \"ws\" doesn't begin with a slash");
    refused(&["--verb-mapping=x"], "error: invalid value 'x' for '--verb-mapping");
    assert!(with(&["--krp-compat", "--ignore-paths=/a/*/b,/c?"]).is_ok());
    warned(&[], "every service account may get /api");
    let warnings = with(&["--allow-paths=/metrics"]).unwrap().warnings;
    assert!(!warnings.iter().any(|warning| warning.starts_with("every service account")), "{warnings:?}");
}

#[test]
fn openid_connect() {
    let good = ["--oidc-issuer=https://issuer.example", "--oidc-clientID=gate"];
    let refused = |flags: &[&str], expected| refused(&[&good[..], flags].concat(), expected);
    refused(&["--oidc-issuer=http://issuer.example"], "--oidc-issuer: expected an https address");
    refused(&["--oidc-issuer=https://issuer.example?a"], "--oidc-issuer: expected an https address");
    refused(&["--oidc-clientID="], "--oidc-clientID: is needed");
    refused(&["--oidc-issuer="], "--oidc-issuer: is needed for the other --oidc flags");
    refused(&["--oidc-username-claim="], "--oidc-username-claim: is empty");
    for algorithm in ["none", "HS256", "EdDSA", "ES521", "rs256"] {
        refused(&[&format!("--oidc-sign-alg={algorithm}")], "--oidc-sign-alg: expected RS256");
    }
    let settings = with(&[&good[..], &["--oidc-sign-alg=RS256,ES256,ES512"]].concat()).unwrap();
    assert_eq!(settings.oidc.unwrap().rules.algorithms.len(), 3);
    warned(&[&good[..], &["--auth-token-audiences=a"]].concat(), "--auth-token-audiences has no effect");
    // The reference forgets client certificates beside an issuer; here both count.
    assert!(with(&[&good[..], &["--client-ca-file=a"]].concat()).unwrap().client_authorities.is_some());
    let krp = [&good[..], &["--client-ca-file=a", "--krp-compat"]].concat();
    assert!(with(&krp).unwrap().client_authorities.is_none());
}

#[test]
fn numbers_and_headers() {
    refused(&["--http2-max-concurrent-streams=0"], "--http2-max-concurrent-streams: expected 1 to");
    refused(&["--http2-max-size=1"], "--http2-max-size: expected 16384 to");
    refused(&["--kube-api-qps=-1"], "--kube-api-qps: expected a number from 0");
    refused(&["--kube-api-qps=NaN"], "--kube-api-qps: expected a number from 0");
    refused(&["--review-timeout=0s"], "--review-timeout: expected more than 0s");
    refused(&["--review-timeout=61s"], "--review-timeout: expected more than 0s");
    refused(&["--review-timeout=5"], "error: invalid value '5' for '--review-timeout");
    refused(&["--cache-allowed=6m"], "--cache-allowed: expected 5m or less");
    refused(&["--cache-denied=1h"], "--cache-denied: expected 5m or less");
    refused(&["--trusted-forwarders=here"], "--trusted-forwarders: expected networks such as 10.0.0.0/8");
    let headers = ["--auth-header-fields-enabled", "--auth-header-user-field-name=a b"];
    refused(&headers, "--auth-header-user-field-name:");
    assert!(with(&["--auth-header-user-field-name=a b"]).is_ok(), "nobody writes them");
    assert_eq!(with(&["--kube-api-qps=5"]).unwrap().reviews.rate, Some((5.0, 10)));
    assert_eq!(with(&["--trusted-forwarders=10.0.0.1,fd00::/8"]).unwrap().trusted_forwarders.len(), 2);
}

#[test]
fn words_without_a_flag() {
    refused(&["word"], "--help: \"word\" belongs to no flag");
    assert!(with(&[""]).is_ok());
}

#[test]
fn dead_flags_are_taken_and_said_to_be_dead() {
    let dead = [
        "--add-dir-header=true",
        "--alsologtostderr=true",
        "--log-backtrace-at=:0",
        "--log-dir=/x",
        "--log-file=x",
        "--log-file-max-size=1800",
        "--logtostderr=false",
        "--one-output",
        "--skip-headers=true",
        "--skip-log-headers=true",
        "--stderrthreshold=2",
        "--vmodule=a=1",
        "--log-flush-frequency=5s",
    ];
    let warnings = with(&dead).unwrap().warnings;
    for flag in dead {
        let name = flag.split('=').next().unwrap();
        let said =
            warnings.iter().filter(|warning| **warning == format!("{name} is accepted and has no effect"));
        assert_eq!(said.count(), 1, "{flag}");
    }
}

#[test]
fn the_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let flag = format!("--config-file={}", path.display());
    refused(&[&flag], "--config-file: can't read");
    std::fs::write(&path, "authorization:\n  statics: []\n").unwrap();
    refused(&[&flag], &format!("{}:2:3: authorization", path.display()));
    std::fs::write(&path, " ".repeat(2 << 20)).unwrap();
    refused(&[&flag], "--config-file:");
    std::fs::write(&path, "authorization:\n  static: [{path: /metrics, verb: get}]\n").unwrap();
    assert_eq!(with(&[&flag]).unwrap().gate.rules.0.len(), 1);
}

#[test]
fn the_page_names_every_flag() {
    let page = include_str!("../../../../docs/guard.md");
    let command = Command::command();
    let flags: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    assert!(flags.len() > 50, "{flags:?}");
    for flag in flags {
        assert!(page.contains(&format!("`--{flag}`")), "--{flag}");
    }
}
