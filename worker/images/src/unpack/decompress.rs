//! Decompression by what the bytes say; media types and file names are only claims.

use std::io::{BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

use super::limits::ArchiveError;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Returns a reader of the plain content of something compressed by gzip, by zstd, or not at all.
pub(crate) fn reader<'a>(mut input: impl Read + 'a) -> Result<Box<dyn Read + 'a>, ArchiveError> {
    let fail = |source| ArchiveError::read("the beginning", source);
    let mut head = Vec::new();
    input.by_ref().take(ZSTD.len() as u64).read_to_end(&mut head).map_err(fail)?;
    let (is_gzip, is_zstd) = (head.starts_with(&GZIP), head.starts_with(&ZSTD));
    let whole = BufReader::with_capacity(1 << 16, Cursor::new(head).chain(input));
    Ok(match (is_gzip, is_zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(whole)),
        (_, true) => Box::new(zstd::stream::read::Decoder::with_buffer(whole).map_err(fail)?),
        _ => Box::new(whole),
    })
}
