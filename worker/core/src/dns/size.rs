//! How large an answer may be, and how much of one that is too large is sent.

/// What a client takes over UDP that says nothing about it, in bytes (RFC 1035, 4.2.1).
pub const UDP_PLAIN: u16 = 512;

/// The most that is sent to a client over UDP, in bytes. It stays within the container's loopback, so no
/// link's MTU matters.
pub const UDP_MAX: u16 = 4096;

/// The most that an upstream server is asked to send over UDP, in bytes: it passes every IPv6 link in one
/// piece.
pub const UDP_RELAYED: u16 = 1232;

/// How much a client takes over UDP, in bytes, given what its EDNS record says (RFC 6891, 6.2.3).
pub fn udp_limit(announced: Option<u16>) -> u16 {
    announced.map_or(UDP_PLAIN, |size| size.clamp(UDP_PLAIN, UDP_MAX))
}

/// How many of an answer's records fit into `limit` bytes, if all of them make it `whole` bytes long and none
/// of them `bare`. Less than all means that the answer is marked as truncated, so that the client comes back
/// over TCP; it gets some nevertheless, since old resolvers never come back.
pub fn records_that_fit(records: usize, whole: usize, bare: usize, limit: usize) -> usize {
    if whole <= limit {
        return records;
    }
    // Those of an answer are of about the same length.
    let each = whole.saturating_sub(bare).div_ceil(records.max(1)).max(1);
    (limit.saturating_sub(bare) / each).min(records.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_says_how_much_it_takes_within_bounds() {
        assert_eq!(udp_limit(None), 512);
        assert_eq!(udp_limit(Some(0)), 512);
        assert_eq!(udp_limit(Some(1232)), 1232);
        assert_eq!(udp_limit(Some(u16::MAX)), 4096);
    }

    #[test]
    fn as_many_records_are_kept_as_fit() {
        assert_eq!(records_that_fit(10, 512, 32, 512), 10);
        assert_eq!(records_that_fit(100, 32 + 1600, 32, 512), 30);
        assert_eq!(records_that_fit(1, 600, 32, 512), 0);
        assert_eq!(records_that_fit(0, 600, 600, 512), 0);
        assert_eq!(records_that_fit(3, 600, 520, 512), 0);
    }
}
