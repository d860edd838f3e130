//! Open files beside the bytes on a socket between two processes of a node.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::{
    io::{self, IoSlice, IoSliceMut, Write},
    mem::MaybeUninit,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

/// The most that go with one message; the system closes further ones.
pub(crate) const DESCRIPTORS_MAX: usize = 4;

const SPACE: usize = rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX));

/// Reads some bytes and takes what comes with them; none are the end.
pub(crate) fn receive(stream: &UnixStream, chunk: &mut [u8], given: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(stream, &mut [IoSliceMut::new(chunk)], &mut ancillary, flags)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            given.extend(descriptors);
        }
    }
    Ok(received.bytes)
}

/// Writes bytes, at least one, and gives at most [`DESCRIPTORS_MAX`] descriptors along with the first of them.
pub(crate) fn send(mut stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    if descriptors.is_empty() {
        return stream.write_all(bytes);
    }
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    // There is a little more room than was asked for.
    let too_many = descriptors.len() > DESCRIPTORS_MAX;
    if too_many || !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let sent = sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
    stream.write_all(&bytes[sent..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, pipe},
        os::fd::AsFd,
    };

    #[test]
    fn a_pipe_is_given_along_with_a_line() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut reader, writer) = pipe().unwrap();
        send(&ours, b"take this\n", &[writer.as_fd()]).unwrap();
        drop(writer);
        let (mut chunk, mut given) = ([0; 64], Vec::new());
        assert_eq!(receive(&theirs, &mut chunk, &mut given).unwrap(), 10);
        let mut writer = io::PipeWriter::from(given.pop().unwrap());
        writer.write_all(b"written elsewhere").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), given.len()), ("written elsewhere", 0));
    }

    #[test]
    fn too_many_at_once_are_refused() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let many = vec![ours.as_fd(); DESCRIPTORS_MAX + 1];
        assert_eq!(send(&ours, b"x", &many).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
