//! Hashes of passwords: bcrypt, as the file realm of every version reads it.

use bcrypt::Version;
use moka::sync::Cache;
use sha2::{Digest as _, Sha256};

use crate::random::Random;

/// How much work a hash must cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// The password may be somebody's own: cost 10, Elasticsearch's own default.
    Chosen,
    /// The password is randomness that nobody ever types. If it is 128 bits of it, no amount of guessing finds it, and stretching
    /// would only cost, at every start for every cluster: cost 4, bcrypt's least. A shorter one costs what a chosen one does.
    Generated,
}

impl Strength {
    fn cost(self, password: &str) -> u32 {
        /// Of letters and digits: 22 × log2(62) are 131 bits.
        const UNGUESSABLE: usize = 22;
        match self {
            Self::Generated if password.len() >= UNGUESSABLE => 4,
            Self::Generated | Self::Chosen => 10,
        }
    }
}

/// Makes hashes, and remembers which passwords fit which: comparing costs as much as hashing.
#[derive(Debug)]
pub struct Hasher {
    /// SHA-256 over password and hash; the password itself is not kept.
    verified: Cache<[u8; 32], ()>,
}

impl Hasher {
    /// One that remembers so many pairs, the least used going first.
    pub fn new(remembered: u64) -> Self {
        Self { verified: Cache::new(remembered) }
    }

    /// The hash of `password`: `live` if it fits, else a new one.
    pub fn hash(&self, password: &str, live: Option<&str>, strength: Strength, random: Random<'_>) -> String {
        if let Some(live) = live
            && self.fits(password, live)
        {
            return live.to_owned();
        }
        let mut salt = [0; 16];
        random(&mut salt);
        let hash = bcrypt::hash_with_salt(password, strength.cost(password), salt)
            .expect("both costs lie within bcrypt's range")
            .format_for_version(Version::TwoA);
        self.verified.insert(key(password, &hash), ());
        hash
    }

    /// Whether `hash` is one of `password`. A text that is no hash fits nothing.
    pub fn fits(&self, password: &str, hash: &str) -> bool {
        let key = key(password, hash);
        if self.verified.contains_key(&key) {
            return true;
        }
        let fits = bcrypt::verify(password, hash).unwrap_or(false);
        if fits {
            self.verified.insert(key, ());
        }
        fits
    }
}

fn key(password: &str, hash: &str) -> [u8; 32] {
    let mut sha = Sha256::new();
    // A hash has no line break, so the pair can't be split elsewhere.
    sha.update(hash);
    sha.update("\n");
    sha.update(password);
    sha.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zeros(bytes: &mut [u8]) {
        bytes.fill(0);
    }

    #[test]
    fn a_hash_that_fits_is_kept() {
        let hasher = Hasher::new(10);
        let first = hasher.hash("secret", None, Strength::Chosen, &mut zeros);
        assert!(first.starts_with("$2a$10$"), "{first}");
        let never = &mut |_: &mut [u8]| panic!("a salt was drawn");
        assert_eq!(hasher.hash("secret", Some(&first), Strength::Chosen, never), first);
        assert_eq!(
            Hasher::new(10).hash("secret", Some(&first), Strength::Generated, never),
            first,
            "of any cost"
        );
        assert_ne!(hasher.hash("other", Some(&first), Strength::Chosen, &mut zeros), first);
        assert_ne!(
            hasher.hash("secret", Some("{plain}secret"), Strength::Chosen, &mut zeros),
            "{plain}secret"
        );
    }

    #[test]
    fn a_generated_password_that_could_be_guessed_is_hashed_at_full_cost() {
        let cost = |length| {
            let hash = Hasher::new(10).hash(&"x".repeat(length), None, Strength::Generated, &mut zeros);
            hash.split('$').nth(2).unwrap().to_owned()
        };
        assert_eq!([6, 21, 22, 24, 72].map(cost), ["10", "10", "04", "04", "04"]);
    }

    /// From the test vectors of OpenBSD's implementation.
    #[test]
    fn hashes_of_others_fit() {
        let hasher = Hasher::new(10);
        let hash = "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
        assert!(hasher.fits("", hash));
        assert!(!hasher.fits("a", hash));
        assert!(hasher.fits("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"));
    }
}
