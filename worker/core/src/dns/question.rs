//! A question as the rules need it: lower-case labels and what is wanted of them.

/// What is wanted of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its IPv4 addresses: A.
    Ipv4,
    /// Its IPv6 addresses: AAAA.
    Ipv6,
    /// The name of an address: PTR.
    Pointer,
    /// Ports and the tasks behind them: SRV.
    Service,
    /// Whatever there is: ANY.
    Any,
    /// A type of record that nothing here has.
    Other,
}

/// A name and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The labels in lower case, one after the other.
    text: String,
    /// Where each of them ends.
    ends: Vec<usize>,
    pub(super) kind: Kind,
}

impl Question {
    /// Takes the labels of a name, without the root; `None` if one is not ASCII, which none of our names is.
    pub fn new<'a>(labels: impl IntoIterator<Item = &'a [u8]>, kind: Kind) -> Option<Self> {
        let mut question = Self { text: String::with_capacity(64), ends: Vec::with_capacity(8), kind };
        for label in labels {
            let label = str::from_utf8(label).ok().filter(|label| label.is_ascii())?;
            question.text.extend(label.chars().map(|c| c.to_ascii_lowercase()));
            question.ends.push(question.text.len());
        }
        Some(question)
    }

    /// The labels, in lower case.
    pub(super) fn labels(&self) -> Vec<&str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end]).collect()
    }
}
