//! Follows HTTP/1 requests byte by byte, and finds what hyper accepts although others read it differently: a length beside a
//! transfer coding, lines that end in a bare line feed, a `#` in the target.
//!
//! It decides nothing about a request that it lets pass; it only keeps count of where the next one begins. Whatever it would
//! have to guess, it refuses.

use std::mem::MaybeUninit;

use httparse::{Request, Status};

/// What a scanner refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A line feed without a carriage return.
    BareLineFeed,
    /// The head is longer than the limit.
    HeadTooLong,
    /// hyper's own parser refuses it; hyper answers.
    Unparsable,
    /// A fragment in the target.
    Fragment,
    /// Both a length and a transfer coding, or several of either.
    TwoLengths,
    /// A transfer coding that isn't `chunked` alone, or one in HTTP/1.0.
    TransferCoding,
    /// A length that isn't a plain number.
    Length,
    /// A chunk's size line or end that isn't as it must be.
    Chunk,
}

impl Fault {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare line feed",
            Self::HeadTooLong => "head too long",
            Self::Unparsable => "not HTTP",
            Self::Fragment => "fragment in the target",
            Self::TwoLengths => "more than one length",
            Self::TransferCoding => "transfer coding",
            Self::Length => "malformed length",
            Self::Chunk => "malformed chunk",
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    ChunkSize {
        digits: u8,
        size: u64,
    },
    /// Between the size and the end of its line.
    ChunkExtension {
        length: u16,
        size: u64,
    },
    ChunkSizeEnd {
        size: u64,
    },
    ChunkData(u64),
    ChunkDataReturn,
    ChunkDataEnd,
    /// `line` bytes of this trailer line, `all` bytes of trailers.
    Trailers {
        line: u32,
        all: u32,
        returned: bool,
    },
}

/// Chunk extensions are read by nobody; a long one is a way to make a reader busy.
const MAX_EXTENSION: u16 = 256;

/// More digits than 2^60 bytes need.
const MAX_CHUNK_DIGITS: u8 = 15;

/// Where the stream of requests stands.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// The part of a head that came in earlier reads.
    head: Vec<u8>,
    max_head: usize,
    max_headers: usize,
}

impl Scanner {
    pub(super) fn new(max_head: usize, max_headers: usize) -> Self {
        Self { state: State::Head, head: Vec::new(), max_head, max_headers }
    }

    /// True between a head's first byte and its end.
    pub(super) fn is_in_head(&self) -> bool {
        self.state == State::Head && !self.head.is_empty()
    }

    /// True within a body.
    pub(super) fn is_in_body(&self) -> bool {
        self.state != State::Head
    }

    /// Follows `bytes`. On a fault, with the number of bytes before the one that shows it.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), (usize, Fault)> {
        let mut at = 0;
        while at < bytes.len() {
            at = match self.state {
                State::Head => self.head(bytes, at)?,
                State::Body(left) => {
                    let here = left.min((bytes.len() - at) as u64);
                    self.state = if here == left { State::Head } else { State::Body(left - here) };
                    at + here as usize
                }
                State::ChunkData(left) => {
                    let here = left.min((bytes.len() - at) as u64);
                    self.state =
                        if here == left { State::ChunkDataReturn } else { State::ChunkData(left - here) };
                    at + here as usize
                }
                state => {
                    self.state = chunk_byte(state, bytes[at], self.max_head).map_err(|fault| (at, fault))?;
                    at + 1
                }
            };
        }
        Ok(())
    }

    /// Reads on in a head from `start`; where it stopped.
    fn head(&mut self, bytes: &[u8], start: usize) -> Result<usize, (usize, Fault)> {
        let mut line_start = start;
        for offset in memchr::memchr_iter(b'\n', &bytes[start..]) {
            let feed = start + offset;
            let before = if feed > start { Some(bytes[feed - 1]) } else { self.head.last().copied() };
            if before != Some(b'\r') {
                return Err((feed, Fault::BareLineFeed));
            }
            let empty_line = if feed > line_start {
                feed - line_start == 1 && (line_start > start || self.ends_line())
            } else {
                // The carriage return came in an earlier read.
                self.head.len() == 1 || self.head.ends_with(b"\n\r")
            };
            line_start = feed + 1;
            if !empty_line {
                continue;
            }
            let end = feed + 1;
            if self.head.len() + end - start == 2 {
                // One empty line before a request: hyper skips it, and old clients send it after a body.
                continue;
            }
            let state = if self.head.is_empty() {
                after_head(&bytes[start..end], self.max_headers)
            } else {
                self.head.extend_from_slice(&bytes[start..end]);
                let state = after_head(&self.head, self.max_headers);
                self.head.clear();
                state
            };
            self.state = state.map_err(|fault| (feed, fault))?;
            return Ok(end);
        }
        if self.head.len() + bytes.len() - start > self.max_head {
            return Err((bytes.len() - 1, Fault::HeadTooLong));
        }
        self.head.extend_from_slice(&bytes[start..]);
        Ok(bytes.len())
    }

    /// Whether what came earlier ended with a whole line, or nothing came.
    fn ends_line(&self) -> bool {
        self.head.last().is_none_or(|byte| *byte == b'\n')
    }
}

/// What follows a whole head.
fn after_head(head: &[u8], max_headers: usize) -> Result<State, Fault> {
    // On the stack: hyper's default of headers is 100, and one more shows that there are too many.
    let mut few = [const { MaybeUninit::uninit() }; 101];
    let mut many = Vec::new();
    let headers = if max_headers <= few.len() {
        &mut few[..max_headers]
    } else {
        many.resize_with(max_headers, MaybeUninit::uninit);
        &mut many[..]
    };
    let mut request = Request::new(&mut []);
    match request.parse_with_uninit_headers(head, headers) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) | Err(_) => return Err(Fault::Unparsable),
    }
    if request.path.is_some_and(|target| target.contains('#')) {
        return Err(Fault::Fragment);
    }
    let mut length = None;
    let mut chunked = false;
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).map_err(|_| Fault::Length)?;
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Fault::Length);
            }
            if length.replace(text.parse::<u64>().map_err(|_| Fault::Length)?).is_some() {
                return Err(Fault::TwoLengths);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked {
                return Err(Fault::TwoLengths);
            }
            if !header.value.eq_ignore_ascii_case(b"chunked") || request.version == Some(0) {
                return Err(Fault::TransferCoding);
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(Fault::TwoLengths),
        (None, true) => Ok(State::ChunkSize { digits: 0, size: 0 }),
        (None | Some(0), false) => Ok(State::Head),
        (Some(length), false) => Ok(State::Body(length)),
    }
}

fn chunk_byte(state: State, byte: u8, max_trailers: usize) -> Result<State, Fault> {
    match (state, byte) {
        (State::ChunkSize { digits, size }, byte)
            if byte.is_ascii_hexdigit() && digits < MAX_CHUNK_DIGITS =>
        {
            let digit = char::from(byte).to_digit(16).expect("a hex digit was matched");
            Ok(State::ChunkSize { digits: digits + 1, size: size << 4 | u64::from(digit) })
        }
        (State::ChunkSize { digits: 1.., size }, b'\r') => Ok(State::ChunkSizeEnd { size }),
        (State::ChunkSize { digits: 1.., size }, b';') => Ok(State::ChunkExtension { length: 0, size }),
        (State::ChunkExtension { size, .. }, b'\r') => Ok(State::ChunkSizeEnd { size }),
        (State::ChunkExtension { length, size }, byte)
            if length < MAX_EXTENSION && (byte == b'\t' || !byte.is_ascii_control()) =>
        {
            Ok(State::ChunkExtension { length: length + 1, size })
        }
        (State::ChunkSizeEnd { size: 0 }, b'\n') => Ok(State::Trailers { line: 0, all: 0, returned: false }),
        (State::ChunkSizeEnd { size }, b'\n') => Ok(State::ChunkData(size)),
        (State::ChunkDataReturn, b'\r') => Ok(State::ChunkDataEnd),
        (State::ChunkDataEnd, b'\n') => Ok(State::ChunkSize { digits: 0, size: 0 }),
        (State::Trailers { line, all, returned }, byte) => match (returned, byte) {
            (true, b'\n') if line == 0 => Ok(State::Head),
            (true, b'\n') => Ok(State::Trailers { line: 0, all, returned: false }),
            (false, b'\r') => Ok(State::Trailers { line, all, returned: true }),
            (false, b'\n') | (true, _) => Err(Fault::BareLineFeed),
            (false, _) if all as usize >= max_trailers => Err(Fault::HeadTooLong),
            (false, _) => Ok(State::Trailers { line: line + 1, all: all + 1, returned: false }),
        },
        _ => Err(Fault::Chunk),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first fault, whole and in every pair of pieces.
    fn check(text: &str, expect: Result<(), Fault>) {
        let whole = Scanner::new(4096, 100).scan(text.as_bytes()).map_err(|(_, fault)| fault);
        assert_eq!(whole, expect, "{text:?}");
        for cut in 0..text.len() {
            let mut scanner = Scanner::new(4096, 100);
            let pieces =
                scanner.scan(&text.as_bytes()[..cut]).and_then(|()| scanner.scan(&text.as_bytes()[cut..]));
            assert_eq!(pieces.map_err(|(_, fault)| fault), expect, "{text:?} cut at {cut}");
        }
    }

    #[test]
    fn plain_requests_pass() {
        check("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Ok(()));
        check("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.0\r\n\r\n", Ok(()));
        check("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\na\n\nbGET / HTTP/1.1\r\n\r\n", Ok(()));
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n4;x=y\r\na\n\nb\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            Ok(()),
        );
    }

    #[test]
    fn ambiguous_framing_is_refused() {
        for (head, fault) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", Fault::TwoLengths),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5", Fault::TwoLengths),
            ("Content-Length: 5\r\nContent-Length: 5", Fault::TwoLengths),
            ("Content-Length: 5, 5", Fault::Length),
            ("Content-Length: +5", Fault::Length),
            ("Content-Length: ", Fault::Length),
            ("Content-Length: 99999999999999999999", Fault::Length),
            ("Transfer-Encoding: gzip, chunked", Fault::TransferCoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Fault::TwoLengths),
            ("Transfer-Encoding : chunked", Fault::Unparsable),
            ("X: a\r\n b", Fault::Unparsable),
        ] {
            check(&format!("POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n"), Err(fault));
        }
        check("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Err(Fault::TransferCoding));
    }

    #[test]
    fn lines_end_as_they_must() {
        check("GET / HTTP/1.1\nHost: x\n\n", Err(Fault::BareLineFeed));
        check("GET / HTTP/1.1\r\nHost: x\r\n\n", Err(Fault::BareLineFeed));
        check("GET / HTTP/1.1\r\nHost: x\nY: z\r\n\r\n", Err(Fault::BareLineFeed));
        check("\nGET / HTTP/1.1\r\n\r\n", Err(Fault::BareLineFeed));
    }

    #[test]
    fn chunks_are_as_they_must_be() {
        for body in [
            "\r\n",
            "x\r\n",
            "5 \r\n",
            "5\n",
            "0x5\r\n",
            "5\r\nabcdeX",
            "5\r\nabcde\n",
            "1111111111111111\r\n",
            "-1\r\n",
        ] {
            check(&format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}"), Err(Fault::Chunk));
        }
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n",
            Err(Fault::BareLineFeed),
        );
    }

    #[test]
    fn no_fragments() {
        check("GET /public#x HTTP/1.1\r\nHost: x\r\n\r\n", Err(Fault::Fragment));
    }

    #[test]
    fn heads_are_bounded() {
        let long = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(5000));
        assert_eq!(Scanner::new(4096, 100).scan(long.as_bytes()).unwrap_err().1, Fault::HeadTooLong);
    }

    proptest! {
        /// However the bytes are cut, the answer is the same, and nothing panics.
        #[test]
        fn cuts_make_no_difference(
            text in "((GET|POST) /[#a]? HTTP/1\\.[01]\r?\n(Content-Length: [0-9]{1,2}\r\n|Transfer-Encoding: chunked\r\n){0,2}\r?\n[0-9a;\r\n]{0,12}){1,3}",
            cut in 0usize..80,
        ) {
            let cut = cut.min(text.len());
            let whole = Scanner::new(4096, 100).scan(text.as_bytes()).map_err(|(_, fault)| fault);
            let mut scanner = Scanner::new(4096, 100);
            let pieces = scanner
                .scan(&text.as_bytes()[..cut])
                .and_then(|()| scanner.scan(&text.as_bytes()[cut..]))
                .map_err(|(_, fault)| fault);
            prop_assert_eq!(whole, pieces);
        }
    }
}
