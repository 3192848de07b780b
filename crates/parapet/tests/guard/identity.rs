//! What the upstream is told of the caller, and where it may be told so (scenarios S1 to S4).

use parapet_testbed::{Authority, Leaf};

use crate::curl::{curl, status_with};
use crate::upstream::{Upstream, written};
use crate::world::World;

#[tokio::test]
async fn scenario_s1_identity_headers_to_loopback() {
    let Some(world) = World::new("identity-loopback").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&["--auth-header-fields-enabled"]).await;
    let token = format!("Authorization: Bearer {}", world.token().await);
    // The caller tries to be somebody else, and to have the header taken away on the way.
    let forged = ["X-Remote-User: admin", "x_remote_user: admin", "Connection: close, x-remote-user"];
    let mut arguments = vec!["--http1.1", "--header", &token];
    for header in forged {
        arguments.extend(["--header", header]);
    }
    let answer = curl(&format!("{}/metrics", guard.url), &arguments).await;
    assert_eq!(answer.status, 200);
    assert_eq!(world.upstream.last_header("x-remote-user"), Some(world.user("default")));
    assert_eq!(world.upstream.last_header("x_remote_user"), None);
    let groups = world.upstream.last_header("x-remote-groups").expect("groups are told too");
    assert!(groups.contains("system:serviceaccounts") && groups.contains("system:authenticated"), "{groups}");
}

#[tokio::test]
async fn a_caller_names_nobody_where_identities_are_not_told() {
    let Some(world) = World::new("identity-off").await else { return };
    world.grant_metrics().await;
    let guard = world.guard(&[]).await;
    let token = format!("Authorization: Bearer {}", world.token().await);
    let forged = ["X-Remote-User: admin", "X-Remote-Groups: system:masters", "Impersonate-User: admin"];
    let mut arguments = vec!["--header", &*token];
    for header in forged {
        arguments.extend(["--header", header]);
    }
    assert_eq!(curl(&format!("{}/metrics", guard.url), &arguments).await.status, 200);
    for name in ["x-remote-user", "x-remote-groups", "impersonate-user"] {
        assert_eq!(world.upstream.last_header(name), None, "{name}");
    }
}

/// Starts a guard that must refuse its flags, and returns what it said.
async fn refused(world: &World, flags: &[&str]) -> String {
    let kubeconfig = world.cluster.kubeconfig().display().to_string();
    let mut command = world.command();
    command.args(["--secure-listen-address=127.0.0.1:0", &format!("--kubeconfig={kubeconfig}")]).args(flags);
    let mut process =
        world.cluster.sandbox().start(&format!("{}-refused", world.namespace), command).unwrap();
    let ended = tokio::task::spawn_blocking(move || process.wait().map(|status| (status, process.log())));
    let (status, log) = ended.await.unwrap().unwrap();
    assert_eq!(status.code(), Some(2), "{log}");
    log
}

#[tokio::test]
async fn scenario_s2_identity_headers_to_another_machine_in_clear() {
    let Some(world) = World::new("identity-remote").await else { return };
    // 192.0.2.0/24 is kept for documentation: nobody is there.
    let said = refused(&world, &["--upstream=http://192.0.2.1:8081/", "--auth-header-fields-enabled"]).await;
    assert!(said.contains("upstream"), "{said}");
}

#[tokio::test]
async fn scenario_s3_identity_headers_with_mutual_tls() {
    let authority = Authority::new("upstreams").unwrap();
    let upstream = Upstream::with_client_certificates(&authority).await;
    let Some(world) = World::with_upstream("identity-mtls", upstream).await else { return };
    world.grant_metrics().await;
    let pair = authority.sign(Leaf { common_name: "guard", ..Leaf::default() }).unwrap();
    let (certificate, key) = written(&pair, world.cluster.sandbox(), "identity-mtls-guard");
    let flags = [
        format!("--upstream=https://{}/", world.upstream.address),
        format!("--upstream-ca-file={}", world.file("upstream-ca.crt", authority.certificate())),
        format!("--upstream-client-cert-file={certificate}"),
        format!("--upstream-client-key-file={key}"),
        "--auth-header-fields-enabled".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let guard = world.guard_of(crate::world::GUARD, &flags).await;
    let token = world.token().await;
    assert_eq!(status_with(&token, &format!("{}/metrics", guard.url)).await, 200);
    assert_eq!(world.upstream.last_header("x-remote-user"), Some(world.user("default")));
}

#[tokio::test]
async fn scenario_s4_clear_http2_to_another_machine() {
    let Some(world) = World::new("h2c-remote").await else { return };
    let said = refused(&world, &["--upstream=http://192.0.2.1:8081/", "--upstream-force-h2c"]).await;
    assert!(said.contains("h2c"), "{said}");
}
