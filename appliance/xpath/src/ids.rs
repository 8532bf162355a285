//! Compressed ids, check digits, encrypted texts.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};

use crate::context::Context;
use crate::error::Error;

const MULTIPLY: [&[u8; 10]; 10] = [
    b"0123456789",
    b"1234067895",
    b"2340178956",
    b"3401289567",
    b"4012395678",
    b"5987604321",
    b"6598710432",
    b"7659821043",
    b"8765932104",
    b"9876543210",
];
const PERMUTE: [&[u8; 10]; 8] = [
    b"0123456789",
    b"1576283094",
    b"5803796142",
    b"8916043527",
    b"9453126870",
    b"4286573901",
    b"2793806415",
    b"7046913258",
];
const INVERSE: &[u8; 10] = b"0432156789";

/// The check digit of `digits`.
pub(crate) fn checksum(algorithm: &str, digits: &str) -> Result<String, Error> {
    if algorithm != "verhoeff" {
        return Err(Error::unsupported(&format!("checksum algorithm {algorithm}; only 'verhoeff' is known")));
    }
    let mut check = 0usize;
    for (index, c) in digits.bytes().rev().enumerate() {
        if !c.is_ascii_digit() {
            return Err(Error::unsupported(&format!("checksum of '{digits}', which is not all digits")));
        }
        let permuted = PERMUTE[(index + 1) % 8][usize::from(c - b'0')] - b'0';
        check = usize::from(MULTIPLY[check][usize::from(permuted)] - b'0');
    }
    Ok(char::from(INVERSE[check]).to_string())
}

/// A number in mixed radix: body digits, one leading digit, growing digits.
pub(crate) fn compress(
    number: f64,
    growth: &str,
    lead: &str,
    body: &str,
    fixed: f64,
    cx: &Context<'_>,
) -> Result<String, Error> {
    let sets: Vec<Vec<char>> = [growth, lead, body].iter().map(|set| set.chars().collect()).collect();
    let (growth, lead, body) = (&sets[0], &sets[1], &sets[2]);
    if growth.is_empty() || lead.is_empty() || growth.iter().any(|c| lead.contains(c)) {
        return Err(Error::generic(
            "id-compress() needs growth and lead symbols that are different and not empty",
        ));
    }
    if number < 0.0 {
        return Err(Error::generic("id-compress() needs a number that is not negative"));
    }
    // Whole numbers saturate at 32 bits, and what is no number counts as 0.
    let mut left = number as i32 as u64;
    let fixed = f64::from(fixed as i32);
    let mut out = Vec::new();
    let mut digit = |set: &[char], left: &mut u64| {
        out.push(set[(*left % set.len() as u64) as usize]);
        *left /= set.len() as u64;
    };
    if fixed > 0.0 {
        if body.is_empty() {
            return Err(Error::generic("id-compress() needs body symbols"));
        }
        cx.check_output(fixed as usize)?;
        cx.spend(fixed as u64)?;
        for _ in 0..fixed as u64 {
            digit(body, &mut left);
        }
    }
    digit(lead, &mut left);
    if left > 0 && growth.len() < 2 {
        return Err(Error::generic("id-compress() needs at least two growth symbols for this number"));
    }
    while left > 0 {
        digit(growth, &mut left);
    }
    Ok(out.into_iter().rev().collect())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().enumerate().fold(0u32, |word, (i, b)| word | u32::from(*b) << (16 - 8 * i));
        for i in 0..4 {
            if i <= chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * i) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    if text.len() % 4 == 1 {
        return None;
    }
    let digits = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut word, mut bits) = (0u32, 0);
    for c in digits.bytes() {
        word = word << 6 | ALPHABET.iter().position(|&a| a == c)? as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    Some(out)
}

fn cipher(key: &str, algorithm: &str) -> Result<Aes256Gcm, Error> {
    if algorithm != "AES" {
        return Err(Error::generic(format!("Unknown encryption algorithm {algorithm}; only 'AES' is known")));
    }
    let key = from_base64(key).ok_or_else(|| Error::generic("The encryption key is not base64"))?;
    Aes256Gcm::new_from_slice(&key).map_err(|_| Error::generic("The encryption key must be 256 bits long"))
}

/// Base64 of: length of the nonce, nonce, cipher text with tag.
pub(crate) fn encrypt(text: &str, key: &str, algorithm: &str, cx: &Context<'_>) -> Result<String, Error> {
    let cipher = cipher(key, algorithm)?;
    let mut nonce = [0u8; 12];
    for byte in &mut nonce {
        *byte = (cx.host.random() * 256.0) as u8;
    }
    let sealed = cipher
        .encrypt(Nonce::from_slice(&nonce), text.as_bytes())
        .map_err(|_| Error::generic("The text could not be encrypted"))?;
    let mut out = vec![nonce.len() as u8];
    out.extend(nonce);
    out.extend(sealed);
    Ok(to_base64(&out))
}

/// The reverse of [`encrypt`].
pub(crate) fn decrypt(text: &str, key: &str, algorithm: &str) -> Result<String, Error> {
    let cipher = cipher(key, algorithm)?;
    let bad = || Error::generic("The text could not be decrypted with this key");
    let bytes = from_base64(text).ok_or_else(bad)?;
    let (&length, rest) = bytes.split_first().ok_or_else(bad)?;
    if length != 12 || rest.len() < 12 {
        return Err(bad());
    }
    let (nonce, sealed) = rest.split_at(12);
    let plain = cipher.decrypt(Nonce::from_slice(nonce), sealed).map_err(|_| bad())?;
    String::from_utf8(plain).map_err(|_| bad())
}
