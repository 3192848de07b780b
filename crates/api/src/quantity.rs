//! Quantities of Kubernetes, compared by what they are worth: `1Gi` is `1024Mi` and `1073741824`.
//!
//! The grammar: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>. No crate that is kept
//! does this for k8s-openapi's own type.

use std::{fmt, str::FromStr};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What a quantity is worth, exactly, in billionths: the smallest unit that Kubernetes knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount {
    nanos: i128,
}

/// A quantity that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a quantity like 500m, 2Gi or 1e3")]
pub struct QuantityError {
    /// What was written.
    pub text: String,
}

const NANO: i128 = 1_000_000_000;

/// Suffixes and what one of each is worth, in billionths.
const SUFFIXES: [(&str, i128); 15] = [
    ("Ki", NANO << 10),
    ("Mi", NANO << 20),
    ("Gi", NANO << 30),
    ("Ti", NANO << 40),
    ("Pi", NANO << 50),
    ("Ei", NANO << 60),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", NANO * 1_000),
    ("M", NANO * 1_000_000),
    ("G", NANO * 1_000_000_000),
    ("T", NANO * 1_000_000_000_000),
    ("P", NANO * 1_000_000_000_000_000),
    ("E", NANO * 1_000_000_000_000_000_000),
];

/// The most digits that are read: as many as the largest amount has, so that what is written is read again.
const MAX_DIGITS: usize = 39;

impl Amount {
    /// The amount in whole units, rounded up, such as bytes.
    pub fn units(self) -> i128 {
        self.nanos.div_euclid(NANO) + i128::from(self.nanos.rem_euclid(NANO) != 0)
    }

    /// The amount in thousandths, rounded up, such as millicores.
    pub fn millis(self) -> i128 {
        const MILLI: i128 = 1_000_000;
        self.nanos.div_euclid(MILLI) + i128::from(self.nanos.rem_euclid(MILLI) != 0)
    }
}

impl TryFrom<&Quantity> for Amount {
    type Error = QuantityError;
    fn try_from(quantity: &Quantity) -> Result<Self, QuantityError> {
        quantity.0.parse()
    }
}

impl FromStr for Amount {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        nanos(text).map(|nanos| Self { nanos }).ok_or_else(|| QuantityError { text: text.to_owned() })
    }
}

impl fmt::Display for Amount {
    /// In billionths, which any reader of quantities takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}n", self.nanos)
    }
}

/// Whether two quantities are worth the same. What can't be read is only equal to itself.
pub fn same_quantity(one: &Quantity, other: &Quantity) -> bool {
    match (Amount::try_from(one), Amount::try_from(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn nanos(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = &text[..text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len())];
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    if digits.len() > MAX_DIGITS {
        return None;
    }
    let digits: i128 = digits.parse().ok()?;
    let suffix = &text[number.len()..];
    let (numerator, mut denominator) = scale(suffix)?;
    denominator = denominator.checked_mul(10_i128.checked_pow(fraction.len() as u32)?)?;
    let product = digits.checked_mul(numerator)?;
    // Below a billionth it is rounded away from zero, as Kubernetes does.
    let nanos = product / denominator + i128::from(product % denominator != 0);
    Some(if negative { -nanos } else { nanos })
}

/// What a suffix multiplies with, as billionths over a divisor.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    if suffix.is_empty() {
        return Some((NANO, 1));
    }
    if let Some((_, worth)) = SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Some((*worth, 1));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let exponent: i32 = exponent.parse().ok()?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    if exponent < 0 { Some((NANO, power)) } else { Some((NANO.checked_mul(power)?, 1)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(one: &str, other: &str) {
        assert_eq!(one.parse::<Amount>().unwrap(), other.parse::<Amount>().unwrap(), "{one} {other}");
    }

    #[test]
    fn quantities_that_are_worth_the_same_are_equal() {
        check("1Gi", "1024Mi");
        check("1Gi", "1073741824");
        check("0.5", "500m");
        check("1.5Gi", "1536Mi");
        check("1e3", "1k");
        check("1E3", "1000");
        check("1E", "1000P");
        check("100m", "0.1");
        check("5e-1", "500m");
        check("+1", "1.");
        check(".5", "0.50");
        check("0", "0Gi");
        check("-1", "-1000m");
        check("1E21", "1000000000000000000000000000000n");
        // Smaller than Kubernetes keeps: rounded up.
        check("0.1n", "1n");
        assert!("1Gi".parse::<Amount>().unwrap() > "1G".parse::<Amount>().unwrap());
        assert_eq!("1500m".parse::<Amount>().unwrap().units(), 2);
        assert_eq!("2Ki".parse::<Amount>().unwrap().units(), 2048);
        assert_eq!("0.25".parse::<Amount>().unwrap().millis(), 250);
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for bad in [
            "", "-", "Gi", "1 Gi", "1gi", "1KI", "1K", "1.2.3", "1e", "1e+", "e3", "--1", "0x10", "1e99", "٣",
        ] {
            assert!(bad.parse::<Amount>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_equal_to_itself_only() {
        let quantity = |text: &str| Quantity(text.to_owned());
        assert!(same_quantity(&quantity("1Gi"), &quantity("1024Mi")));
        assert!(same_quantity(&quantity("junk"), &quantity("junk")));
        assert!(!same_quantity(&quantity("junk"), &quantity("1")));
    }

    proptest! {
        /// Scaling by hand is the oracle: a number with a suffix is that number of the suffix's units.
        #[test]
        fn a_suffix_is_a_factor(number in 0_u32..1_000_000, which in 0_usize..SUFFIXES.len()) {
            let (suffix, worth) = SUFFIXES[which];
            let amount: Amount = format!("{number}{suffix}").parse().unwrap();
            prop_assert_eq!(amount.to_string(), format!("{}n", i128::from(number) * worth));
        }

        #[test]
        fn what_is_written_is_read_again(nanos in -i128::MAX..=i128::MAX) {
            let amount = Amount { nanos };
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[-+]?[0-9.]{0,40}[eEkKMGTPnum]{0,2}[-+i]?[0-9]{0,12}") {
            let _ = text.parse::<Amount>();
        }
    }
}
