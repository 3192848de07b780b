//! Arrays that give back what they reserved when the last part of them is dropped.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, GenericStringArray, OffsetSizeTrait, StringViewArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;

/// The same array, with the reservation bound to the life of its buffers; cut down to what they really take. Other types
/// than texts and lists give it back at once: they are as large as their arguments.
pub(super) fn hold(array: ArrayRef, held: MemoryReservation) -> Result<ArrayRef> {
    let taken = array.get_array_memory_size();
    if taken < held.size() {
        held.shrink(held.size() - taken);
    }
    Ok(match array.data_type() {
        DataType::Utf8 => Arc::new(text::<i32>(&array, held)?),
        DataType::LargeUtf8 => Arc::new(text::<i64>(&array, held)?),
        DataType::Utf8View => Arc::new(view(&array, held)?),
        DataType::List(_) => Arc::new(list::<i32>(&array, held)?),
        DataType::LargeList(_) => Arc::new(list::<i64>(&array, held)?),
        _ => array,
    })
}

struct Held {
    buffer: Buffer,
    _held: MemoryReservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

fn bound(buffer: Buffer, held: MemoryReservation) -> Buffer {
    Buffer::from(Bytes::from_owner(Held { buffer, _held: held }))
}

fn text<O: OffsetSizeTrait>(array: &ArrayRef, held: MemoryReservation) -> Result<GenericStringArray<O>> {
    let (offsets, values, nulls) = array.as_string::<O>().clone().into_parts();
    Ok(GenericStringArray::try_new(offsets, bound(values, held), nulls)?)
}

fn view(array: &ArrayRef, held: MemoryReservation) -> Result<StringViewArray> {
    let (views, buffers, nulls) = array.as_string_view().clone().into_parts();
    let mut buffers = buffers.to_vec();
    if let Some(first) = buffers.first_mut() {
        *first = bound(std::mem::take(first), held);
    }
    Ok(StringViewArray::try_new(views, buffers, nulls)?)
}

fn list<O: OffsetSizeTrait>(array: &ArrayRef, held: MemoryReservation) -> Result<GenericListArray<O>> {
    let (field, offsets, values, nulls) = array.as_list::<O>().clone().into_parts();
    let offsets = ScalarBuffer::from(bound(offsets.into_inner().into_inner(), held));
    Ok(GenericListArray::try_new(field, OffsetBuffer::new(offsets), values, nulls)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ListArray, StringArray};
    use arrow::datatypes::Int32Type;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};

    use super::*;

    #[test]
    fn what_is_held_is_given_back_with_the_last_part_of_it() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(100), "b".repeat(100)]));
        let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a".repeat(100), "b".repeat(100)]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
            Some(vec![Some(1), Some(2)]),
            None,
        ]));
        for array in [texts, views, lists] {
            let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1 << 20));
            let reservation = MemoryConsumer::new("test").register(&pool);
            reservation.try_grow(1 << 19).unwrap();
            let held = hold(Arc::clone(&array), reservation).unwrap();
            assert_eq!(&held, &array);
            assert_eq!(pool.reserved(), array.get_array_memory_size(), "{:?}", array.data_type());
            let part = held.slice(1, 1);
            drop(held);
            assert!(pool.reserved() > 0);
            drop(part);
            assert_eq!(pool.reserved(), 0);
        }
    }
}
