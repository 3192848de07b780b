//! Durations as Go writes them: never a panic; what is read is written so that it is read again; and parts add up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_api::GoDuration;

fuzz_target!(|texts: (&str, &str)| {
    let (one, other) = texts;
    let Ok(first) = one.parse::<GoDuration>() else { return };
    assert_eq!(first.to_string().parse(), Ok(first));
    assert_eq!(first.positive().is_some(), !first.get().is_negative());
    assert_eq!(format!("+{one}").parse::<GoDuration>().is_ok(), !one.starts_with(['+', '-']));
    // Behind a number with a unit another one may stand, without a sign.
    if one.ends_with(['s', 'm', 'h'])
        && !one.starts_with('-')
        && !other.starts_with(['+', '-'])
        && other != "0"
    {
        let both = format!("{one}{other}").parse::<GoDuration>();
        if let Ok(second) = other.parse::<GoDuration>() {
            // More nanoseconds than 64 bits have are refused, as Go refuses them.
            let sum = first.get().checked_add(second.get());
            let sum = sum.filter(|sum| i64::try_from(sum.as_nanos()).is_ok());
            assert_eq!(both.ok().map(GoDuration::get), sum);
        }
    }
});
