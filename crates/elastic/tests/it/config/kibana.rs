//! `kibana.yml`.

use k8s_openapi::api::core::v1::Secret;
use parapet_elastic::association::Conf;
use parapet_elastic::config::{Association, Credentials, EncryptionKeys, KibanaInputs, Yml, kibana_secret};
use parapet_elastic::{IpFamily, Settings, config};
use serde_json::{Value, json};

use crate::given::{kibana, random, secret, text, without_tls};

fn keys(live: Option<&Secret>) -> EncryptionKeys {
    EncryptionKeys::kept_or_made(live, &mut random())
}

fn yml(change: impl FnOnce(&mut Value), association: Option<&Association<'_>>) -> Yml {
    let live = secret(
        "k-kb-config",
        [(
            "kibana.yml",
            "xpack:\n  security.encryptionKey: s\n  reporting.encryptionKey: r\n  encryptedSavedObjects.encryptionKey: o\n",
        )],
    );
    let inputs = KibanaInputs { elasticsearch: association, keys: &keys(Some(&live)) };
    config::kibana(&kibana(change), &inputs, &Settings::default()).unwrap()
}

fn conf(tls: bool) -> Conf {
    Conf {
        auth_secret_name: "k-kibana-user".to_owned(),
        auth_secret_key: "token".to_owned(),
        is_service_account: true,
        ca_cert_provided: tls,
        ca_secret_name: "k-kb-es-ca".to_owned(),
        url: format!("http{}://x-es-http.n.svc:9200", if tls { "s" } else { "" }),
        version: "8.15.3".to_owned(),
        ..Conf::default()
    }
}

#[test]
fn plain_with_a_service_account() {
    let conf = conf(true);
    let association = Association { conf: &conf, credentials: Credentials::Token("t".to_owned()) };
    insta::assert_snapshot!(yml(|_| {}, Some(&association)).text(), @r#"
    elasticsearch:
        hosts:
            - https://x-es-http.n.svc:9200
        serviceAccountToken: t
        ssl:
            certificateAuthorities: /usr/share/kibana/config/elasticsearch-certs/ca.crt
            verificationMode: certificate
    monitoring:
        ui:
            container:
                elasticsearch:
                    enabled: true
    server:
        host: "0.0.0.0"
        ssl:
            certificate: /mnt/elastic-internal/http-certs/tls.crt
            enabled: true
            key: /mnt/elastic-internal/http-certs/tls.key
    xpack:
        encryptedSavedObjects:
            encryptionKey: o
        license_management:
            ui:
                enabled: false
        reporting:
            encryptionKey: r
        security:
            encryptionKey: s
    "#);
}

#[test]
fn without_tls_on_either_side() {
    let conf = conf(false);
    let association = Association {
        conf: &conf,
        credentials: Credentials::Password {
            username: "n-k-kibana-user".to_owned(),
            password: "p".to_owned(),
        },
    };
    let config = yml(without_tls, Some(&association));
    assert!(config.get("server.ssl").is_none());
    assert!(config.text().contains("- http://x-es-http.n.svc:9200\n"));
    assert_eq!(config.text_at("elasticsearch.username").as_deref(), Some("n-k-kibana-user"));
    assert_eq!(config.text_at("elasticsearch.password").as_deref(), Some("p"));
    assert_eq!(config.text_at("elasticsearch.ssl.verificationMode").as_deref(), Some("certificate"));
    assert!(config.get("elasticsearch.ssl.certificateAuthorities").is_none());
    assert!(config.get("elasticsearch.serviceAccountToken").is_none());
}

#[test]
fn standalone_and_older_versions() {
    let config = yml(|_| {}, None);
    assert!(config.get("elasticsearch").is_none());
    let older = yml(|kibana| kibana["spec"]["version"] = json!("7.5.2"), None);
    assert!(older.get("xpack.encryptedSavedObjects").is_none());
    assert!(older.get("xpack.license_management").is_none());
    assert!(older.get("xpack.monitoring.ui.container.elasticsearch.enabled").is_some());
    let settings = Settings { ip_family: Some(IpFamily::V6), ..Settings::default() };
    let inputs = KibanaInputs { elasticsearch: None, keys: &keys(None) };
    let config = config::kibana(&kibana(|_| {}), &inputs, &settings).unwrap();
    assert_eq!(config.text_at("server.host").as_deref(), Some("::"));
}

#[test]
fn the_users_settings_win_and_lists_grow() {
    let conf = conf(true);
    let association = Association { conf: &conf, credentials: Credentials::None };
    let config = yml(
        |kibana| {
            kibana["spec"]["config"] =
                json!({ "server.host": "127.0.0.1", "elasticsearch.hosts": ["https://more:9200"] });
        },
        Some(&association),
    );
    assert_eq!(config.text_at("server.host").as_deref(), Some("127.0.0.1"));
    assert!(
        config.text().contains("- https://x-es-http.n.svc:9200\n        - https://more:9200\n"),
        "{}",
        config.text()
    );
}

#[test]
fn encryption_keys_are_made_once() {
    let kibana = kibana(|_| {});
    let first = keys(None);
    let inputs = KibanaInputs { elasticsearch: None, keys: &first };
    let config = config::kibana(&kibana, &inputs, &Settings::default()).unwrap();
    let key = config.text_at("xpack.encryptedSavedObjects.encryptionKey").unwrap();
    assert_eq!(key.len(), 64);
    assert_ne!(config.text_at("xpack.security.encryptionKey").unwrap(), key);
    let live = kibana_secret(&kibana, &config, None);
    assert_eq!(EncryptionKeys::kept_or_made(Some(&live), &mut |_| panic!("a key was made")), first);
    assert_eq!(format!("{first:?} {config:?}"), "EncryptionKeys(…) Yml(3 settings)", "no secret is shown");
}

#[test]
fn what_others_put_beside_the_configuration_is_kept() {
    let kibana = kibana(|_| {});
    let config = yml(|_| {}, None);
    let live = secret("k-kb-config", [("kibana.yml", ""), ("telemetry.yml", "usage"), ("odd", "x")]);
    let made = kibana_secret(&kibana, &config, Some(&live));
    assert_eq!(text(&made, "telemetry.yml"), "usage");
    assert_eq!(text(&made, "kibana.yml"), config.text());
    assert!(!made.data.unwrap().contains_key("odd"));
}

#[test]
fn credentials_are_read_from_either_kind_of_secret() {
    let read = |conf: &Conf, entries: &Secret| Credentials::read(conf, entries);
    let own = Conf { auth_secret_key: "n-k-kibana-user".to_owned(), is_service_account: false, ..conf(true) };
    let password = |name: &str| Credentials::Password { username: name.to_owned(), password: "p".to_owned() };
    assert_eq!(read(&own, &secret("s", [("n-k-kibana-user", "p")])), Some(password("n-k-kibana-user")));
    let external = Conf { auth_secret_key: "password".to_owned(), ..own };
    assert_eq!(read(&external, &secret("s", [("username", "u"), ("password", "p")])), Some(password("u")));
    assert_eq!(read(&conf(true), &secret("s", [("token", "t")])), Some(Credentials::Token("t".to_owned())));
    assert_eq!(read(&conf(true), &secret("s", [])), None);
    let none = Conf { auth_secret_name: "-".to_owned(), ..conf(true) };
    assert_eq!(read(&none, &secret("s", [])), Some(Credentials::None));
    assert_eq!(format!("{:?}", password("u")), "Password(…)");
}
