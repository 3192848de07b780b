//! The filter: a small tree of conditions over a table's columns, checked against its schema before anything is planned.
//! Nothing that a user wrote becomes SQL text: every value is a literal of the column's type.

mod text;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::Like;
use datafusion::prelude::{ident, lit};
use parapet_signal::Signal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::QueryError;
use crate::scan::micros;
use crate::sql::functions::attr;
use crate::time::parse_rfc3339;

pub(crate) use text::words;

/// Deeper than any form or URL of ours nests.
const MAX_DEPTH: usize = 16;
/// Conditions and values together; planning takes time for each.
const MAX_SIZE: usize = 2_000;
/// Bytes of one value; longer texts are what `body` has, not what people look for.
const MAX_TEXT: usize = 4_096;

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

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// Which rows. A field is a column's name, or `attributes.KEY` or `resource.KEY` for what is in those JSON columns; numbers and
/// truth values there are compared as text.
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

impl Filter {
    /// The field has this value.
    pub fn eq(field: &str, value: impl Into<Literal>) -> Self {
        Self::Eq { field: field.to_owned(), value: value.into() }
    }

    /// Whether rows of this signal can be filtered so; if not, what is wrong is a bad request.
    pub fn check(&self, signal: Signal) -> Result<(), QueryError> {
        self.to_expr(&parapet_store::schema(signal)).map(drop)
    }

    /// As an expression over a table of that schema; an unknown field, a value of the wrong type or too large a tree is
    /// a bad request.
    pub(crate) fn to_expr(&self, schema: &Schema) -> Result<Expr, QueryError> {
        let mut size = 0;
        self.measure(0, &mut size)?;
        self.compile(schema)
    }

    fn measure(&self, depth: usize, size: &mut usize) -> Result<(), QueryError> {
        *size += 1;
        if let Self::In { values, .. } = self {
            *size += values.len();
        }
        if depth > MAX_DEPTH || *size > MAX_SIZE {
            return Err(QueryError::BadRequest(format!(
                "the filter is too large: at most {MAX_DEPTH} levels, and {MAX_SIZE} conditions and values"
            )));
        }
        match self {
            Self::And(parts) | Self::Or(parts) => {
                parts.iter().try_for_each(|part| part.measure(depth + 1, size))
            }
            Self::Not(inner) => inner.measure(depth + 1, size),
            Self::Eq { .. }
            | Self::In { .. }
            | Self::Prefix { .. }
            | Self::Contains { .. }
            | Self::Range { .. } => Ok(()),
        }
    }

    fn compile(&self, schema: &Schema) -> Result<Expr, QueryError> {
        match self {
            Self::And(parts) => join(parts, schema, true, Expr::and),
            Self::Or(parts) => join(parts, schema, false, Expr::or),
            Self::Not(inner) => Ok(inner.compile(schema)?.is_not_true()),
            Self::Eq { field, value } => {
                let field = Field::find(field, schema)?;
                let value = field.literal(value)?;
                Ok(field.expr.eq(value))
            }
            Self::In { field, values } => {
                let field = Field::find(field, schema)?;
                let values =
                    values.iter().map(|value| field.literal(value)).collect::<Result<Vec<_>, _>>()?;
                Ok(field.expr.in_list(values, false))
            }
            Self::Prefix { field, prefix } => {
                Ok(like(Field::text(field, schema)?, starting_with(prefix)?, false))
            }
            Self::Contains { field, text } => Ok(contains(Field::text(field, schema)?, bounded(text)?)),
            Self::Range { field, from, to } => {
                let field = Field::find(field, schema)?;
                let from = from.as_ref().map(|from| field.literal(from)).transpose()?;
                let to = to.as_ref().map(|to| field.literal(to)).transpose()?;
                let from = from.map(|from| field.expr.clone().gt_eq(from));
                let to = to.map(|to| field.expr.lt(to));
                Ok(all(from.into_iter().chain(to)))
            }
        }
    }
}

/// All of them; true if there are none.
pub(crate) fn all(parts: impl IntoIterator<Item = Expr>) -> Expr {
    parts.into_iter().reduce(Expr::and).unwrap_or_else(|| lit(true))
}

/// `expr` has `text` somewhere in it, in any case.
pub(crate) fn contains(expr: Expr, text: &str) -> Expr {
    like(expr, format!("%{}%", escaped(text)), true)
}

/// The column equals the text, if one is given.
pub(crate) fn equals(column: &str, text: &Option<String>) -> Result<Option<Expr>, QueryError> {
    text.as_deref().map(|text| Ok(ident(column).eq(lit(bounded(text)?)))).transpose()
}

/// The text, unless it is too long to look for.
pub(crate) fn bounded(text: &str) -> Result<&str, QueryError> {
    if text.len() > MAX_TEXT {
        return Err(QueryError::BadRequest(format!("a value to look for is longer than {MAX_TEXT} bytes")));
    }
    Ok(text)
}

fn join(
    parts: &[Filter],
    schema: &Schema,
    if_empty: bool,
    with: fn(Expr, Expr) -> Expr,
) -> Result<Expr, QueryError> {
    let mut joined = None;
    for part in parts {
        let part = part.compile(schema)?;
        joined = Some(match joined {
            None => part,
            Some(before) => with(before, part),
        });
    }
    Ok(joined.unwrap_or_else(|| lit(if_empty)))
}

fn starting_with(prefix: &str) -> Result<String, QueryError> {
    Ok(format!("{}%", escaped(bounded(prefix)?)))
}

fn like(expr: Expr, pattern: String, case_insensitive: bool) -> Expr {
    Expr::Like(Like::new(false, Box::new(expr), Box::new(lit(pattern)), None, case_insensitive))
}

/// With what `LIKE` gives a meaning escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// A column, or a key inside a JSON column.
struct Field<'a> {
    name: &'a str,
    expr: Expr,
    data_type: DataType,
    /// Inside JSON: text, whatever it is there.
    is_key: bool,
}

impl<'a> Field<'a> {
    fn find(name: &'a str, schema: &Schema) -> Result<Self, QueryError> {
        if let Ok(field) = schema.field_with_name(name) {
            return Ok(Self { name, expr: ident(name), data_type: plain(field.data_type()), is_key: false });
        }
        if let Some((column @ ("attributes" | "resource"), key)) = name.split_once('.')
            && schema.field_with_name(column).is_ok()
        {
            return Ok(Self {
                name,
                expr: attr(ident(column), lit(bounded(key)?)),
                data_type: DataType::Utf8,
                is_key: true,
            });
        }
        let known: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let name: String = name.chars().take(100).collect();
        Err(QueryError::BadRequest(format!("no field {name:?}; there are {}", known.join(", "))))
    }

    fn text(name: &'a str, schema: &Schema) -> Result<Expr, QueryError> {
        let field = Self::find(name, schema)?;
        if field.data_type != DataType::Utf8 {
            return Err(QueryError::BadRequest(format!("field {name:?} is no text")));
        }
        Ok(field.expr)
    }

    fn literal(&self, value: &Literal) -> Result<Expr, QueryError> {
        let wrong =
            || QueryError::BadRequest(format!("field {:?} cannot be compared with {value:?}", self.name));
        let value = match (value, &self.data_type) {
            (Literal::Bool(value), _) if self.is_key => ScalarValue::from(value.to_string()),
            (Literal::Int(value), _) if self.is_key => ScalarValue::from(value.to_string()),
            (Literal::Float(value), _) if self.is_key => {
                ScalarValue::from(serde_json::Value::from(*value).to_string())
            }
            (Literal::Text(text), DataType::Utf8) => ScalarValue::from(bounded(text)?),
            (Literal::Text(text), DataType::Timestamp(..)) => micros(parse_rfc3339(text).ok_or_else(wrong)?),
            (Literal::Bool(value), DataType::Boolean) => ScalarValue::from(*value),
            (Literal::Int(value), DataType::Float64) => ScalarValue::from(*value as f64),
            (Literal::Float(value), DataType::Float64) => ScalarValue::from(*value),
            (Literal::Int(value), data_type) if data_type.is_integer() => {
                ScalarValue::from(*value).cast_to(data_type).map_err(|_| wrong())?
            }
            _ => return Err(wrong()),
        };
        Ok(Expr::Literal(value, None))
    }
}

/// Dictionaries of strings are strings to whoever compares.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use parapet_store::schema;

    use super::*;
    use crate::Blame;

    fn expr(filter: &Filter) -> Result<String, QueryError> {
        filter.to_expr(&schema(Signal::Logs)).map(|expr| expr.to_string())
    }

    #[track_caller]
    fn check(json: &str, expect: &str) {
        assert_eq!(expr(&serde_json::from_str(json).unwrap()).unwrap(), expect);
    }

    #[test]
    fn filters_become_expressions() {
        check(r#"{"eq":{"field":"service_name","value":"cart"}}"#, r#"service_name = Utf8("cart")"#);
        check(
            r#"{"in":{"field":"severity_number","values":[9,17]}}"#,
            "severity_number IN ([UInt8(9), UInt8(17)])",
        );
        check(r#"{"prefix":{"field":"k8s_pod_name","prefix":"a_%"}}"#, r#"k8s_pod_name LIKE Utf8("a\_\%%")"#);
        check(r#"{"contains":{"field":"body","text":"C:\\x"}}"#, r#"body ILIKE Utf8("%C:\\x%")"#);
        check(
            r#"{"range":{"field":"ts","from":"1970-01-01T00:00:01Z"}}"#,
            r#"ts >= TimestampMicrosecond(1000000, Some("UTC"))"#,
        );
        check(
            r#"{"not":{"eq":{"field":"attributes.k","value":"v"}}}"#,
            r#"attr(attributes, Utf8("k")) = Utf8("v") IS NOT TRUE"#,
        );
        check(
            r#"{"eq":{"field":"attributes.k","value":true}}"#,
            r#"attr(attributes, Utf8("k")) = Utf8("true")"#,
        );
        check(r#"{"eq":{"field":"resource.k","value":3}}"#, r#"attr(resource, Utf8("k")) = Utf8("3")"#);
        check(r#"{"eq":{"field":"resource.k","value":0.5}}"#, r#"attr(resource, Utf8("k")) = Utf8("0.5")"#);
        check(r#"{"and":[]}"#, "Boolean(true)");
        check(r#"{"or":[]}"#, "Boolean(false)");
    }

    #[test]
    fn what_does_not_fit_the_table_is_a_bad_request() {
        let deep = (0..40).fold(Filter::And(vec![]), |inner, _| Filter::Not(Box::new(inner)));
        let wide = Filter::In { field: "body".into(), values: vec![Literal::Int(1); 5_000] };
        let long = Filter::Contains { field: "body".into(), text: "x".repeat(5_000) };
        for filter in [
            Filter::eq("no_such", "x"),
            Filter::eq("severity_number", "x"),
            Filter::eq("severity_number", 300),
            Filter::eq("body", 3),
            Filter::eq("ts", "yesterday"),
            Filter::Prefix { field: "seq".into(), prefix: "1".into() },
            deep,
            wide,
            long,
        ] {
            assert_eq!(expr(&filter).unwrap_err().blame(), Blame::Malformed, "{filter:?}");
        }
        assert!(serde_json::from_str::<Filter>(r#"{"eq":{"field":"a","value":1,"extra":2}}"#).is_err());
    }
}
