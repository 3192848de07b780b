//! `apm-server.yml`.

use parapet_elastic::association::Conf;
use parapet_elastic::config::{self, ApmServerInputs, Association, Credentials, apm_server_secret};
use serde_json::json;

use crate::given::{apm_server, text, without_tls};

fn conf(url: &str, ca_cert_provided: bool) -> Conf {
    Conf { url: url.to_owned(), ca_cert_provided, auth_secret_name: "s".to_owned(), ..Conf::default() }
}

fn password(user: &str) -> Credentials {
    Credentials::Password { username: user.to_owned(), password: "p".to_owned() }
}

#[test]
fn with_both_references() {
    let (es, kb) = (conf("https://x-es-http.n.svc:9200", true), conf("https://k-kb-http.n.svc:5601", true));
    let elasticsearch = Association { conf: &es, credentials: password("n-a-apm-user") };
    let kibana = Association { conf: &kb, credentials: password("n-a-apm-kb-user") };
    let inputs = ApmServerInputs { elasticsearch: Some(&elasticsearch), kibana: Some(&kibana) };
    let apm = apm_server(|_| {});
    let config = config::apm_server(&apm, &inputs).unwrap();
    insta::assert_snapshot!(config.text(), @r#"
    apm-server:
        auth:
            secret_token: ${SECRET_TOKEN}
        host: ":8200"
        kibana:
            enabled: true
            host: https://k-kb-http.n.svc:5601
            password: p
            ssl:
                certificate_authorities:
                    - config/kibana-certs/ca.crt
            username: n-a-apm-kb-user
        ssl:
            certificate: /mnt/elastic-internal/http-certs/tls.crt
            enabled: true
            key: /mnt/elastic-internal/http-certs/tls.key
    output:
        elasticsearch:
            hosts:
                - https://x-es-http.n.svc:9200
            password: p
            ssl:
                certificate_authorities:
                    - config/elasticsearch-certs/ca.crt
            username: n-a-apm-user
    "#);
    let made = apm_server_secret(&apm, &config, None);
    assert_eq!(made.metadata.name.as_deref(), Some("a-apm-config"));
    assert_eq!(text(&made, "apm-server.yml"), config.text());
}

#[test]
fn without_tls_on_either_side() {
    let es = conf("http://x-es-http.n.svc:9200", false);
    let elasticsearch = Association { conf: &es, credentials: password("u") };
    let inputs = ApmServerInputs { elasticsearch: Some(&elasticsearch), kibana: None };
    let config = config::apm_server(&apm_server(without_tls), &inputs).unwrap();
    assert!(!config.text().contains("ssl"), "{}", config.text());
    assert!(config.text().contains("- http://x-es-http.n.svc:9200\n"));
}

#[test]
fn standalone_older_and_with_the_users_own() {
    let built = |change: fn(&mut serde_json::Value)| {
        config::apm_server(&apm_server(change), &ApmServerInputs::default()).unwrap()
    };
    assert!(built(|_| {}).get("output").is_none());
    let older = built(|apm| apm["spec"]["version"] = json!("7.17.0"));
    assert_eq!(older.text_at("apm-server.secret_token").as_deref(), Some("${SECRET_TOKEN}"));
    assert!(older.get("apm-server.auth").is_none());
    let own = built(|apm| {
        apm["spec"]["config"] = json!({ "apm-server": { "host": "0.0.0.0:8200", "rum.enabled": true } });
    });
    assert_eq!(own.text_at("apm-server.host").as_deref(), Some("0.0.0.0:8200"));
    assert_eq!(own.text_at("apm-server.rum.enabled").as_deref(), Some("true"));
}
