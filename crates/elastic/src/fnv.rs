//! A hash that the reference's annotations have.

/// FNV-1a of 32 bits (Fowler, Noll, Vo; draft-eastlake-fnv), over all parts one after the other. It tells texts apart that nobody
/// chose for it, and protects nothing.
pub(crate) fn fnv32<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let bytes = parts.into_iter().flatten();
    bytes.fold(BASIS, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the draft.
    #[test]
    fn known_values() {
        assert_eq!(fnv32([&b""[..]]), 0x811c_9dc5);
        assert_eq!(fnv32([&b"a"[..]]), 0xe40c_292c);
        assert_eq!(fnv32([&b"foo"[..], b"bar"]), 0xbf9c_f968);
    }
}
