//! Passwords: argon2id with the parameters that OWASP recommends.

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

/// OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Longer passwords are refused unseen: argon2 would hash them, and whoever sends one pays nothing for it.
pub const MAX_BYTES: usize = 1024;

/// A hash that no known password has, with the parameters of a real one: unknown users cost as much as known ones.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The PHC string of `password` under a fresh salt. Takes tens of milliseconds of CPU.
pub(crate) fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).map_err(|_| argon2::password_hash::Error::Crypto)?;
    let salt = SaltString::encode_b64(&salt)?;
    Ok(hasher()?.hash_password(password.as_bytes(), &salt)?.to_string())
}

/// Whether `password` belongs to `phc`; `None` stands for a user who does not exist, and takes as long.
pub(crate) fn verify(password: &str, phc: Option<&str>) -> bool {
    let (known, phc) = match phc {
        Some(phc) => (true, phc),
        None => (false, NOBODY),
    };
    let Ok(hash) = PasswordHash::new(phc) else { return false };
    // `verify_password` takes algorithm and parameters from the hash itself.
    let fits = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
    fits && known
}

fn hasher() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_only_its_own_hash() {
        let phc = hash("correct horse").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("correct horse", Some(&phc)));
        assert!(!verify("correct horsf", Some(&phc)));
        assert!(!verify("correct horse", None));
        assert!(!verify("correct horse", Some("no phc string")));
        assert_ne!(phc, hash("correct horse").unwrap(), "salted");
    }

    #[test]
    fn the_hash_of_nobody_is_computed_like_a_real_one() {
        let (nobody, real) = (PasswordHash::new(NOBODY).unwrap(), hash("x").unwrap());
        let real = PasswordHash::new(&real).unwrap();
        assert_eq!((nobody.algorithm, &nobody.params), (real.algorithm, &real.params));
        assert_eq!(nobody.hash.unwrap().len(), real.hash.unwrap().len());
    }
}
