//! How large the result of a call can be at most, from its arguments.

use arrow::array::{Array, AsArray, OffsetSizeTrait};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

/// How a function's result grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Estimate {
    /// Everything that it is given.
    Sum,
    /// The first argument stands between all the others.
    Separated,
    /// The last arguments stand between the elements of a list, or in place of those that are null.
    Elements,
    /// `replace(text, from, to)`.
    Replace,
    /// `regexp_replace(text, pattern, to)`.
    RegexpReplace,
    /// `regexp_match(text, pattern)`: what each group matched.
    RegexpMatch,
    /// `to_char(time, format)`.
    Format,
}

/// Characters that a time has for each byte of its format at most; `%+` has some thirty for two.
const FORMATTED: usize = 20;

impl Estimate {
    /// Of those functions whose result can be much larger than what they are given.
    pub(super) fn of(function: &str) -> Option<Self> {
        Some(match function {
            "concat" | "overlay" | "make_array" | "array_append" | "array_prepend" | "array_concat"
            | "array_union" | "arrays_zip" => Self::Sum,
            "concat_ws" => Self::Separated,
            "array_to_string" => Self::Elements,
            "replace" => Self::Replace,
            "regexp_replace" => Self::RegexpReplace,
            "regexp_match" => Self::RegexpMatch,
            "to_char" => Self::Format,
            _ => return None,
        })
    }

    /// Bytes of the result for `rows` rows. Never too few; saturating.
    pub(super) fn bytes(self, args: &[ColumnarValue], rows: usize) -> usize {
        let sum = || args.iter().map(|arg| bytes(arg, rows)).fold(0, usize::saturating_add);
        let argument = |index: usize| args.get(index).map_or(0, |arg| bytes(arg, rows));
        let longest = |index: usize| args.get(index).map_or(0, longest);
        match self {
            // Arguments that are the same for all rows are made into a column first.
            Self::Sum => sum().saturating_mul(2),
            Self::Separated => {
                let between = argument(0).saturating_mul(args.len().saturating_sub(1));
                sum().saturating_add(between)
            }
            Self::Elements => {
                let more = longest(1).saturating_add(longest(2));
                sum().saturating_add(elements(&args[0], rows).saturating_mul(more))
            }
            Self::Replace => {
                let from = shortest(&args[1]).max(1);
                // An empty text is found before each character and at the end.
                let found = (argument(0) / from).saturating_add(rows);
                argument(0).saturating_add(found.saturating_mul(longest(2)))
            }
            Self::RegexpReplace => {
                let found = argument(0).saturating_add(rows);
                // A group is written `\1` and read as `${1}`, which stands for itself where a dollar sign comes before it.
                let each = found.saturating_mul(longest(2)).saturating_mul(2);
                // What was found may be repeated by each reference to it.
                let references = references(&args[2]);
                each.saturating_add(argument(0).saturating_mul(references.saturating_add(1)))
            }
            Self::RegexpMatch => argument(0).saturating_mul(groups(&args[1])),
            Self::Format => rows.saturating_mul(longest(1)).saturating_mul(FORMATTED),
        }
    }
}

/// Bytes of an argument, for all rows.
fn bytes(arg: &ColumnarValue, rows: usize) -> usize {
    match arg {
        ColumnarValue::Array(array) => array_bytes(array),
        ColumnarValue::Scalar(scalar) => scalar_bytes(scalar).saturating_mul(rows),
    }
}

fn array_bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => span(array.as_string::<i64>().value_offsets()),
        DataType::Utf8View => array.as_string_view().total_bytes_len(),
        DataType::BinaryView => array.as_binary_view().total_bytes_len(),
        // A dictionary's values come out once for each row that has them.
        DataType::Dictionary(..) => {
            let values = array.as_any_dictionary().values();
            longest_of(values).saturating_mul(array.len())
        }
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

fn span<O: OffsetSizeTrait>(offsets: &[O]) -> usize {
    offsets.last().map_or(0, |last| (*last - offsets[0]).as_usize())
}

fn scalar_bytes(scalar: &ScalarValue) -> usize {
    match scalar.try_as_str() {
        Some(text) => text.map_or(0, str::len),
        None => scalar.size(),
    }
}

/// Bytes of an argument's longest value.
fn longest(arg: &ColumnarValue) -> usize {
    match arg {
        ColumnarValue::Array(array) => longest_of(array),
        ColumnarValue::Scalar(scalar) => scalar_bytes(scalar),
    }
}

fn longest_of(array: &dyn Array) -> usize {
    texts(array)
        .map_or_else(|| array_bytes(array), |texts| texts.into_iter().map(str::len).max().unwrap_or(0))
}

fn shortest(arg: &ColumnarValue) -> usize {
    match arg {
        ColumnarValue::Array(array) => {
            texts(array).and_then(|texts| texts.into_iter().map(str::len).min()).unwrap_or(0)
        }
        ColumnarValue::Scalar(scalar) => scalar_bytes(scalar),
    }
}

/// How often the replacement refers to what was found.
fn references(arg: &ColumnarValue) -> usize {
    let in_text = |text: &str| text.bytes().filter(|byte| matches!(byte, b'$' | b'\\')).count();
    most(arg, in_text)
}

/// Groups of a pattern, the whole match included.
fn groups(arg: &ColumnarValue) -> usize {
    most(arg, |text| text.bytes().filter(|byte| *byte == b'(').count()).saturating_add(1)
}

/// The most that `measure` says of one of the texts.
fn most(arg: &ColumnarValue, measure: impl Fn(&str) -> usize) -> usize {
    match arg {
        ColumnarValue::Array(array) => {
            texts(array).map_or(usize::MAX, |texts| texts.into_iter().map(measure).max().unwrap_or(0))
        }
        ColumnarValue::Scalar(scalar) => scalar.try_as_str().flatten().map_or(0, measure),
    }
}

/// The texts of an array that are not null; `None` if it holds none.
fn texts(array: &dyn Array) -> Option<Vec<&str>> {
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().flatten().collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().iter().flatten().collect(),
        DataType::Utf8View => array.as_string_view().iter().flatten().collect(),
        _ => return None,
    })
}

/// Elements of a list, for all rows, and of lists in it.
fn elements(arg: &ColumnarValue, rows: usize) -> usize {
    fn of(array: &dyn Array) -> usize {
        let values = match array.data_type() {
            DataType::List(_) => array.as_list::<i32>().values(),
            DataType::LargeList(_) => array.as_list::<i64>().values(),
            DataType::FixedSizeList(..) => array.as_fixed_size_list().values(),
            _ => return array.len(),
        };
        array.len().saturating_add(of(values))
    }
    match arg {
        ColumnarValue::Array(array) => of(array),
        ColumnarValue::Scalar(
            list @ (ScalarValue::List(_) | ScalarValue::LargeList(_) | ScalarValue::FixedSizeList(_)),
        ) => list.to_array().map_or(usize::MAX, |array| of(&array).saturating_mul(rows)),
        ColumnarValue::Scalar(_) => rows,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use datafusion::functions::regex::regexp_replace;
    use datafusion::functions::string::{concat_ws, replace};
    use datafusion::logical_expr::{ScalarFunctionArgs, ScalarUDF};
    use proptest::prelude::*;

    use super::*;

    fn column(texts: Vec<String>) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(StringArray::from(texts)))
    }

    fn scalar(text: &str) -> ColumnarValue {
        ColumnarValue::Scalar(ScalarValue::from(text))
    }

    /// Bytes of the texts that the function really returns.
    fn really(function: &ScalarUDF, args: Vec<ColumnarValue>, rows: usize) -> usize {
        use arrow::datatypes::Field;
        let args = ScalarFunctionArgs {
            arg_fields: args.iter().map(|arg| Arc::new(Field::new("a", arg.data_type(), true))).collect(),
            args,
            number_rows: rows,
            return_field: Arc::new(Field::new("r", DataType::Utf8, true)),
            config_options: Arc::default(),
        };
        let made: ArrayRef = function.invoke_with_args(args).unwrap().into_array(rows).unwrap();
        texts(&made).unwrap().into_iter().map(str::len).sum()
    }

    proptest! {
        #[test]
        fn no_result_is_larger_than_estimated(
            rows in prop::collection::vec("[ab€]{0,9}", 1..6),
            from in "[ab]{0,2}",
            to in "[ab€]{0,5}",
            replacement in "[a$0\\\\1{}]{0,6}",
        ) {
            let count = rows.len();
            for (function, args) in [
                (replace(), vec![column(rows.clone()), scalar(&from), scalar(&to)]),
                (concat_ws(), vec![scalar(&to), column(rows.clone()), scalar(&from), column(rows.clone())]),
                (regexp_replace(), vec![
                    column(rows.clone()), scalar(&format!("({from})")), scalar(&replacement), scalar("g"),
                ]),
            ] {
                let estimated = Estimate::of(function.name()).unwrap().bytes(&args, count);
                let made = really(&function, args, count);
                prop_assert!(made <= estimated, "{}: {made} > {estimated}", function.name());
            }
        }
    }

    #[test]
    fn a_group_behind_a_dollar_sign_is_text_and_longer_than_it_was_written() {
        let args = vec![column(vec![String::new()]), scalar("()"), scalar("$\\0"), scalar("g")];
        let estimated = Estimate::RegexpReplace.bytes(&args, 1);
        let made = really(&regexp_replace(), args, 1);
        assert_eq!(made, "${0}".len());
        assert!(made <= estimated, "{made} > {estimated}");
    }

    #[test]
    fn what_cannot_be_numbered_is_the_largest_number() {
        let text = column(vec!["x".repeat(1 << 20)]);
        let args = vec![text.clone(), scalar("x"), scalar(&"y".repeat(1 << 14))];
        assert_eq!(Estimate::Replace.bytes(&args, 1), (1 << 20) + ((1 << 20) + 1) * (1 << 14));
        assert_eq!(Estimate::Sum.bytes(&[scalar("abc"), text], usize::MAX), usize::MAX);
    }
}
