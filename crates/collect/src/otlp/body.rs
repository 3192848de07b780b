//! Reads and decompresses bodies within their bounds.

use std::io::Read;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body::Body;
use http_body_util::BodyExt as _;

use super::Refused;
use super::limits::{Charge, Limits};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip (RFC 1952), several members included.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Encoding {
    /// From the value of `content-encoding`; `None` if there is no such header.
    pub(super) fn from_header(header: Option<&str>) -> Result<Self, Refused> {
        match header.map(str::trim) {
            None | Some("") => Ok(Self::Identity),
            Some(name) if name.eq_ignore_ascii_case("identity") => Ok(Self::Identity),
            Some(name) if name.eq_ignore_ascii_case("gzip") => Ok(Self::Gzip),
            Some(name) if name.eq_ignore_ascii_case("zstd") => Ok(Self::Zstd),
            Some(_) => Err(Refused::ContentEncoding),
        }
    }
}

/// Reads a body within its bounds of size and time, charging it as it comes.
pub(super) async fn read<B>(body: B, limits: &Limits, charge: &mut Charge) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = limits.body_time;
    let read = read_up_to(body, limits.body_bytes, charge);
    tokio::time::timeout(limit, read).await.map_err(|_| Refused::Slow { limit })?
}

async fn read_up_to<B>(mut body: B, limit: usize, charge: &mut Charge) -> Result<Bytes, Refused>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(Refused::BodyTooLarge { limit });
    }
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    let mut len = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refused::Interrupted)?.into_data() else { continue };
        len += data.len();
        if len > limit {
            return Err(Refused::BodyTooLarge { limit });
        }
        charge.add(data.len())?;
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => {
                let mut joined = BytesMut::with_capacity(2 * len);
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                rest = Some(joined);
            }
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

/// Window that a zstd frame may ask for, as a power of two: RFC 8878 §3.1.1.1.2 recommends that decoders support 8 MiB
/// and refuse what they cannot.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Bytes decompressed between two looks at the bounds.
const STEP: usize = 64 << 10;

/// The decompressed body, of at most `limit` bytes. Stops as soon as it would be longer: a bomb costs no more than
/// `limit`. `step` is called with the number of bytes before each is written, and may refuse.
pub fn decompress(
    body: Bytes,
    encoding: Encoding,
    limit: usize,
    mut step: impl FnMut(usize) -> Result<(), Refused>,
) -> Result<Bytes, Refused> {
    let broken = |error: std::io::Error| Refused::Compression(error.to_string());
    let mut reader: Box<dyn Read> = match encoding {
        Encoding::Identity => return Ok(body),
        Encoding::Gzip => Box::new(MultiGzDecoder::new(body.as_ref())),
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body.as_ref()).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(broken)?;
            Box::new(decoder)
        }
    };
    let mut out = Vec::with_capacity(body.len().saturating_mul(4).min(limit).min(1 << 20));
    let mut chunk = vec![0; STEP];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(out.into()),
            Ok(n) if out.len() + n > limit => return Err(Refused::DecompressedTooLarge { limit }),
            Ok(n) => {
                step(n)?;
                out.extend_from_slice(&chunk[..n]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap().into()
    }

    fn zstd(data: &[u8]) -> Bytes {
        zstd::encode_all(data, 1).unwrap().into()
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let data = vec![7; 200_000];
        for (encoding, body) in [
            (Encoding::Identity, Bytes::from(data.clone())),
            (Encoding::Gzip, gzip(&data)),
            (Encoding::Zstd, zstd(&data)),
        ] {
            assert_eq!(decompress(body, encoding, data.len(), |_| Ok(())).unwrap(), data);
        }
    }

    #[test]
    fn a_bomb_is_cut_while_it_is_decompressed() {
        let data = vec![0; 8 << 20];
        for (encoding, body) in [(Encoding::Gzip, gzip(&data)), (Encoding::Zstd, zstd(&data))] {
            let mut written = 0;
            let result = decompress(body, encoding, 1 << 20, |n| {
                written += n;
                Ok(())
            });
            assert!(matches!(result, Err(Refused::DecompressedTooLarge { limit: 1_048_576 })), "{result:?}");
            assert!(written <= 1 << 20);
        }
    }

    #[test]
    fn truncated_and_foreign_data_are_errors() {
        let data = vec![1; 10_000];
        let cut = |body: Bytes| body.slice(..body.len() - 4);
        for (encoding, body) in [
            (Encoding::Gzip, cut(gzip(&data))),
            (Encoding::Zstd, cut(zstd(&data))),
            (Encoding::Gzip, Bytes::from_static(b"plain")),
            (Encoding::Zstd, Bytes::from_static(b"plain")),
        ] {
            let result = decompress(body, encoding, 1 << 20, |_| Ok(()));
            assert!(matches!(result, Err(Refused::Compression(_))), "{encoding:?} {result:?}");
        }
    }

    #[test]
    fn a_frame_that_asks_for_a_huge_window_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&vec![3; 100_000]).unwrap();
        let body = encoder.finish().unwrap().into();
        let result = decompress(body, Encoding::Zstd, 1 << 20, |_| Ok(()));
        assert!(matches!(result, Err(Refused::Compression(_))), "{result:?}");
    }
}
