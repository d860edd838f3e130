//! Whether the host's foreign forwards are dropped, and how the kernel remembers it.

use super::names::LINK_GROUP;

/// For which address families this node's daemons switched forwarding on, so that foreign forwards are dropped.
///
/// The uplink's link group records it ([`LINK_GROUP`] plus two bits): a restarted daemon, and other daemons on the same
/// host, read it from the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Guard {
    /// IPv4 forwarding was off before.
    pub ipv4: bool,
    /// IPv6 forwarding was off before.
    pub ipv6: bool,
}

impl Guard {
    /// Returns the link group that records this guard.
    pub fn link_group(self) -> u32 {
        LINK_GROUP + u32::from(self.ipv4) + 2 * u32::from(self.ipv6)
    }

    /// Returns the guard a link group records; `None` when the link is no daemon's uplink.
    pub fn of_link_group(group: u32) -> Option<Self> {
        let bits = group.checked_sub(LINK_GROUP).filter(|bits| *bits < 4)?;
        Some(Self { ipv4: bits & 1 != 0, ipv6: bits & 2 != 0 })
    }

    /// Returns what both guard together.
    pub fn union(self, other: Self) -> Self {
        Self { ipv4: self.ipv4 || other.ipv4, ipv6: self.ipv6 || other.ipv6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_is_read_back_from_the_link_group_it_is_written_to() {
        for bits in 0..4 {
            let guard = Guard { ipv4: bits & 1 != 0, ipv6: bits & 2 != 0 };
            assert_eq!(Guard::of_link_group(guard.link_group()), Some(guard));
        }
        assert_eq!(Guard::of_link_group(0), None);
        assert_eq!(Guard::of_link_group(LINK_GROUP + 4), None);
    }
}
