//! Functions that SQL may call: DataFusion's, less those whose result can be far larger than what they are given, and ours.

mod attr;

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{Expr, ScalarUDF};

/// Functions whose result grows with the value of an argument: one call could take the process's memory before any pool
/// is asked.
const UNBOUNDED: [&str; 19] = [
    "repeat",
    "lpad",
    "rpad",
    "space",
    "array_repeat",
    "list_repeat",
    "array_resize",
    "list_resize",
    "array_replace",
    "list_replace",
    "array_replace_n",
    "list_replace_n",
    "array_replace_all",
    "list_replace_all",
    "generate_series",
    "gen_series",
    "range",
    "version",
    "arrow_metadata",
];

/// Leaves out what is unbounded and adds `attr`.
pub(crate) fn register(mut builder: SessionStateBuilder) -> SessionStateBuilder {
    let functions = builder.scalar_functions().get_or_insert_default();
    functions.retain(|function| {
        let names = std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str));
        !names.into_iter().any(|name| UNBOUNDED.contains(&name))
    });
    functions.push(Arc::new(udf()));
    builder
}

/// `attr(json, key)`: the value of a key of a JSON object as text; null if it is not there.
pub(crate) fn attr(json: Expr, key: Expr) -> Expr {
    udf().call(vec![json, key])
}

fn udf() -> ScalarUDF {
    ScalarUDF::from(attr::Attr::default())
}
