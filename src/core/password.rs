//! Whether a password fits its hash, in the SHA-256 form of crypt(5): `$5$[rounds=N$]SALT$SUM`, as
//! `openssl passwd -5` and /etc/shadow have it ("Unix crypt using SHA-256", Drepper). Pure.
//!
//! Deliberately absent: making hashes, and older forms, which are guessed quickly.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// Rounds when the hash names none.
const USUAL_ROUNDS: u32 = 5000;
/// Fewest rounds; a hash that names fewer has these.
const FEWEST_ROUNDS: u32 = 1000;
/// Most rounds that are carried out: some seconds on a slow processor.
const MOST_ROUNDS: u32 = 1_000_000;
/// Bytes of a salt that count.
const LONGEST_SALT: usize = 16;
/// Characters of the sum.
const SUM: usize = 43;
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A hash that a password is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    rounds: u32,
    salt: String,
    sum: String,
}

impl Hash {
    /// Reads a hash; `None` when it is not of the form.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$5$")?;
        let (rounds, rest) = match rest.strip_prefix("rounds=").and_then(|rest| rest.split_once('$')) {
            Some((rounds, rest)) => (rounds.parse::<u32>().ok()?.max(FEWEST_ROUNDS), rest),
            None => (USUAL_ROUNDS, rest),
        };
        let (salt, sum) = rest.split_once('$')?;
        let fits = rounds <= MOST_ROUNDS
            && salt.len() <= LONGEST_SALT
            && sum.len() == SUM
            && sum.bytes().all(|byte| DIGITS.contains(&byte));
        fits.then(|| Self { rounds, salt: salt.to_owned(), sum: sum.to_owned() })
    }

    /// Whether it is the hash of this password. Takes as long for a wrong one as for the right one.
    pub fn fits(&self, password: &[u8]) -> bool {
        let found = spelled(&sum(password, self.salt.as_bytes(), self.rounds));
        found.iter().zip(self.sum.bytes()).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
    }
}

/// Steps 1 to 21 of the specification.
fn sum(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let once = digest(&[password, salt, password]);
    let mut first = Sha256::new();
    first.update(password);
    first.update(salt);
    first.update(repeated(&once, password.len()));
    let mut bits = password.len();
    while bits > 0 {
        first.update(if bits & 1 == 1 { &once[..] } else { password });
        bits >>= 1;
    }
    let mut state: [u8; 32] = first.finalize().into();
    let p = repeated(&digest(&vec![password; password.len()]), password.len());
    let s = repeated(&digest(&vec![salt; 16 + usize::from(state[0])]), salt.len());
    for round in 0..rounds {
        let is_odd = round % 2 == 1;
        let mut next = Sha256::new();
        next.update(if is_odd { &p } else { &state[..] });
        if round % 3 != 0 {
            next.update(&s);
        }
        if round % 7 != 0 {
            next.update(&p);
        }
        next.update(if is_odd { &state[..] } else { &p });
        state = next.finalize().into();
    }
    state
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The bytes again and again, up to `len`.
fn repeated(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut all = bytes.repeat(len.div_ceil(bytes.len()));
    all.truncate(len);
    all
}

/// Step 22: groups of three bytes from the three thirds of the sum, six bits a digit, the lowest first.
fn spelled(sum: &[u8; 32]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(SUM + 1);
    for group in 0..11 {
        let from = |third: usize| u32::from(sum[group + 10 * ((third + 3 - group % 3) % 3)]);
        let bits = if group < 10 {
            from(0) << 16 | from(1) << 8 | from(2)
        } else {
            u32::from(sum[31]) << 8 | u32::from(sum[30])
        };
        for digit in 0..4 {
            digits.push(DIGITS[(bits >> (6 * digit)) as usize & 63]);
        }
    }
    digits.truncate(SUM);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first five are the specification's own; the others are from openssl and libxcrypt.
    const RIGHT: [(&str, &str); 7] = [
        ("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"),
        ("$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA", "Hello world!"),
        (
            "$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5",
            "This is just a test",
        ),
        (
            "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
            "a very much longer text to encrypt.  This one even stretches over morethan one line.",
        ),
        (
            "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/",
            "we have a short salt string but not a short password",
        ),
        ("$5$abcdefgh$vl6a2mAodUYEe3Mhai26AyjORet86eVRC5bBAu6c/n9", "pässwörd"),
        ("$5$x$yHbtfs4Y8t6X1xcJemNX.4JQRfUTafA2qQenWGLBee2", ""),
    ];

    #[test]
    fn the_right_password_fits_and_no_other() {
        for (hash, password) in RIGHT {
            let parsed = Hash::parse(hash).unwrap();
            assert!(parsed.fits(password.as_bytes()), "{hash}");
            assert!(!parsed.fits(format!("{password} ").as_bytes()), "{hash}");
        }
        assert!(!Hash::parse(RIGHT[0].0).unwrap().fits(b""));
    }

    #[test]
    fn what_is_no_hash_of_this_form_is_refused() {
        let sum = "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";
        for text in [
            String::new(),
            "secret".to_owned(),
            format!("$6$saltstring${sum}"),
            format!("$5$saltstring${sum}x"),
            format!("$5$saltstring${}:", &sum[1..]),
            format!("$5$saltstringsaltstring${sum}"),
            format!("$5$rounds=1000001$saltstring${sum}"),
            format!("$5$rounds=x$saltstring${sum}"),
            "$5$saltstring".to_owned(),
        ] {
            assert_eq!(Hash::parse(&text), None, "{text}");
        }
    }
}
