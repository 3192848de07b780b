//! Every form of output for anybody's objects: never a panic, JSON stays JSON, and names never become markup.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_reach::render::{self, Format};
use parapet_reach::{Cluster, DecodeOptions, Exposure, Listing, Options, Reachability, View};
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let Ok(Value::Array(objects)) = serde_json::from_slice::<Value>(text) else { return };
    let (cluster, _) = Cluster::from_objects(objects, &DecodeOptions::default());
    let options = Options::default();
    let listing = Listing::of(&cluster, &options, &View::default());
    let exposure = Exposure::of(&Reachability::compute(&cluster, &options), |_| true);
    for (_, format) in Format::ALL {
        for compatible in [false, true] {
            let text = render::listing(&listing, Some(&exposure), format, compatible);
            match format {
                Format::Json => assert!(serde_json::from_str::<Value>(&text).is_ok()),
                Format::Html => assert_eq!(text.matches("<script").count(), 1),
                Format::Svg => assert_eq!(text.matches("<script").count(), 0),
                _ => {}
            }
        }
    }
});
