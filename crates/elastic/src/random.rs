//! Secrets out of random bytes that the caller brings.

/// Fills a buffer with bytes that nobody can foresee.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// The length of generated passwords, unless the operator is told another, and of tokens: 142 bits, which need no stretching to
/// withstand guessing.
pub const PASSWORD_LENGTH: usize = 24;

/// So many letters and digits, each as likely as any other.
pub fn alphanumeric(length: usize, random: Random<'_>) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    /// The largest multiple of 62 in a byte: what lies above would make some letters likelier.
    const FAIR: u8 = 248;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut bytes = [0; 64];
        random(&mut bytes);
        let wanted = length - text.len();
        let fair = bytes.into_iter().filter(|byte| *byte < FAIR).take(wanted);
        text.extend(fair.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])));
    }
    text
}
