//! An authority, and a certificate of it for 127.0.0.1.

use jiff::Timestamp;
use parapet_pki::{Authority, Names};

pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    /// Certificate and key.
    pub(crate) leaf_pem: String,
}

pub(crate) fn identity() -> Identity {
    let now = Timestamp::now();
    let authority = Authority::generate(now).unwrap();
    let leaf = authority.issue(&Names::new([]).unwrap(), now).unwrap();
    Identity { ca_pem: authority.certificate_pem().to_owned(), leaf_pem: leaf.to_pem().to_string() }
}
