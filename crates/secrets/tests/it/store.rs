//! What the store promises, by a clock that the tests move.

use std::sync::atomic::Ordering;
use std::time::Duration;

use parapet_secrets::{
    Configuration, Metrics, Need, Providers, Reason, Refused, Scope, SecretError, Settings, Store, Version,
};
use tokio::time::{Instant, advance, sleep};

use crate::scripted::{Scripted, snapshot};
use crate::world::{becomes, providers, reference, status_of, store, value};

const MINUTE: Duration = Duration::from_secs(60);

fn settings() -> Settings {
    Settings { refresh_every: 5 * MINUTE, max_stale: 60 * MINUTE, ..Settings::default() }
}

fn made() -> (std::sync::Arc<Scripted>, Store) {
    let scripted = Scripted::new();
    let store = store(providers(scripted.clone()), settings());
    (scripted, store)
}

fn refused() -> SecretError {
    SecretError::Denied("for the test")
}

#[tokio::test(start_paused = true)]
async fn the_last_good_value_stays_and_readiness_ends_at_the_age_limit() {
    let (scripted, store) = made();
    scripted.has("a", "1", "old");
    let mut used = store.watch(&Scope::Own, &reference("p:a#k"), Need::Required, "test").unwrap();
    store.started().await.unwrap();
    used.apply(|_| Ok(())).unwrap().unwrap();
    scripted.says("a", || Err(refused()));
    sleep(59 * MINUTE).await;
    store.readiness().unwrap();
    sleep(2 * MINUTE).await;
    let failing = store.readiness().unwrap_err();
    assert_eq!(failing.0, [("p:a".to_owned(), Some(Reason::Denied))]);
    assert_eq!(failing.to_string(), "secrets are missing or too old: p:a (denied)");
    assert_eq!(value(&used).as_deref(), Some("old"), "the value stays in use");
    let status = status_of(&store, "p:a");
    assert!(status.stale && status.failures > 50, "{status:?}");

    scripted.has("a", "2", "new");
    becomes(&mut used, "new").await;
    store.readiness().unwrap();
    assert_eq!(status_of(&store, "p:a").failures, 0);
}

#[tokio::test(start_paused = true)]
async fn an_optional_secret_fails_nothing() {
    let (_, store) = made();
    let used = store.watch(&Scope::Own, &reference("p:absent#k"), Need::Optional, "test").unwrap();
    store.started().await.unwrap();
    store.readiness().unwrap();
    assert_eq!(value(&used), None);
    sleep(MINUTE).await;
    assert!(status_of(&store, "p:absent").stale);
}

#[tokio::test(start_paused = true)]
async fn failures_are_repeated_after_1_2_4_and_up_to_60_seconds() {
    let (scripted, store) = made();
    let _used = store.watch(&Scope::Own, &reference("p:absent#k"), Need::Required, "test").unwrap();
    scripted.asked_times("absent", 9).await;
    assert_eq!(scripted.asked("absent"), [0, 1, 3, 7, 15, 31, 63, 123, 183]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_for_time_gets_it() {
    let (scripted, store) = made();
    scripted.says("a", || Err(SecretError::Throttled { retry_after: Some(Duration::from_secs(40)) }));
    let _used = store.watch(&Scope::Own, &reference("p:a#k"), Need::Required, "test").unwrap();
    scripted.asked_times("a", 3).await;
    assert_eq!(scripted.asked("a"), [0, 40, 80]);
}

#[tokio::test(start_paused = true)]
async fn the_start_waits_for_what_is_required_or_its_deadline() {
    let (scripted, store) = made();
    let _late = store.watch(&Scope::Own, &reference("p:late#k"), Need::Required, "test").unwrap();
    let begun = Instant::now();
    let making = async {
        sleep(Duration::from_secs(10)).await;
        scripted.has("late", "1", "x");
    };
    let (started, ()) = tokio::join!(store.started(), making);
    started.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(10));

    let _never = store.watch(&Scope::Own, &reference("p:never#k"), Need::Required, "test").unwrap();
    let begun = Instant::now();
    assert_eq!(store.started().await.unwrap_err().0, [("p:never".to_owned(), Some(Reason::Missing))]);
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_its_user_refuses_is_not_applied() {
    let (scripted, store) = made();
    scripted.has("a", "1", "good");
    let mut used = store.watch(&Scope::Own, &reference("p:a#k"), Need::Required, "listener").unwrap();
    let mut in_use = String::new();
    let mut take = |snapshot: &parapet_secrets::Snapshot| match snapshot.get("k") {
        Some(value) if !value.is_empty() => {
            in_use = value.expose_text().unwrap().to_owned();
            Ok(())
        }
        _ => Err(Refused("the password is empty")),
    };
    used.changed().await;
    assert_eq!(used.apply(&mut take), Some(Ok(Version::new("1"))));
    scripted.has("a", "2", "");
    used.changed().await;
    assert_eq!(used.apply(&mut take), Some(Err(Refused("the password is empty"))));
    let status = status_of(&store, "p:a");
    assert_eq!(status.version, Some(Version::new("2")));
    let consumer = &status.consumers[0];
    assert_eq!(
        (consumer.name.as_str(), &consumer.applied, consumer.refused),
        ("listener", &Some(Version::new("1")), Some("the password is empty"))
    );
    scripted.has("a", "3", "better");
    used.changed().await;
    assert_eq!(used.apply(&mut take), Some(Ok(Version::new("3"))));
    assert_eq!(in_use, "better");
    assert_eq!(status_of(&store, "p:a").consumers[0].refused, None);
}

#[tokio::test(start_paused = true)]
async fn one_secret_is_read_once_for_all_its_users_and_let_go_with_the_last() {
    let (scripted, store) = made();
    scripted.has("a", "1", "x");
    let watch = |key: &str| {
        store.watch(&Scope::Own, &reference(&format!("p:a#{key}")), Need::Required, "test").unwrap()
    };
    let mut first = watch("k");
    store.started().await.unwrap();
    let mut second = watch("k");
    first.changed().await;
    second.changed().await;
    let absent = watch("other");
    assert!(matches!(absent.value(), Err(SecretError::MissingKey { .. })));
    assert_eq!(scripted.asked("a"), [0]);
    drop((first, absent));
    sleep(6 * MINUTE).await;
    assert_eq!(scripted.asked("a").len(), 2, "the second user still has it refreshed");
    drop(second);
    scripted.forgotten.subscribe().wait_for(|forgotten| *forgotten == ["p:a"]).await.unwrap();
    sleep(60 * MINUTE).await;
    assert_eq!(scripted.asked("a").len(), 2);
    assert_eq!(store.status(), []);
    // And whoever comes later finds it again.
    let mut again = watch("k");
    again.changed().await;
    assert_eq!(scripted.asked("a").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_provider_gets_a_bounded_number_of_calls_at_once() {
    let (scripted, store) = made();
    scripted.takes(Duration::from_secs(1));
    let watched: Vec<_> = (0..20)
        .map(|number| {
            scripted.has(&format!("a{number}"), "1", "x");
            let reference = reference(&format!("p:a{number}#k"));
            store.watch(&Scope::Own, &reference, Need::Required, "test").unwrap()
        })
        .collect();
    store.started().await.unwrap();
    assert_eq!(scripted.most_at_once.load(Ordering::SeqCst), 3);
    assert!(watched.iter().all(|used| value(used).is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_and_asked_again() {
    let (scripted, store) = made();
    scripted.has("a", "1", "x");
    scripted.takes(Duration::from_secs(3600));
    let used = store.watch(&Scope::Own, &reference("p:a#k"), Need::Required, "test").unwrap();
    scripted.asked_times("a", 2).await;
    assert_eq!(scripted.asked("a"), [0, 31]);
    assert_eq!(status_of(&store, "p:a").last_failure, Some(Reason::Timeout));
    assert_eq!(value(&used), None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_looked_after_at_two_thirds_and_its_end_is_reported() {
    let (scripted, store) = made();
    let leased = || {
        let mut leased = snapshot("lease-1", "x");
        leased.refresh_after = Some(parapet_secrets::schedule::two_thirds(Duration::from_secs(90)));
        leased.expires_at = Some(Instant::now() + Duration::from_secs(90));
        Ok(leased)
    };
    scripted.says("a", leased);
    let mut used = store.watch(&Scope::Own, &reference("p:a#k"), Need::Required, "test").unwrap();
    used.changed().await;
    used.apply(|_| Ok(())).unwrap().unwrap();
    scripted.asked_times("a", 3).await;
    assert_eq!(scripted.asked("a"), [0, 60, 120]);
    store.readiness().unwrap();
    // The same values with a later end are nobody's news.
    assert!(tokio::time::timeout(Duration::from_secs(1), used.changed()).await.is_err());
    scripted.says("a", || Err(refused()));
    advance(Duration::from_secs(100)).await;
    sleep(Duration::from_secs(1)).await;
    assert!(store.readiness().is_err(), "what has ended is not ready, however young");
}

#[tokio::test(start_paused = true)]
async fn closing_ends_the_tasks_and_leaves_the_values() {
    let (scripted, store) = made();
    scripted.has("a", "1", "x");
    let used = store.watch(&Scope::Own, &reference("p:a#k"), Need::Required, "test").unwrap();
    store.started().await.unwrap();
    store.close().await;
    assert_eq!(scripted.closed.load(Ordering::SeqCst), 1);
    sleep(60 * MINUTE).await;
    assert_eq!(scripted.asked("a"), [0]);
    assert_eq!(value(&used).as_deref(), Some("x"));
}

#[tokio::test(start_paused = true)]
async fn references_to_what_is_not_there_or_not_theirs_are_refused() {
    let scripted = Scripted::new();
    let mut all = Providers::default();
    let tenants = "{namespaces: [team-a], pathPrefix: 'tenants/{namespace}/'}";
    all.insert("p".parse().unwrap(), scripted, 1, Some(serde_saphyr::from_str(tenants).unwrap()));
    let store = store(all, settings());
    let watch =
        |scope: &Scope, text: &str| store.watch(scope, &reference(text), Need::Optional, "test").map(drop);
    let team = Scope::Namespace("team-a".to_owned());
    assert!(matches!(watch(&Scope::Own, "q:a#k"), Err(SecretError::UnknownProvider(_))));
    watch(&team, "p:tenants/team-a/db#k").unwrap();
    assert!(matches!(watch(&team, "p:tenants/team-b/db#k"), Err(SecretError::NotAllowed { .. })));
    let error = watch(&Scope::Namespace("team-b".to_owned()), "p:tenants/team-b/db#k").unwrap_err();
    assert_eq!(error.to_string(), "p:tenants/team-b/db is not for namespace team-b");
}

#[tokio::test]
async fn providers_connect_to_the_hosts_of_the_egress_list_alone() {
    let yaml = |egress: &str| {
        format!(
            "egress: {egress}\nproviders: {{v: {{vault: {{addresses: ['https://169.254.169.254'], caFile: /absent, \
             auth: {{tokenFile: t}}, mounts: {{kv: kv2}}}}}}}}\n"
        )
    };
    let open = async |egress: &str| {
        let configuration: Configuration = serde_saphyr::from_str(&yaml(egress)).unwrap();
        Providers::open(&configuration, &Metrics::default()).await.map(drop).unwrap_err().to_string()
    };
    assert_eq!(
        open("['vault.example:8200']").await,
        "provider v: 169.254.169.254:443 is not among the hosts that egress allows"
    );
    assert!(open("['169.254.169.254:443']").await.contains("caFile /absent"));
}
