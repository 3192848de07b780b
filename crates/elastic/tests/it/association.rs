//! What references make on both sides.

use parapet_api::ObjectSelector;
use parapet_elastic::Settings;
use parapet_elastic::association::{
    AssociationKind, Conf, Target, apm_user_roles, authority_copy, external, has_authority, password_user,
    service_account, service_url,
};
use parapet_elastic::users::Hasher;
use serde_json::{Value, json};

use crate::given::{apm_server, elasticsearch, kibana, random, secret, text, without_tls};

const TARGET: Target<'static> = Target { name: "x", namespace: "data" };

fn es() -> parapet_api::Elasticsearch {
    elasticsearch(|es| es["metadata"]["namespace"] = json!("data"))
}

fn labels(secret: &k8s_openapi::api::core::v1::Secret) -> Value {
    serde_json::to_value(secret.metadata.labels.as_ref().unwrap()).unwrap()
}

#[test]
fn the_annotation_has_its_fields_in_order() {
    let conf = Conf {
        auth_secret_name: "k-kibana-user".to_owned(),
        auth_secret_key: "token".to_owned(),
        is_service_account: true,
        ca_cert_provided: true,
        ca_secret_name: "k-kb-es-ca".to_owned(),
        url: "https://x-es-http.n.svc:9200".to_owned(),
        version: "8.15.3".to_owned(),
        ..Conf::default()
    };
    let text = conf.to_annotation();
    assert_eq!(
        text,
        r#"{"authSecretName":"k-kibana-user","authSecretKey":"token","isApiKey":false,"isServiceAccount":true,"caCertProvided":true,"caSecretName":"k-kb-es-ca","url":"https://x-es-http.n.svc:9200","version":"8.15.3"}"#
    );
    assert_eq!(Conf::from_annotation(&text), Some(conf));
    assert_eq!(Conf::from_annotation("{"), None);
    assert_eq!(Conf::from_annotation("{}"), None);
}

#[test]
fn names() {
    use AssociationKind::{
        ApmElasticsearch, ApmKibana, ElasticsearchMonitoring, KibanaElasticsearch, KibanaMonitoring,
    };
    let check = |kind: AssociationKind, ca: &str, secret: &str, user: &str, annotation: &str| {
        let selector = ObjectSelector { name: Some("x".to_owned()), ..ObjectSelector::default() };
        assert_eq!(kind.authority_secret("r", &TARGET), ca);
        assert_eq!(kind.user_secret("r", &TARGET), secret);
        assert_eq!(kind.user_name("n", "r", &TARGET), user);
        assert_eq!(kind.annotation(&selector, "data"), format!("association.k8s.elastic.co/{annotation}"));
    };
    check(KibanaElasticsearch, "r-kb-es-ca", "r-kibana-user", "n-r-kibana-user", "es-conf");
    check(ApmElasticsearch, "r-apm-es-ca", "r-apm-user", "n-r-apm-user", "es-conf");
    check(ApmKibana, "r-apm-kibana-ca", "r-apm-kb-user", "n-r-apm-kb-user", "kb-conf");
    let (es, kibana) = ("r-data-x-beat-es-mon-user", "r-data-x-beat-kb-mon-user");
    let of = |user: &str| format!("n-{user}");
    check(ElasticsearchMonitoring, "r-es-monitoring-data-x-ca", es, &of(es), "es-conf-1875108930");
    check(KibanaMonitoring, "r-kb-monitoring-data-x-ca", kibana, &of(kibana), "es-conf-1875108930");
}

#[test]
fn a_monitored_clusters_user_lives_where_its_metrics_go() {
    let (monitored, hasher) = (elasticsearch(|_| {}), Hasher::new(10));
    let kind = AssociationKind::ElasticsearchMonitoring;
    let roles = ["eck_stack_mon_user_role"];
    let made =
        password_user(kind, &monitored, &TARGET, &es(), &roles, (None, None), &hasher, 24, &mut random());
    let user = "n-x-data-x-beat-es-mon-user";
    assert_eq!(made.referrer.metadata.name.as_deref(), Some("x-data-x-beat-es-mon-user"));
    assert_eq!(text(&made.referrer, user).len(), 24);
    assert_eq!(text(&made.elasticsearch, "name"), user);
    assert_eq!(text(&made.elasticsearch, "userRoles"), roles[0]);
    let association = json!({
        "esassociation.k8s.elastic.co/name": "x",
        "esassociation.k8s.elastic.co/namespace": "n",
        "esassociation.k8s.elastic.co/type": "es-monitoring",
        "elasticsearch.k8s.elastic.co/cluster-name": "x",
        "elasticsearch.k8s.elastic.co/cluster-namespace": "data",
        "eck.k8s.elastic.co/watched": "true",
    });
    let with = |key: &str, value: &str| {
        let mut all = association.clone();
        all[key] = json!(value);
        all
    };
    assert_eq!(labels(&made.referrer), with("eck.k8s.elastic.co/credentials", "true"));
    assert_eq!(labels(&made.elasticsearch), with("common.k8s.elastic.co/type", "user"));
    let copy = authority_copy(kind, &monitored, &TARGET, &secret("s", [("ca.crt", "CA")]));
    assert_eq!(copy.metadata.name.as_deref(), Some("x-es-monitoring-data-x-ca"));
    assert_eq!(labels(&copy), association);
}

#[test]
fn kibanas_service_account() {
    let kibana = kibana(|_| {});
    let made = service_account(&kibana, &TARGET, &es(), None, &mut random());
    assert_eq!(made.referrer.metadata.name.as_deref(), Some("k-kibana-user"));
    assert_eq!(made.referrer.metadata.namespace.as_deref(), Some("n"));
    assert_eq!(made.referrer.metadata.owner_references.as_ref().unwrap()[0].kind, "Kibana");
    assert_eq!(text(&made.referrer, "name"), "n_k_uid-k");
    assert_eq!(text(&made.referrer, "serviceAccount"), "elastic/kibana");
    assert_eq!(made.elasticsearch.metadata.name.as_deref(), Some("n-k-kibana-user"));
    assert_eq!(made.elasticsearch.metadata.namespace.as_deref(), Some("data"));
    assert_eq!(made.elasticsearch.metadata.owner_references.as_ref().unwrap()[0].kind, "Elasticsearch");
    assert_eq!(text(&made.elasticsearch, "name"), "elastic/kibana/n_k_uid-k");
    assert_eq!(text(&made.elasticsearch, "hash"), text(&made.referrer, "hash"));
    let association = json!({
        "kibanaassociation.k8s.elastic.co/name": "k",
        "kibanaassociation.k8s.elastic.co/namespace": "n",
        "kibanaassociation.k8s.elastic.co/type": "elasticsearch",
        "elasticsearch.k8s.elastic.co/cluster-name": "x",
        "elasticsearch.k8s.elastic.co/cluster-namespace": "data",
        "eck.k8s.elastic.co/watched": "true",
    });
    let with = |key: &str, value: &str| {
        let mut all = association.clone();
        all[key] = json!(value);
        all
    };
    assert_eq!(labels(&made.referrer), with("eck.k8s.elastic.co/credentials", "true"));
    assert_eq!(labels(&made.elasticsearch), with("common.k8s.elastic.co/type", "service-account-token"));

    let never = &mut |_: &mut [u8]| panic!("a token was made");
    let again = service_account(&kibana, &TARGET, &es(), Some(&made.referrer), never);
    assert_eq!((again.referrer, again.elasticsearch), (made.referrer.clone(), made.elasticsearch));
    let reborn = crate::given::kibana(|kibana| kibana["metadata"]["uid"] = json!("other"));
    let other = service_account(&reborn, &TARGET, &es(), Some(&made.referrer), &mut random());
    assert_eq!(text(&other.referrer, "name"), "n_k_other", "a Kibana of the same name gets its own");
}

#[test]
fn users_with_passwords() {
    let (apm, hasher) = (apm_server(|_| {}), Hasher::new(10));
    let kind = AssociationKind::ApmElasticsearch;
    let roles = apm_user_roles(&"8.15.3".parse().unwrap());
    let made = password_user(kind, &apm, &TARGET, &es(), roles, (None, None), &hasher, 24, &mut random());
    let password = text(&made.referrer, "n-a-apm-user");
    assert_eq!(password.len(), 24);
    assert_eq!(text(&made.elasticsearch, "userRoles"), "eck_apm_user_role_v87,apm_system");
    assert!(hasher.fits(&password, &text(&made.elasticsearch, "passwordHash")));
    let live = (Some(&made.referrer), Some(&made.elasticsearch));
    let never = &mut |_: &mut [u8]| panic!("something was drawn");
    let again = password_user(kind, &apm, &TARGET, &es(), roles, live, &Hasher::new(10), 24, never);
    assert_eq!((again.referrer, again.elasticsearch), (made.referrer, made.elasticsearch));
}

#[test]
fn apms_user_in_kibana_lives_in_kibanas_elasticsearch() {
    let apm = apm_server(|_| {});
    let (kind, target) = (AssociationKind::ApmKibana, Target { name: "k", namespace: "n" });
    let roles = ["eck_apm_agent_user_role"];
    let made =
        password_user(kind, &apm, &target, &es(), &roles, (None, None), &Hasher::new(1), 24, &mut random());
    assert_eq!(made.elasticsearch.metadata.namespace.as_deref(), Some("data"));
    assert_eq!(text(&made.elasticsearch, "name"), "n-a-apm-kb-user");
    let referrer = labels(&made.referrer);
    assert_eq!(referrer["kibana.k8s.elastic.co/name"], "k");
    assert_eq!(referrer["apmassociation.k8s.elastic.co/type"], "kibana");
    assert_eq!(referrer.get("elasticsearch.k8s.elastic.co/cluster-namespace"), None);
}

#[test]
fn apms_roles_by_version() {
    let check = |version: &str, expected: &str| {
        assert_eq!(apm_user_roles(&version.parse().unwrap()).join(","), expected);
    };
    check("8.7.0", "eck_apm_user_role_v87,apm_system");
    check("8.6.2", "eck_apm_user_role_v80,apm_system");
    check("7.17.0", "eck_apm_user_role_v75,ingest_admin,apm_system");
    check("7.4.2", "eck_apm_user_role_v7,ingest_admin,apm_system");
}

#[test]
fn the_authority_is_copied_without_a_key() {
    let public = secret("x-es-http-certs-public", [("ca.crt", "CA"), ("tls.crt", "LEAF"), ("odd", "x")]);
    let copy = authority_copy(AssociationKind::KibanaElasticsearch, &kibana(|_| {}), &TARGET, &public);
    assert_eq!(copy.metadata.name.as_deref(), Some("k-kb-es-ca"));
    assert_eq!((text(&copy, "ca.crt"), text(&copy, "tls.crt")), ("CA".to_owned(), "LEAF".to_owned()));
    assert_eq!(copy.data.as_ref().unwrap().len(), 2);
    assert_eq!(labels(&copy).get("common.k8s.elastic.co/type"), None);
    assert!(has_authority(&public));
    assert!(!has_authority(&secret("s", [("ca.crt", ""), ("tls.crt", "LEAF")])));
}

#[test]
fn urls_follow_the_services_port() {
    let settings = Settings::default();
    let url = |es: &parapet_api::Elasticsearch| {
        let services = parapet_elastic::services::elasticsearch_fixed(es, &settings);
        service_url(&services[1], "n").map_err(|error| error.to_string())
    };
    assert_eq!(url(&elasticsearch(|_| {})).unwrap(), "https://x-es-http.n.svc:9200");
    assert_eq!(url(&elasticsearch(without_tls)).unwrap(), "http://x-es-http.n.svc:9200");
    let ported = |name: &str, port: i32| {
        elasticsearch(|es| {
            es["spec"]["http"] =
                json!({ "service": { "spec": { "ports": [{ "name": name, "port": port }] } } });
        })
    };
    assert_eq!(url(&ported("https", 443)).unwrap(), "https://x-es-http.n.svc:443");
    assert_eq!(
        url(&ported("web", 443)).unwrap_err(),
        "the Service x-es-http has no port named https or http"
    );
}

#[test]
fn targets_that_nobody_here_manages() {
    let conf = external(
        &secret(
            "ext",
            [("url", "https://es.example:9243"), ("username", "u"), ("password", "p"), ("ca.crt", "CA")],
        ),
        "8.15.3",
    )
    .unwrap();
    assert_eq!((conf.auth_secret_name.as_str(), conf.auth_secret_key.as_str()), ("ext", "password"));
    assert_eq!((conf.ca_cert_provided, conf.ca_secret_name.as_str()), (true, "ext"));
    let refused =
        |entries: k8s_openapi::api::core::v1::Secret| external(&entries, "8.15.3").unwrap_err().to_string();
    assert_eq!(refused(secret("ext", [])), "the Secret ext has no key url");
    assert_eq!(
        refused(secret("ext", [("url", "https://a"), ("username", "u")])),
        "the Secret ext has no key password"
    );
    assert_eq!(
        refused(secret("ext", [("url", "ftp://a"), ("username", "u"), ("password", "p")])),
        "url in the Secret ext begins neither with https:// nor with http://"
    );
}
