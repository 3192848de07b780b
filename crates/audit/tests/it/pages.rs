//! `docs/rules/` is made of the rules; `UPDATE_REFERENCE=1` writes it anew.

use std::fs;
use std::path::Path;

#[test]
fn the_pages_are_those_of_the_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../../docs/rules");
    let fixture = |id: &str, name: &str| {
        fs::read_to_string(root.join(format!("tests/fixtures/{id}/{name}.yaml"))).unwrap_or_default()
    };
    let pages = parapet_audit::pages(&fixture);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &pages {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    for (name, text) in &pages {
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == *text,
            "docs/rules/{name} is not what the rules say: UPDATE_REFERENCE=1 cargo test -p parapet-audit"
        );
    }
    let files = fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, pages.len(), "docs/rules has a page of a rule that is gone");
}
