//! An error with what caused it, for one field of a log line.

use std::error::Error;
use std::fmt;

/// Writes an error and its causes, outermost first, as `a: b: c`. A formatter of log lines that is handed the error itself
/// may write the outermost only. Our errors name files and tables, never what a caller sent to prove itself.
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors of libraries end in the text of their cause.
            if !said.ends_with(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Failure(&'static str, Option<Box<Failure>>);

    impl fmt::Display for Failure {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Failure {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn every_cause_is_written_once() {
        let check = |texts: &[&'static str], expect: &str| {
            let failure = texts.iter().rev().fold(None, |cause, text| Some(Box::new(Failure(text, cause))));
            assert_eq!(Causes(&*failure.unwrap()).to_string(), expect);
        };
        check(&["alone"], "alone");
        check(&["query failed", "reading a segment failed", "no such file"], {
            "query failed: reading a segment failed: no such file"
        });
        check(&["open: denied", "denied", "os error 13"], "open: denied: os error 13");
    }
}
