//! The committed examples.

use std::path::Path;

use crate::run::Folder;

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
