//! Passwords, the file realm and what owners bring to it.

use k8s_openapi::api::core::v1::Secret;
use parapet_api::Elasticsearch;
use parapet_elastic::PASSWORD_LENGTH;
use parapet_elastic::users::{
    Hasher, Provided, Realm, Strength, apm_token, elastic_user, file_realm, internal_users, read_provided,
};
use serde_json::json;

use crate::given::{apm_server, elasticsearch, random, secret, text};

fn never(_: &mut [u8]) {
    panic!("something was drawn")
}

struct World {
    es: Elasticsearch,
    elastic: Secret,
    internal: Secret,
    hasher: Hasher,
}

impl World {
    fn new(change: impl FnOnce(&mut serde_json::Value)) -> Self {
        let es = elasticsearch(change);
        let mut random = random();
        let elastic = elastic_user(&es, None, PASSWORD_LENGTH, &mut random);
        let internal = internal_users(&es, None, PASSWORD_LENGTH, &mut random);
        Self { es, elastic, internal, hasher: Hasher::new(100) }
    }

    fn realm(&self, associated: &[Secret], provided: &Provided, live: Option<&Secret>) -> Secret {
        let inputs = Realm { associated, ..self.inputs(Strength::Generated, provided, live) };
        file_realm(&self.es, &inputs, &self.hasher, &mut random()).unwrap()
    }

    /// `strength`: of the password of `elastic`, unless its owner brings that user.
    fn inputs<'a>(
        &'a self,
        strength: Strength,
        provided: &'a Provided,
        live: Option<&'a Secret>,
    ) -> Realm<'a> {
        let elastic = (!provided.has_elastic_user()).then_some((&self.elastic, strength));
        Realm { elastic, internal: &self.internal, associated: &[], provided, live }
    }

    fn plain(&self) -> Secret {
        self.realm(&[], &Provided::default(), None)
    }
}

#[test]
fn passwords_are_made_once_and_kept() {
    let es = elasticsearch(|_| {});
    let first = elastic_user(&es, None, PASSWORD_LENGTH, &mut random());
    let password = text(&first, "elastic");
    assert_eq!(password.len(), 24);
    assert!(password.chars().all(|c| c.is_ascii_alphanumeric()), "{password}");
    assert_eq!(elastic_user(&es, Some(&first), PASSWORD_LENGTH, &mut never).data, first.data);
    assert_eq!(first.metadata.owner_references, None, "it outlives its owner until the operator cleans up");
    let labels = first.metadata.labels.unwrap();
    assert_eq!(labels["eck.k8s.elastic.co/credentials"], "true");
    assert_eq!(labels["eck.k8s.elastic.co/owner-kind"], "Elasticsearch");

    let internal = internal_users(&es, Some(&secret("x", [("elastic-internal", "kept")])), 6, &mut random());
    assert_eq!(text(&internal, "elastic-internal"), "kept");
    assert_eq!(text(&internal, "elastic-internal-probe").len(), 6, "as long as the operator is told");
    assert_eq!(internal.data.unwrap().len(), 5);

    let token = apm_token(&apm_server(|_| {}), None, &mut random());
    assert_eq!(
        (token.metadata.name.as_deref(), text(&token, "secret-token").len()),
        (Some("a-apm-token"), 24)
    );
}

#[test]
fn the_realm_of_a_new_cluster() {
    let realm = World::new(|_| {}).plain();
    assert_eq!(realm.metadata.name.as_deref(), Some("x-es-xpack-file-realm"));
    assert_eq!(
        realm.metadata.annotations.clone().unwrap()["policy.k8s.elastic.co/elasticsearch-roles-hash"],
        ""
    );
    let users = text(&realm, "users");
    let names: Vec<&str> = users.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "elastic-internal-diagnostics",
            "elastic-internal-monitoring",
            "elastic-internal-pre-stop",
            "elastic-internal-probe",
            "elastic-internal",
            "elastic"
        ],
        "sorted as whole lines"
    );
    assert!(
        users.lines().last().unwrap().starts_with("elastic:$2a$04$"),
        "it was generated just now: {users}"
    );
    assert_eq!(
        text(&realm, "users_roles"),
        "elastic-internal_cluster_manage:elastic-internal-pre-stop\n\
         elastic_internal_diagnostics_v85:elastic-internal-diagnostics\n\
         elastic_internal_probe_user:elastic-internal-probe\n\
         remote_monitoring_collector:elastic-internal-monitoring\n\
         superuser:elastic,elastic-internal\n"
    );
    assert_eq!(text(&realm, "service_tokens"), "");
}

#[test]
fn a_password_that_somebody_may_have_chosen_is_hashed_at_full_cost() {
    let world = World::new(|_| {});
    let provided = Provided::default();
    let inputs = world.inputs(Strength::Chosen, &provided, None);
    let realm = file_realm(&world.es, &inputs, &world.hasher, &mut random()).unwrap();
    assert!(text(&realm, "users").lines().last().unwrap().starts_with("elastic:$2a$10$"));
}

#[test]
fn what_diagnostics_may_depends_on_the_version() {
    for (version, role) in [
        ("7.17.0", "superuser"),
        ("8.4.0", "elastic_internal_diagnostics_v80"),
        ("8.5.0", "elastic_internal_diagnostics_v85"),
    ] {
        let realm = World::new(|es| es["spec"]["version"] = json!(version)).plain();
        let roles = text(&realm, "users_roles");
        let line = roles.lines().find(|line| line.contains("elastic-internal-diagnostics")).unwrap();
        assert!(line.starts_with(&format!("{role}:")), "{version}: {line}");
    }
}

#[test]
fn hashes_that_fit_are_kept_and_nothing_is_drawn() {
    let world = World::new(|_| {});
    let first = world.plain();
    let provided = Provided::default();
    let inputs = world.inputs(Strength::Chosen, &provided, Some(&first));
    let again = file_realm(&world.es, &inputs, &Hasher::new(100), &mut never).unwrap();
    assert_eq!(again.data, first.data);
}

#[test]
fn users_and_tokens_of_associations() {
    let world = World::new(|_| {});
    let labelled = |kind: &str, mut secret: Secret| {
        secret.metadata.labels = Some([("common.k8s.elastic.co/type".to_owned(), kind.to_owned())].into());
        secret
    };
    let associated = [
        labelled(
            "user",
            secret("u", [("name", "n-a-apm-user"), ("passwordHash", "$2a$x"), ("userRoles", "r2,r1")]),
        ),
        labelled(
            "service-account-token",
            secret("t", [("name", "elastic/kibana/n_k_u"), ("hash", "{PBKDF2}h")]),
        ),
        labelled("user", secret("half", [("name", "half")])),
        labelled("other", secret("other", [("name", "other"), ("hash", "h"), ("passwordHash", "h")])),
    ];
    let realm = world.realm(&associated, &Provided::default(), None);
    assert!(text(&realm, "users").contains("n-a-apm-user:$2a$x\n"));
    assert!(text(&realm, "users_roles").contains("r1:n-a-apm-user\nr2:n-a-apm-user\n"));
    assert_eq!(text(&realm, "service_tokens"), "elastic/kibana/n_k_u:{PBKDF2}h\n");
    assert!(!text(&realm, "users").contains("half") && !text(&realm, "users").contains("other"));
}

#[test]
fn what_the_owner_brings_wins() {
    let secrets = [
        secret(
            "realm",
            [
                ("users", "# mine\nelastic:$2a$own\nrd:$2a$rd\n"),
                ("users_roles", "superuser:elastic\nr:rd, elastic\n"),
            ],
        ),
        secret("basic", [("username", "basic"), ("password", "longenough"), ("roles", "r,kibana_user")]),
        secret(
            "roles",
            [(
                "roles.yml",
                "r:\n  cluster: [all]\nelastic_internal_probe_user:\n  cluster: [none]\nwith.dot: {}\n",
            )],
        ),
    ];
    let world = World::new(|es| {
        es["spec"]["auth"] = json!({
            "fileRealm": [{ "secretName": "realm" }, { "secretName": "basic" }],
            "roles": [{ "secretName": "roles" }],
        });
    });
    let find = |name: &str| secrets.iter().find(|one| one.metadata.name.as_deref() == Some(name)).cloned();
    let (provided, problems) = read_provided(&world.es, &find);
    assert_eq!(problems, []);
    assert!(provided.has_elastic_user());
    let realm = world.realm(&[], &provided, None);
    let users = text(&realm, "users");
    assert!(
        users.contains("elastic:$2a$own\n")
            && users.contains("rd:$2a$rd\n")
            && users.contains("basic:$2a$10$")
    );
    assert!(text(&realm, "users_roles").contains("\nr:basic,elastic,rd\n"));
    let roles = text(&realm, "roles.yml");
    assert!(roles.contains("\nr:\n    cluster:\n        - all\n"), "{roles}");
    assert!(roles.contains("elastic_internal_probe_user:\n    cluster:\n        - none\n"));
    assert!(roles.contains("\nwith.dot: {}\n"));
}

#[test]
fn bad_secrets_are_named_and_left_out() {
    let check = |entries: Secret, expected: &str| {
        let es = elasticsearch(|es| es["spec"]["auth"] = json!({ "fileRealm": [{ "secretName": "s" }] }));
        let (provided, problems) = read_provided(&es, &|_| Some(entries.clone()));
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
        assert!(format!("{provided:?}").starts_with("Provided(0 users"));
    };
    check(secret("s", []), "the Secret s has no users and users_roles, nor username and password");
    check(secret("s", [("users", "nonsense"), ("users_roles", "")]), "users in the Secret s can't be read");
    check(
        secret("s", [("username", "u"), ("password", "short")]),
        "the password in the Secret s has fewer than 6 characters",
    );
    check(
        secret("s", [("username", "a:b"), ("password", "longenough")]),
        "username in the Secret s can't be read",
    );
    let es = elasticsearch(|es| es["spec"]["auth"] = json!({ "roles": [{ "secretName": "s" }] }));
    let problem = |found: Option<Secret>| read_provided(&es, &|_| found.clone()).1[0].to_string();
    assert_eq!(problem(None), "the Secret s does not exist");
    assert_eq!(problem(Some(secret("s", []))), "the Secret s has no roles.yml");
    assert_eq!(
        problem(Some(secret("s", [("roles.yml", "a: [")]))),
        "roles.yml in the Secret s can't be read"
    );
}

#[test]
fn a_disabled_elastic_user_leaves_no_line() {
    let world = World::new(|_| {});
    let provided = Provided::default();
    let inputs =
        Realm { elastic: None, internal: &world.internal, associated: &[], provided: &provided, live: None };
    let realm = file_realm(&world.es, &inputs, &world.hasher, &mut random()).unwrap();
    assert!(!text(&realm, "users").contains("elastic:"));
    assert!(text(&realm, "users_roles").ends_with("superuser:elastic-internal\n"));
}

#[test]
fn roles_of_a_policy_stay_until_they_are_taken_off_the_list() {
    let world = World::new(|_| {});
    let provided = |text: &str| {
        let es = elasticsearch(|es| es["spec"]["auth"] = json!({ "roles": [{ "secretName": "r" }] }));
        read_provided(&es, &|_| Some(secret("r", [("roles.yml", text)]))).0
    };
    let roles =
        |realm: &Secret| -> serde_json::Value { serde_saphyr::from_str(&text(realm, "roles.yml")).unwrap() };
    let annotation = |realm: &Secret, name: &str| realm.metadata.annotations.as_ref()?.get(name).cloned();
    const HASH: &str = "policy.k8s.elastic.co/elasticsearch-roles-hash";
    const PARTS: &str = "operator.parapet.dev/adopted-parts";
    let mine = provided("mine: {cluster: [monitor]}\nboth: {cluster: [monitor]}\n");
    let mut left = world.realm(&[], &mine, None);
    let written = text(&left, "roles.yml") + "of_policy:\n    cluster:\n        - manage\n";
    let written =
        written.replace("both:\n    cluster:\n        - monitor", "both:\n    cluster:\n        - all");
    left.data.as_mut().unwrap().insert("roles.yml".to_owned(), k8s_openapi::ByteString(written.into_bytes()));
    // Without a policy they are leftovers of the owner's.
    let plain = world.realm(&[], &mine, Some(&left));
    assert_eq!(roles(&plain).get("of_policy"), None);
    assert_eq!(annotation(&plain, PARTS), None);

    left.metadata.annotations.as_mut().unwrap().insert(HASH.to_owned(), "42".to_owned());
    let taken = world.realm(&[], &mine, Some(&left));
    assert_eq!(taken.data, left.data, "nothing changes at the takeover");
    assert_eq!(annotation(&taken, HASH).unwrap(), "42");
    assert_eq!(annotation(&taken, PARTS).unwrap(), r#"["both","of_policy"]"#);
    // The owner's go when the owner drops them, the policy's stay.
    let after = world.realm(&[], &Provided::default(), Some(&taken));
    assert_eq!(roles(&after).get("mine"), None);
    assert_eq!(roles(&after)["of_policy"], json!({ "cluster": ["manage"] }));
    assert_eq!(roles(&after)["both"], json!({ "cluster": ["all"] }));
    let mut edited = after.clone();
    edited.metadata.annotations.as_mut().unwrap().insert(PARTS.to_owned(), r#"["both"]"#.to_owned());
    let edited = world.realm(&[], &Provided::default(), Some(&edited));
    assert_eq!(roles(&edited).get("of_policy"), None);
    assert_eq!(annotation(&edited, PARTS).unwrap(), r#"["both"]"#);
}
