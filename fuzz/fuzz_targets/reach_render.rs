//! Every form of output for anybody's objects: never a panic, JSON stays JSON, and names never become markup.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_reach::render::{self, Compared, Format};
use parapet_reach::{Cluster, DecodeOptions, Exposure, Listing, Options, Reachability, View};
use serde_json::Value;

fuzz_target!(|text: &[u8]| {
    let Ok(Value::Array(objects)) = serde_json::from_slice::<Value>(text) else { return };
    let (cluster, _) = Cluster::from_objects(objects, &DecodeOptions::default());
    let options = Options::default();
    let listing = Listing::of(&cluster, &options, &View::default());
    let reachability = Reachability::compute(&cluster, &options);
    let exposure = Exposure::of(&reachability, |_| true);
    // What becomes of everything where there was nothing.
    let nothing = Cluster::default();
    let lines = render::diff_lines(&Reachability::compute(&nothing, &options), &reachability, false);
    let compared =
        Compared { names: ("before", "after"), options: &options, incomplete: false, compatible: false };
    for (_, format) in Format::ALL {
        let text = render::diff(&lines, &compared, format);
        match format {
            Format::Json => assert!(serde_json::from_str::<Value>(&text).is_ok()),
            Format::Html | Format::Svg => assert_eq!(text.matches("<script").count(), 0),
            _ => {}
        }
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
