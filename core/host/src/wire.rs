//! What a host and its worker process say to each other: frames of JSON over a socket, memory as descriptors.

use crate::forecast::Forecast;
use crate::value::{Described, Shape, Value};
use crate::{buffer::Buffer, shared::Mapping};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::sync::Weak;

/// A frame holds at most so many descriptors (the kernel's limit is 253).
const MAX_FDS: usize = 8;
/// And so many bytes; whatever may be larger travels as memory.
const MAX_FRAME: u32 = 64 << 20;

/// From the host.
#[derive(Serialize, Deserialize)]
pub(crate) enum ToWorker {
    /// First: what to run, or, with a number of outputs, to forecast. Descriptors: the plugin, the budget, the worker's own page.
    Start {
        stage: String,
        params: String,
        seed: u64,
        max_threads: u32,
        manifest: String,
        bytes_limit: Option<u64>,
        ports: usize,
        forecast: Option<usize>,
    },
    /// An input; its memory is the descriptor. In a forecast there is none.
    Input { port: usize, value: Described },
    /// The inputs are complete.
    Go,
    /// Answer to `NewTensor`: the status, and if it is 0 the memory as descriptor.
    Tensor { status: i32 },
    /// Answer to every other request.
    Status { status: i32 },
}

/// From the worker.
#[derive(Serialize, Deserialize)]
pub(crate) enum ToHost {
    NewTensor {
        port: u32,
        shape: Shape,
    },
    Forward {
        out: u32,
        input: u32,
    },
    /// The bytes are the descriptor.
    Emit {
        port: u32,
        kind: i32,
        len: usize,
    },
    WriteBlob {
        port: u32,
        offset: u64,
        len: usize,
    },
    ReadBlob {
        port: u32,
        offset: u64,
        len: usize,
    },
    SetMeta {
        port: u32,
        json: String,
    },
    Progress {
        fraction: f64,
        what: String,
    },
    Log {
        level: i32,
        message: String,
    },
    /// The answer to a forecast.
    Forecast(Forecast),
    /// Last: how it ended.
    Done {
        status: i32,
        message: String,
    },
}

/// The memory to send along with a value's description.
pub(crate) fn memory_of(value: &Value) -> io::Result<OwnedFd> {
    Ok(match value.mapping() {
        Some(mapping) => mapping.read_only_fd()?,
        None => copied(value.bytes())?.read_only_fd()?,
    })
}

/// The value at the other end.
pub(crate) fn received(described: Described, fd: OwnedFd) -> io::Result<Value> {
    let mapping = Mapping::of(fd, described.len, false)?;
    let len = described.len;
    Ok(described.with_buffer(Buffer::new(mapping, len, Weak::new())))
}

/// Fresh shared memory with these bytes.
pub(crate) fn copied(bytes: &[u8]) -> io::Result<Mapping> {
    let mapping = Mapping::new(bytes.len())?;
    // SAFETY: fresh memory of at least that size.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), mapping.start(), bytes.len()) };
    Ok(mapping)
}

/// One end of the conversation.
pub(crate) struct Wire(UnixStream);

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Wire {
    pub(crate) fn new(socket: UnixStream) -> Self {
        Self(socket)
    }

    /// How long to wait for an answer.
    pub(crate) fn set_timeout(&self, time: std::time::Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(time))
    }

    pub(crate) fn send(&self, message: &impl Serialize, fds: &[BorrowedFd]) -> io::Result<()> {
        let body = serde_json::to_vec(message)?;
        let len = u32::try_from(body.len()).ok().filter(|&n| n <= MAX_FRAME);
        let len = len.ok_or_else(|| io::Error::other("a message is too long"))?;
        let mut head = [0; 8];
        head[..4].copy_from_slice(&len.to_le_bytes());
        head[4] = fds.len() as u8;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::Error::other("too many descriptors in a message"));
        }
        // Eight bytes of a stream socket go whole or not at all.
        let sent = rustix::io::retry_on_intr(|| {
            sendmsg(&self.0, &[IoSlice::new(&head)], &mut control, SendFlags::NOSIGNAL)
        })?;
        if sent != head.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (&self.0).write_all(&body)
    }

    pub(crate) fn receive<T: DeserializeOwned>(&self) -> io::Result<(T, Vec<OwnedFd>)> {
        let mut head = [0; 8];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = rustix::io::retry_on_intr(|| {
            let flags = RecvFlags::WAITALL | RecvFlags::CMSG_CLOEXEC;
            recvmsg(&self.0, &mut [IoSliceMut::new(&mut head)], &mut control, flags)
        })?
        .bytes;
        if got != head.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        if len > MAX_FRAME || fds.len() != usize::from(head[4]) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; len as usize];
        (&self.0).read_exact(&mut body)?;
        Ok((serde_json::from_slice(&body)?, fds))
    }
}
