//! A configuration file of the guard's: never a panic, an error says where, and what is accepted asks about something.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use parapet_guard::authz::AttributeSource;
use parapet_guard::settings::parse_authorization;

fuzz_target!(|text: &str| {
    match parse_authorization(text, Path::new("config.yaml")) {
        Err(error) => assert!(error.to_string().starts_with("config.yaml")),
        Ok(authorization) => {
            if let AttributeSource::Resource(templates) = authorization.attributes {
                let fields = [
                    &templates.namespace,
                    &templates.group,
                    &templates.version,
                    &templates.resource,
                    &templates.subresource,
                    &templates.name,
                ];
                let has_places = fields.iter().any(|template| template.has_places());
                assert_eq!(has_places, templates.rewrites.is_some());
            }
        }
    }
});
