//! Cursors: where a page ended, as an opaque text.
//!
//! Base64url of a table tag and the position in that table's order. The position is made of values that a row keeps for
//! life (`ts` and `seq`; for traces the start and the id), so it means the same after a flush or a compaction.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::QueryError;

/// The end of a page of rows: only rows below it in the order (ts, seq) are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowCursor {
    /// Microseconds.
    pub(crate) ts: i64,
    /// Row number.
    pub(crate) seq: u64,
}

/// The end of a page of traces: only traces below it in the order (ts, id) are left, and only spans up to `seq_max`
/// count, so that a span that arrives later cannot move a trace from a page to come to a page that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceCursor {
    /// Microseconds.
    pub(crate) ts: i64,
    /// The trace's id.
    pub(crate) trace_id: [u8; 16],
    /// The highest row number at the first page.
    pub(crate) seq_max: u64,
}

/// Which list a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Logs,
    Traffic,
    Traces,
}

impl List {
    fn tag(self) -> u8 {
        match self {
            Self::Logs => b'l',
            Self::Traffic => b't',
            Self::Traces => b's',
        }
    }
}

impl RowCursor {
    pub(crate) fn encode(self, list: List) -> String {
        seal(list, &[&self.ts.to_be_bytes(), &self.seq.to_be_bytes()])
    }

    pub(crate) fn decode(list: List, text: &str) -> Result<Self, QueryError> {
        let bytes: [u8; 16] = open(list, text)?.try_into().map_err(|_| foreign())?;
        let (ts, seq) = bytes.split_at(8);
        Ok(Self {
            ts: i64::from_be_bytes(ts.try_into().map_err(|_| foreign())?),
            seq: u64::from_be_bytes(seq.try_into().map_err(|_| foreign())?),
        })
    }
}

impl TraceCursor {
    pub(crate) fn encode(self) -> String {
        seal(List::Traces, &[&self.ts.to_be_bytes(), &self.seq_max.to_be_bytes(), &self.trace_id])
    }

    pub(crate) fn decode(text: &str) -> Result<Self, QueryError> {
        let bytes: [u8; 32] = open(List::Traces, text)?.try_into().map_err(|_| foreign())?;
        let (ts, rest) = bytes.split_at(8);
        let (seq_max, trace_id) = rest.split_at(8);
        Ok(Self {
            ts: i64::from_be_bytes(ts.try_into().map_err(|_| foreign())?),
            seq_max: u64::from_be_bytes(seq_max.try_into().map_err(|_| foreign())?),
            trace_id: trace_id.try_into().map_err(|_| foreign())?,
        })
    }
}

fn seal(list: List, parts: &[&[u8]]) -> String {
    let mut bytes = vec![list.tag()];
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(list: List, text: &str) -> Result<Vec<u8>, QueryError> {
    // Longer than any cursor: not worth decoding.
    if text.len() > 64 {
        return Err(foreign());
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| foreign())?;
    if bytes.first() != Some(&list.tag()) {
        return Err(foreign());
    }
    bytes.remove(0);
    Ok(bytes)
}

fn foreign() -> QueryError {
    QueryError::BadRequest("the cursor is not one of this list; start again without it".into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Blame;

    #[test]
    fn cursors_of_other_lists_and_garbage_are_refused() {
        let logs = RowCursor { ts: -5, seq: 7 }.encode(List::Logs);
        let trace = TraceCursor { ts: 1, trace_id: [3; 16], seq_max: 9 }.encode();
        for (list, text) in [
            (List::Traffic, logs.as_str()),
            (List::Logs, trace.as_str()),
            (List::Logs, ""),
            (List::Logs, "bA"),
            (List::Logs, "not base64!"),
            (List::Logs, &"A".repeat(1 << 20)),
            (List::Logs, &format!("{logs}AAAA")),
        ] {
            let error = RowCursor::decode(list, text).unwrap_err();
            assert_eq!(error.blame(), Blame::Malformed, "{text}");
        }
        assert!(TraceCursor::decode(&logs).is_err());
    }

    proptest! {
        #[test]
        fn cursors_come_back_as_they_were(ts: i64, seq: u64, trace_id: [u8; 16], seq_max: u64) {
            let row = RowCursor { ts, seq };
            prop_assert_eq!(RowCursor::decode(List::Logs, &row.encode(List::Logs)).unwrap(), row);
            let trace = TraceCursor { ts, trace_id, seq_max };
            prop_assert_eq!(TraceCursor::decode(&trace.encode()).unwrap(), trace);
        }

        #[test]
        fn no_text_makes_decoding_panic(text in ".{0,80}") {
            let _ = RowCursor::decode(List::Logs, &text);
            let _ = TraceCursor::decode(&text);
        }
    }
}
