//! The floor's other process: accepts, sends pass after pass in both ways, prints what a send cost, resets everything.
//!
//! The ring is set up, and its sends are flagged, as a server does that sends to thousands and is told of failures alone. No send outlives its enter: `MSG_DONTWAIT` makes each succeed or fail inside it, so the one buffer that all
//! sends share only has to live until the pass is over.
#![allow(unsafe_code)]

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use io_uring::{IoUring, opcode, squeue, types};

use crate::error::{Context, Error, Result};
use crate::floor::{Floor, Shape, send_bytes};
use crate::results::summary::SendCost;
use crate::sys;

/// Sends handed over in one enter.
const BATCH: usize = 64;
/// First passes of each way, left out: buffers of the kernel are made in them.
const WARMUP_PASSES: usize = 1;
const BACKLOG: i16 = 4096;

/// Sends as `shape` says, and prints the address first and the result at the end.
pub fn run(shape: Shape) -> Result<()> {
    sys::raise_descriptor_limit().context(|| "cannot raise the descriptor limit".to_string())?;
    sys::sharpen_timers();
    let listener = TcpListener::bind("127.0.0.1:0").context(|| "cannot listen".to_string())?;
    sys::listen(listener.as_fd(), BACKLOG).context(|| "cannot listen".to_string())?;
    println!("{}", listener.local_addr().context(|| "cannot tell the address".to_string())?);
    let mut sockets: Vec<OwnedFd> = Vec::with_capacity(shape.sockets);
    while sockets.len() < shape.sockets {
        let (socket, _) = listener.accept().context(|| "cannot accept".to_string())?;
        let socket = OwnedFd::from(socket);
        sys::no_delay(socket.as_fd()).context(|| "cannot set TCP_NODELAY".to_string())?;
        sys::reset_on_close(socket.as_fd()).context(|| "cannot set SO_LINGER".to_string())?;
        sockets.push(socket);
    }
    let floor = send_passes(shape, &sockets)?;
    let json = serde_json::to_string(&floor).context(|| "cannot write the floor".to_string())?;
    println!("{json}");
    std::io::stdout().flush().context(|| "cannot write the floor".to_string())
}

fn send_passes(shape: Shape, sockets: &[OwnedFd]) -> Result<Floor> {
    let mut line = vec![b'.'; send_bytes(shape.line_bytes)];
    *line.last_mut().expect("a line has its newline") = b'\n';
    let mut refused = None;
    let mut ring = match make_ring() {
        Ok(ring) => Some(ring),
        Err(error) => {
            refused = Some(error.to_string());
            None
        }
    };
    let gap_ns = 1e9 / shape.passes_per_s;
    let passes = (shape.duration.as_secs_f64() * shape.passes_per_s).ceil().max(4.0) as usize;
    let start_ns = sys::monotonic_ns() + 50_000_000;
    let (mut plain, mut batched) = (Vec::new(), Vec::new());
    let (mut not_taken, mut late_passes) = (0, 0);
    for pass in 0..passes {
        let due_ns = start_ns + (pass as f64 * gap_ns) as u64;
        sys::sleep_until(due_ns);
        late_passes += u64::from(sys::monotonic_ns() - due_ns > gap_ns as u64);
        let before_ns = sys::thread_cpu_ns();
        let costs = match &mut ring {
            Some(ring) if pass % 2 == 1 => {
                not_taken += send_batched(ring, sockets, &line)?;
                &mut batched
            }
            _ => {
                not_taken += send_plain(sockets, &line)?;
                &mut plain
            }
        };
        costs.push((sys::thread_cpu_ns() - before_ns) as f64 / sockets.len() as f64);
    }
    let send = summarise(&plain).ok_or_else(|| Error::new("too few passes; raise -d"))?;
    Ok(Floor {
        schema: 1,
        sockets: sockets.len() as u64,
        send_bytes: line.len() as u64,
        passes_per_s: shape.passes_per_s,
        send,
        uring: summarise(&batched),
        uring_refused: refused,
        not_taken,
        late_passes,
    })
}

fn make_ring() -> std::io::Result<IoUring> {
    IoUring::builder().setup_single_issuer().setup_defer_taskrun().setup_submit_all().build(BATCH as u32)
}

/// One `send` a socket; returns how many were not taken whole.
fn send_plain(sockets: &[OwnedFd], line: &[u8]) -> Result<u64> {
    let mut not_taken = 0;
    for socket in sockets {
        match sys::send(socket.as_fd(), line) {
            Ok(bytes) => not_taken += u64::from(bytes < line.len()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => not_taken += 1,
            Err(error) => return Err(Error::new(format!("a socket of the floor was closed: {error}"))),
        }
    }
    Ok(not_taken)
}

/// The same in batches; only sends that were not taken whole post a completion.
fn send_batched(ring: &mut IoUring, sockets: &[OwnedFd], line: &[u8]) -> Result<u64> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
    let mut not_taken = 0;
    for batch in sockets.chunks(BATCH) {
        for socket in batch {
            let entry = opcode::Send::new(types::Fd(socket.as_raw_fd()), line.as_ptr(), line.len() as u32)
                .flags(flags)
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS);
            // SAFETY: the send is over when the enter below returns, and `line` and `socket` outlive that.
            unsafe { ring.submission().push(&entry) }.expect("a batch is as large as the ring, which is empty");
        }
        while !ring.submission().is_empty() {
            ring.submit().context(|| "io_uring_enter failed".to_string())?;
        }
        not_taken += ring.completion().count() as u64;
    }
    Ok(not_taken)
}

fn summarise(costs: &[f64]) -> Option<SendCost> {
    let mut costs = costs.get(WARMUP_PASSES..)?.to_vec();
    costs.sort_by(f64::total_cmp);
    Some(SendCost {
        passes: costs.len() as u64,
        min_ns: *costs.first()?,
        median_ns: costs[costs.len() / 2],
        mean_ns: costs.iter().sum::<f64>() / costs.len() as f64,
    })
}
