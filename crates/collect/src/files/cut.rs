//! Where a batch may end.

use std::ops::Range;

/// The highest offset up to which everything can be delivered: at most `end`, at most the start of what is still
/// pending, and straddled by no record. `spans` are the bytes from each record's first line to the end of its last.
pub(crate) fn cut(start: u64, end: u64, pending: Option<u64>, spans: &[Range<u64>]) -> u64 {
    let limit = pending.unwrap_or(end).min(end);
    let mut order: Vec<&Range<u64>> = spans.iter().collect();
    // Already sorted unless streams interleave, which makes this one pass.
    order.sort_by_key(|span| span.start);
    let (mut best, mut covered) = (start, start);
    for span in order {
        if span.start > limit {
            break;
        }
        if covered <= span.start {
            best = span.start;
        }
        covered = covered.max(span.end);
    }
    if covered <= limit { limit } else { best }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_fall_between_records() {
        let check = |pending, spans: &[Range<u64>], expect| assert_eq!(cut(0, 100, pending, spans), expect);
        check(None, &[], 100);
        check(Some(40), &[], 40);
        check(None, &[0..10, 10..30], 100);
        check(Some(30), &[0..10, 10..30], 30);
        // A record that ends behind the pending one's start cannot go, nor can what it overlaps.
        check(Some(20), &[0..10, 10..30], 10);
        check(Some(20), &[0..10, 30..40], 20);
        check(Some(0), &[10..20, 20..30], 0);
        check(Some(50), &[10..60, 0..20], 0);
    }

    proptest! {
        #[test]
        fn the_cut_is_the_highest_that_nothing_straddles(
            spans in prop::collection::vec((0u64..40, 1u64..12), 0..8),
            pending in prop::option::of(0u64..40),
        ) {
            let spans: Vec<_> = spans.into_iter().map(|(start, len)| start..(start + len).min(40)).collect();
            let safe = |at: u64| {
                pending.is_none_or(|pending| at <= pending)
                    && spans.iter().all(|span| at <= span.start || at >= span.end)
            };
            // Only starts of lines are candidates: starts of records, of what is pending, and the end.
            let candidates = spans.iter().map(|span| span.start).chain(pending).chain([0, 40]);
            let expect = candidates.filter(|at| safe(*at)).max().unwrap();
            prop_assert_eq!(cut(0, 40, pending, &spans), expect);
        }
    }
}
