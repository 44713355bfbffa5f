//! How many files and connections the process may have open.
//!
//! A validator whose journal cannot be opened ends, so the listeners' bounds have to leave descriptors for files. Many systems give a
//! process 1,024 unless it asks for more.

/// Descriptors that a node may come to use: connections of JSON-RPC (twice 512 for a moment), HTTP (twice 1,024), alt-DA and gRPC (twice 128
/// each), rows (64) and validators, and some 600 files.
const WANTED: libc::rlim_t = 4096;

/// Asks for as many descriptors as the process may have, and warns when they are fewer than a node may come to use.
pub(crate) fn ask_for_more() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) writes one `rlimit`, which outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return tracing::warn!(error = %std::io::Error::last_os_error(), "ask how many files may be open");
    }
    let wanted = WANTED.min(limit.rlim_max);
    if limit.rlim_cur < wanted {
        let more = libc::rlimit {
            rlim_cur: wanted,
            ..limit
        };
        // SAFETY: setrlimit(2) reads one `rlimit`, which outlives the call.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &more) } == 0 {
            limit = more;
        }
    }
    if limit.rlim_cur < WANTED {
        tracing::warn!(
            limit = limit.rlim_cur,
            wanted = WANTED,
            "too few open files are allowed for all connections that may come: raise it (ulimit -n)"
        );
    }
}
