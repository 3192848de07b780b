//! The filter: a small tree of conditions over a table's columns, checked against its schema.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Literal {
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text; for time columns an RFC 3339 instant.
    Text(String),
}

/// Which rows. A field is a column's name, or `attributes.KEY` or `resource.KEY` for what is in those JSON columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schema(no_recursion)]
pub enum Filter {
    /// All of them hold; true if empty.
    And(Vec<Filter>),
    /// One of them holds; false if empty.
    Or(Vec<Filter>),
    /// It does not hold; also true of rows where the field is null.
    Not(Box<Filter>),
    /// The field has this value.
    Eq {
        /// The field.
        field: String,
        /// The value.
        value: Literal,
    },
    /// The field has one of these values.
    In {
        /// The field.
        field: String,
        /// The values.
        values: Vec<Literal>,
    },
    /// The text field starts with this.
    Prefix {
        /// The field.
        field: String,
        /// How it starts.
        prefix: String,
    },
    /// The text field has this somewhere in it, in any case.
    Contains {
        /// The field.
        field: String,
        /// What it has in it.
        text: String,
    },
    /// The field is within these bounds.
    Range {
        /// The field.
        field: String,
        /// Inclusive lower bound.
        #[serde(default)]
        from: Option<Literal>,
        /// Exclusive upper bound.
        #[serde(default)]
        to: Option<Literal>,
    },
}
