//! The committed examples.

use std::path::Path;

use crate::run::{Folder, Said};

/// What `policy generate` says of one of the documents' manifests and presets.
fn generated(document: &str, more: &[&str]) -> Said {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/source-documents");
    let manifests = examples.join(document);
    let folder = Folder::of(&[]);
    folder.parapet(&[&["policy", "generate", manifests.to_str().unwrap()], more].concat())
}

#[test]
fn the_hardened_examples_policies_are_proved_minimal() {
    let hardened = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hardened");
    let manifests = hardened.join("collection.yaml");
    let flows = hardened.join("flows.yaml");
    let words = |flows: &Path| {
        ["policy", "prove", "-f", manifests.to_str().unwrap(), "--flows", flows.to_str().unwrap()]
            .map(str::to_owned)
    };
    let folder = Folder::of(&[("fewer.yaml", "namespaces: [telemetry]\ndns: {enabled: false}\nflows: []\n")]);
    let proved = folder.parapet(&words(&flows).each_ref().map(String::as_str));
    assert_eq!(proved.code, 0, "{}", proved.err);
    assert!(proved.err.contains("proved for telemetry: "), "{}", proved.err);
    assert!(proved.err.contains(" 0 allow more than declared; 0 parts to spare"), "{}", proved.err);
    // With nothing declared the same policies are too wide.
    let wide = folder.parapet(&words(&folder.path("fewer.yaml")).each_ref().map(String::as_str));
    assert_eq!(wide.code, 1, "{}", wide.err);
}

#[test]
fn presets_lock_down_the_documents_own_manifests() {
    let addresses = ["--api-server", "10.96.0.1", "--node", "10.1.0.0/16"];
    for (document, preset, connections) in [
        ("000-operational-insights.yaml", "operational-insights=op-insights", 8),
        ("002-eck-istio.yaml", "elasticsearch=elastic/elastic-istio", 1),
        ("002-eck-istio.yaml", "kibana=elastic/elastic-istio", 3),
        ("002-eck-istio.yaml", "apm-server=elastic/elastic-istio", 4),
        ("003-collection.yaml", "sumologic-logs=sumologic", 6),
        ("003-collection.yaml", "sumologic-metrics=sumologic@monitoring", 6),
        ("003-collection.yaml", "prometheus=monitoring", 2),
        ("004-operator-metrics.yaml", "elastic-operator=elastic-system", 2),
        ("004-operator-metrics.yaml", "elastic-operator-metrics=elastic-system", 1),
    ] {
        let said = generated(document, &[&["--preset", preset][..], &addresses].concat());
        assert_eq!(said.code, 0, "{preset}: {}", said.err);
        let proved = format!(": {connections} connections declared, 0 missing; ");
        assert!(said.err.contains(&proved), "{preset}: {}", said.err);
        assert!(said.err.contains(" 0 allow more than declared; 0 parts to spare"), "{preset}: {}", said.err);
        // Annotations name the labels that were found, not those that others have.
        assert!(said.out.contains("default-deny") && !said.out.contains(" (or "), "{preset}: {}", said.out);
    }
}

#[test]
fn addresses_that_a_preset_needs_are_asked_for() {
    for (preset, expect) in [
        (
            "elastic-operator=elastic-system",
            "preset elastic-operator needs the addresses of the Kubernetes API",
        ),
        ("prometheus=elastic-system", "preset prometheus: nothing of it is there"),
    ] {
        let said = generated("004-operator-metrics.yaml", &["--preset", preset]);
        assert_eq!(said.code, 2, "{}", said.out);
        assert!(said.err.contains(expect), "{}", said.err);
    }
    let said = generated("004-operator-metrics.yaml", &["--preset", "elastic-operator=elastic-system"]);
    assert!(said.err.contains("with --api-server"), "{}", said.err);
}
