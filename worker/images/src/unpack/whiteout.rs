//! The names by which a layer says that something of the layers beneath it is gone.

const PREFIX: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// The beginning of names that an early union file system kept for itself.
const RESERVED: &[u8] = b".wh..wh.";

/// Is what a file name means when it is not simply the name of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whiteout<'a> {
    /// The folder that holds the name shows nothing of lower layers.
    Opaque,
    /// The name given here is gone.
    Hides(&'a [u8]),
    /// A leftover of no meaning.
    Reserved,
}

/// Reads a file name; `None` is an ordinary one.
pub(crate) fn parse(name: &[u8]) -> Option<Whiteout<'_>> {
    let hidden = name.strip_prefix(PREFIX)?;
    Some(match name {
        OPAQUE => Whiteout::Opaque,
        _ if name.starts_with(RESERVED) => Whiteout::Reserved,
        _ => Whiteout::Hides(hidden),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiteouts_are_told_from_ordinary_names() {
        assert_eq!(parse(b"file"), None);
        assert_eq!(parse(b"a.wh.b"), None);
        assert_eq!(parse(b".wh.file"), Some(Whiteout::Hides(b"file")));
        assert_eq!(parse(b".wh..wh..opq"), Some(Whiteout::Opaque));
        assert_eq!(parse(b".wh..wh.plnk"), Some(Whiteout::Reserved));
        assert_eq!(parse(b".wh..."), Some(Whiteout::Hides(b"..")));
    }
}
