//! What a token says of itself, unverified: enough to spare the API server a question whose answer is known, and to
//! keep no answer longer than the token lives. Never a reason to let anybody in.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Number;

/// How far clocks may be apart before a token counts as ended: the leeway of the API server's own check.
const LEEWAY_SECONDS: i64 = 60;

/// When a token that looks like a JWT says it begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenTimes {
    /// `exp`.
    pub ends: Option<Timestamp>,
    /// `nbf`.
    pub begins: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    exp: Option<serde_json::Value>,
    #[serde(default)]
    nbf: Option<serde_json::Value>,
}

impl TokenTimes {
    /// Of any token: one that isn't a JWT says nothing.
    pub fn of(token: &str) -> Self {
        let Ok(claims) = jsonwebtoken::dangerous::insecure_decode_claims::<Claims>(token) else {
            return Self::default();
        };
        let at = |claim: Option<serde_json::Value>| match claim {
            Some(serde_json::Value::Number(seconds)) => timestamp(&seconds),
            _ => None,
        };
        Self { ends: at(claims.exp), begins: at(claims.nbf) }
    }

    /// Whether no check of its times can still succeed at `now`.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ends.is_some_and(|ends| now.as_second() > ends.as_second().saturating_add(LEEWAY_SECONDS))
    }

    /// Whether it can't have begun at `now`.
    pub fn is_early(&self, now: Timestamp) -> bool {
        self.begins.is_some_and(|begins| now.as_second() < begins.as_second().saturating_sub(LEEWAY_SECONDS))
    }
}

/// RFC 7519's NumericDate: seconds since 1970, perhaps with a fraction. Rounded down.
pub(crate) fn timestamp(seconds: &Number) -> Option<Timestamp> {
    let whole = seconds.as_i64().or_else(|| {
        let seconds = seconds.as_f64()?.floor();
        // Far beyond all dates, and well within what both types hold exactly.
        (seconds.abs() < 1e15).then_some(seconds as i64)
    })?;
    Timestamp::from_second(whole).ok()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn of(claims: &str) -> TokenTimes {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        TokenTimes::of(&format!("{}.{}.c2ln", part(r#"{"alg":"RS256"}"#), part(claims)))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn times_of_a_jwt() {
        assert_eq!(
            of(r#"{"exp":1000,"nbf":900}"#),
            TokenTimes { ends: Some(at(1000)), begins: Some(at(900)) }
        );
        assert_eq!(of(r#"{"exp":1000.9}"#).ends, Some(at(1000)));
        for claims in
            [r#"{"exp":"1000"}"#, r#"{"exp":null}"#, r#"{"exp":1e300}"#, r#"{"exp":[1]}"#, "{}", "[]", "x"]
        {
            assert_eq!(of(claims).ends, None, "{claims}");
        }
    }

    #[test]
    fn other_tokens_say_nothing() {
        for token in ["", "abc", "a.b.c", "...", "a.b", "ab.cd.ef.gh"] {
            assert_eq!(TokenTimes::of(token), TokenTimes::default(), "{token}");
        }
    }

    #[test]
    fn over_and_early_leave_room_for_clocks() {
        let times = of(r#"{"exp":1000,"nbf":900}"#);
        assert_eq!([1000, 1060, 1061].map(|now| times.is_over(at(now))), [false, false, true]);
        assert_eq!([839, 840, 900].map(|now| times.is_early(at(now))), [true, false, false]);
    }
}
