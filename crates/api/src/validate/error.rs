//! What a rule says, in the form that Kubernetes gives to its own.

use std::fmt;

use serde_json::Value;

/// One rule that an object breaks: `spec.version: Invalid value: "8.x": is not a version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where, such as `spec.nodeSets[0].name`.
    pub path: String,
    /// What kind of mistake.
    pub problem: Problem,
    /// What stands there, as JSON, if showing it helps and it can be no secret.
    pub value: Option<String>,
    /// Why that is wrong, in words.
    pub reason: String,
}

/// What kind of mistake, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The value is wrong.
    Invalid,
    /// The value stands there twice.
    Duplicate,
    /// There must be one.
    Required,
    /// There must be none, or it must not change.
    Forbidden,
}

impl Problem {
    /// As it is printed.
    pub fn words(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid value",
            Self::Duplicate => "Duplicate value",
            Self::Required => "Required value",
            Self::Forbidden => "Forbidden",
        }
    }

    /// As a cause in a Status of Kubernetes.
    pub fn cause(self) -> &'static str {
        match self {
            Self::Invalid => "FieldValueInvalid",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Required => "FieldValueRequired",
            Self::Forbidden => "FieldValueForbidden",
        }
    }
}

impl FieldError {
    /// A wrong value.
    pub fn invalid(path: impl Into<String>, value: impl Into<Value>, reason: impl Into<String>) -> Self {
        Self::new(path, Problem::Invalid, Some(value.into()), reason)
    }

    /// A value that must be there once.
    pub fn duplicate(path: impl Into<String>, value: impl Into<Value>, reason: impl Into<String>) -> Self {
        Self::new(path, Problem::Duplicate, Some(value.into()), reason)
    }

    /// A missing value.
    pub fn required(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(path, Problem::Required, None, reason)
    }

    /// A value that must not be there, or not change.
    pub fn forbidden(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(path, Problem::Forbidden, None, reason)
    }

    /// The part after the path, as a cause's message has it.
    pub fn message(&self) -> String {
        match &self.value {
            Some(value) => format!("{}: {value}: {}", self.problem.words(), self.reason),
            None => format!("{}: {}", self.problem.words(), self.reason),
        }
    }

    fn new(
        path: impl Into<String>,
        problem: Problem,
        value: Option<Value>,
        reason: impl Into<String>,
    ) -> Self {
        let value = value.map(|value| value.to_string());
        Self { path: path.into(), problem, value, reason: reason.into() }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message())
    }
}

impl std::error::Error for FieldError {}

/// Something that is accepted, and that its user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub path: String,
    /// What, in words.
    pub reason: String,
}

impl Warning {
    /// A warning.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}
