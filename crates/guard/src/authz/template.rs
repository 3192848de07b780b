//! Texts with a place for a caller's value, `{{ .Value }}`: all of Go's template language that means anything here.
//!
//! kube-rbac-proxy takes any template, and drops connections at run time if it was malformed. Here a text that isn't
//! understood to its last brace is refused when it is loaded.

use std::fmt;

/// A text with any number of places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The text before, between and after the places: one more than there are places. Empty for an empty text.
    texts: Vec<String>,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{{` without `}}`.
    #[error("\"{{{{\" is never closed")]
    Open,
    /// Something else than the value between the braces.
    #[error("\"{{{{{0}}}}}\" is not understood: only {{{{ .Value }}}} stands for something")]
    Unknown(String),
}

impl Template {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut texts = Vec::new();
        let mut rest = text;
        while let Some((before, opened)) = rest.split_once("{{") {
            let (inner, after) = opened.split_once("}}").ok_or(TemplateError::Open)?;
            // What Go takes for white space inside an action.
            if inner.trim_matches([' ', '\t', '\r', '\n']) != ".Value" {
                return Err(TemplateError::Unknown(inner.to_owned()));
            }
            texts.push(before.to_owned());
            rest = after;
        }
        texts.push(rest.to_owned());
        Ok(Self { texts })
    }

    /// Whether a value has a place in it.
    pub fn has_places(&self) -> bool {
        self.texts.len() > 1
    }

    /// The text with `value` in each place. The value is put in as it is: it has been checked to be a name.
    pub fn with(&self, value: &str) -> String {
        self.texts.join(value)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with("{{ .Value }}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places() {
        let with = |text| Template::parse(text).unwrap().with("x");
        assert_eq!(with(""), "");
        assert_eq!(with("plain"), "plain");
        assert_eq!(with("{{ .Value }}"), "x");
        assert_eq!(with("a-{{.Value}}-{{\t.Value\n}}"), "a-x-x");
        assert_eq!(with("}} {"), "}} {");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let error = |text: &str| Template::parse(text).unwrap_err();
        assert_eq!(error("{{ .Value "), TemplateError::Open);
        for inner in
            ["", " ", ".value", ".Value.x", "- .Value -", "printf .Value", "{.Value", "/* */", "if .Value"]
        {
            assert_eq!(error(&format!("a{{{{{inner}}}}}")), TemplateError::Unknown(inner.to_owned()));
        }
        assert_eq!(
            error("{{ .Name }}").to_string(),
            "\"{{ .Name }}\" is not understood: only {{ .Value }} stands for something"
        );
    }

    proptest! {
        /// The oracle: replace the one spelling, as text.
        #[test]
        fn one_spelling_of_the_place_is_replaced_everywhere(
            pieces in prop::collection::vec(prop_oneof![Just("{{ .Value }}"), Just("a"), Just("-"), Just("}"), Just(" ")], 0..8),
            value in "[a-z0-9.-]{0,8}",
        ) {
            let text = pieces.concat();
            let template = Template::parse(&text).unwrap();
            prop_assert_eq!(template.with(&value), text.replace("{{ .Value }}", &value));
            prop_assert_eq!(template.has_places(), text.contains("{{ .Value }}"));
        }

        #[test]
        fn no_text_is_a_panic(text in "[{}. Valuex-]{0,20}") {
            if let Ok(template) = Template::parse(&text) {
                template.with("x");
            }
        }
    }
}
