//! How old the oldest unread byte of a file is.

use std::collections::VecDeque;

use parapet_signal::UnixNanos;

/// Marks kept at most; when full, every other is dropped, which errs towards older.
const MAX_MARKS: usize = 64;

/// Sizes that a file had, and when: the byte at offset `o` was written no earlier than the mark before it.
#[derive(Debug, Default)]
pub(super) struct Lag {
    marks: VecDeque<(u64, UnixNanos)>,
}

impl Lag {
    /// The file had `size` bytes at `time`.
    pub(super) fn grew(&mut self, size: u64, time: UnixNanos) {
        if self.marks.back().is_some_and(|(last, _)| *last >= size) {
            return;
        }
        if self.marks.len() == MAX_MARKS {
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.marks.push_back((size, time));
    }

    /// Everything below `offset` is acknowledged.
    pub(super) fn acknowledged(&mut self, offset: u64) {
        while self.marks.front().is_some_and(|(size, _)| *size <= offset) {
            self.marks.pop_front();
        }
    }

    /// When the oldest unread byte was seen; `None` if everything is read.
    pub(super) fn oldest(&self) -> Option<UnixNanos> {
        self.marks.front().map(|(_, time)| *time)
    }

    /// The file starts anew.
    pub(super) fn clear(&mut self) {
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unread_byte_has_the_time_of_its_mark() {
        let mut lag = Lag::default();
        assert_eq!(lag.oldest(), None);
        lag.grew(10, UnixNanos(1));
        lag.grew(10, UnixNanos(2));
        lag.grew(20, UnixNanos(3));
        assert_eq!(lag.oldest(), Some(UnixNanos(1)));
        lag.acknowledged(9);
        assert_eq!(lag.oldest(), Some(UnixNanos(1)));
        lag.acknowledged(10);
        assert_eq!(lag.oldest(), Some(UnixNanos(3)));
        lag.acknowledged(20);
        assert_eq!(lag.oldest(), None);
        for size in 21..10_000 {
            lag.grew(size, UnixNanos(size as i64));
        }
        assert!(lag.marks.len() <= MAX_MARKS);
        assert_eq!(lag.oldest(), Some(UnixNanos(21)));
    }
}
