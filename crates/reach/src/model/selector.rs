//! Labels, and selectors over them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels of a pod template or a namespace. Shared, because the pods of one workload have the same ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<BTreeMap<String, String>>);

impl Labels {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Every label, by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// True without a single label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same labels with one more, or with another value for `key`.
    pub fn with(&self, key: &str, value: &str) -> Self {
        let mut labels = (*self.0).clone();
        labels.insert(key.to_owned(), value.to_owned());
        Self(Arc::new(labels))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(Arc::new(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect()))
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for Labels {
    fn from(pairs: [(K, V); N]) -> Self {
        pairs.into_iter().collect()
    }
}

/// What is known of one label of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelValue<'a> {
    /// The key isn't there.
    Absent,
    /// The key is there, with this value.
    Known(&'a str),
    /// A controller will set the key to a value that manifests don't tell, such as `pod-template-hash`.
    Unknown,
}

/// A label selector: all requirements hold. Without any, it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// Entries of `matchLabels` (as `In` with one value) and `matchExpressions`, sorted.
    pub requirements: Vec<Requirement>,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What is asked of its value.
    pub operator: Operator,
}

/// The four operators of Kubernetes' label selectors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The key is present and its value is one of these (sorted).
    In(Vec<String>),
    /// The key is absent, or its value is none of these (sorted).
    NotIn(Vec<String>),
    /// The key is present.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

impl Selector {
    /// The selector that matches everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// `matchLabels` alone.
    pub fn labels<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::new(
            pairs.into_iter().map(|(key, value)| Requirement {
                key: key.into(),
                operator: Operator::In(vec![value.into()]),
            }),
        )
    }

    /// Of requirements in any order; equal selectors compare equal afterwards.
    pub fn new(requirements: impl IntoIterator<Item = Requirement>) -> Self {
        let mut requirements: Vec<_> = requirements.into_iter().map(Requirement::sorted).collect();
        requirements.sort();
        requirements.dedup();
        Self { requirements }
    }

    /// True if every object matches.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels, told by `look_up`, match.
    pub fn matches<'a>(&self, look_up: impl Fn(&str) -> LabelValue<'a>) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(look_up(&requirement.key)))
    }

    /// Whether known labels match.
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(|key| labels.get(key).map_or(LabelValue::Absent, LabelValue::Known))
    }
}

impl Requirement {
    fn sorted(mut self) -> Self {
        if let Operator::In(values) | Operator::NotIn(values) = &mut self.operator {
            values.sort();
            values.dedup();
        }
        self
    }

    fn holds(&self, value: LabelValue<'_>) -> bool {
        let is_one_of = |values: &[String]| match value {
            LabelValue::Known(value) => values.iter().any(|one| one == value),
            LabelValue::Absent | LabelValue::Unknown => false,
        };
        match &self.operator {
            Operator::In(values) => is_one_of(values),
            Operator::NotIn(values) => !is_one_of(values),
            Operator::Exists => value != LabelValue::Absent,
            Operator::DoesNotExist => value == LabelValue::Absent,
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, Requirement { key, operator }) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match operator {
                Operator::In(values) if values.len() == 1 => write!(f, "{key}={}", values[0])?,
                Operator::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Operator::Exists => f.write_str(key)?,
                Operator::DoesNotExist => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}
