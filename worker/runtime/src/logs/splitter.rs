//! Cuts a stream of bytes into lines, and very long lines into parts.

/// Longer lines are kept in parts of this many bytes, as Docker does: a program that never ends its
/// line must not fill the memory.
pub(crate) const PART_MAX: usize = 16 << 10;

/// What of a stream was not handed on yet.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    pending: Vec<u8>,
}

impl Splitter {
    /// Takes bytes and hands on every line that is complete, with its line feed, and parts of those
    /// that are too long, without one.
    pub fn feed(&mut self, bytes: &[u8], mut hand_on: impl FnMut(&[u8])) {
        self.pending.extend_from_slice(bytes);
        let mut from = 0;
        loop {
            let rest = &self.pending[from..];
            let line_end = rest.iter().take(PART_MAX).position(|&byte| byte == b'\n').map(|feed| feed + 1);
            let cut = match line_end {
                Some(end) => end,
                None if rest.len() >= PART_MAX => character_boundary(&rest[..PART_MAX]),
                None => break,
            };
            hand_on(&rest[..cut]);
            from += cut;
        }
        self.pending.drain(..from);
    }

    /// Hands on what came after the last line feed, when the stream has ended.
    pub fn finish(&mut self, hand_on: impl FnOnce(&[u8])) {
        if !self.pending.is_empty() {
            hand_on(&self.pending);
            self.pending.clear();
        }
    }
}

/// Where to cut so that no UTF-8 character is torn; at the end if it is not UTF-8 anyway.
fn character_boundary(part: &[u8]) -> usize {
    let is_start = |&byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    // A character has at most 4 bytes.
    let last_start = part.iter().rev().take(4).position(is_start);
    match last_start {
        Some(back) if std::str::from_utf8(&part[part.len() - 1 - back..]).is_err() && back < 3 => {
            part.len() - 1 - back
        }
        _ => part.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::default();
        let mut parts = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, |part| parts.push(part.to_vec()));
        }
        splitter.finish(|part| parts.push(part.to_vec()));
        parts
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        assert_eq!(split(&[b"one\ntw", b"o\n", b"rest"]), [&b"one\n"[..], b"two\n", b"rest"]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = "é".repeat(PART_MAX);
        let odd = format!("x{long}\n");
        let parts = split(&[odd.as_bytes()]);
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.len() <= PART_MAX && std::str::from_utf8(part).is_ok()));
        assert_eq!(parts.concat(), odd.as_bytes());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added(chunks: Vec<Vec<u8>>, long in 0usize..40_000) {
            let mut chunks = chunks;
            chunks.push(vec![0xff; long]);
            let pieces: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let parts = split(&pieces);
            prop_assert_eq!(parts.concat(), chunks.concat());
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= PART_MAX));
        }
    }
}
