//! A local network's processes: start them, merge their logs, stop them cleanly, kill one on purpose.
//!
//! Every node is a child process of the same binary. What children write to standard error is kept, one line each with the
//! node's name in front, in `network.log` of the network's directory, and shown as it comes when asked for.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// How long a child may take to stop after it was asked to, before it is killed: the chain's last block is finalized and synced
/// well within it.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// Longest log line kept, in bytes; the rest of a longer line is cut, so that a child cannot fill our memory.
const MAX_LOG_LINE_BYTES: usize = 16 << 10;

/// Why a child process could not be handled.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The program could not be started.
    #[error("start {program} for {name}")]
    Start {
        /// The node's name.
        name: String,
        /// The program's path.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log could not be opened.
    #[error("open the log {path}")]
    Log {
        /// The log's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Lines could not be exchanged with it.
    #[error("talk to {name}")]
    Talk {
        /// The child's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A signal could not be delivered, or the child not waited for.
    #[error("stop {name}")]
    Stop {
        /// The node's name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Where children's log lines go.
#[derive(Clone)]
pub struct MergedLog {
    sink: Arc<Mutex<Sink>>,
}

struct Sink {
    file: File,
    show: bool,
}

impl MergedLog {
    /// Appends to the file at `path`; with `show`, also to this process's standard error.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Log`] when the file cannot be opened.
    pub fn open(path: &Path, show: bool) -> Result<Self, SupervisorError> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|source| SupervisorError::Log {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            sink: Arc::new(Mutex::new(Sink { file, show })),
        })
    }

    /// Writes one line under a name. A log that cannot be written must not stop the network, so errors end here.
    pub fn line(&self, name: &str, line: &str) {
        let mut sink = self.sink.lock().expect("no writer panics while it holds the log");
        let _ = writeln!(sink.file, "{name} | {line}");
        if sink.show {
            let _ = writeln!(io::stderr(), "{name} | {line}");
        }
    }

    /// Copies `stream` line by line until it ends.
    async fn copy(self, name: String, stream: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(stream).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = &line[..line.len().min(MAX_LOG_LINE_BYTES)];
            self.line(&name, &String::from_utf8_lossy(line));
        }
    }
}

/// What to run as one child.
#[derive(Clone, Debug)]
pub struct Program {
    /// Name in the merged log.
    pub name: String,
    /// Path of the executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// One running child. Dropping it kills the process, so that none outlives its supervisor.
pub struct Process {
    program: Program,
    child: Child,
    /// Held open for the child's life: its end of file tells a supervised child that the supervisor is gone, even by SIGKILL.
    input: Option<ChildStdin>,
    /// Its standard output, by lines.
    output: Option<Lines<BufReader<ChildStdout>>>,
}

/// Longest line read from a child's standard output, in bytes.
const MAX_OUTPUT_LINE_BYTES: usize = 64 << 20;

impl Process {
    /// Starts `program`, its standard error going to `log`; its standard input and output are
    /// lines exchanged with the caller ([`Self::write_line`], [`Self::read_line`]).
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Start`] when the system refuses.
    pub fn start(program: Program, log: &MergedLog) -> Result<Self, SupervisorError> {
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            // Processes that share a machine take memory as they need it; the allocator would take huge pages ahead. See docs/decisions/0016.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A terminal's Ctrl-C reaches the whole foreground group; children must wait for the supervisor's own order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| SupervisorError::Start {
                name: program.name.clone(),
                program: program.path.clone(),
                source,
            })?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log.clone().copy(program.name.clone(), stderr));
        }
        let input = child.stdin.take();
        let output = child.stdout.take().map(|output| BufReader::new(output).lines());
        Ok(Self {
            program,
            child,
            input,
            output,
        })
    }

    /// The child's name.
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Operating system's id of the running child; `None` once it has been waited for.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Writes one line to the child's standard input.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Talk`] when the child does not read any more.
    pub async fn write_line(&mut self, line: &str) -> Result<(), SupervisorError> {
        let failed = |source| SupervisorError::Talk {
            name: self.program.name.clone(),
            source,
        };
        let Some(input) = &mut self.input else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        input.write_all(line.as_bytes()).await.map_err(failed)?;
        input.write_all(b"\n").await.map_err(failed)?;
        input.flush().await.map_err(failed)
    }

    /// The next line of the child's standard output; `None` when it has ended.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Talk`] when it cannot be read, or is longer than 64 MiB.
    pub async fn read_line(&mut self) -> Result<Option<String>, SupervisorError> {
        let failed = |source| SupervisorError::Talk {
            name: self.program.name.clone(),
            source,
        };
        let Some(output) = &mut self.output else {
            return Ok(None);
        };
        let line = output.next_line().await.map_err(failed)?;
        match line {
            Some(line) if line.len() > MAX_OUTPUT_LINE_BYTES => Err(failed(io::ErrorKind::FileTooLarge.into())),
            line => Ok(line),
        }
    }

    /// Exit status if the child has ended, without waiting.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the child to end by itself.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Stop`] when the system cannot wait for it.
    pub async fn wait(&mut self) -> Result<ExitStatus, SupervisorError> {
        self.child.wait().await.map_err(|source| SupervisorError::Stop {
            name: self.program.name.clone(),
            source,
        })
    }

    /// SIGKILL: what a power cut looks like. Returns the program, to be started again.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Stop`] when the system refuses.
    pub async fn kill(mut self) -> Result<Program, SupervisorError> {
        let stopped = self.child.kill().await;
        stopped.map_err(|source| SupervisorError::Stop {
            name: self.program.name.clone(),
            source,
        })?;
        Ok(self.program)
    }

    /// SIGTERM, then up to eight seconds for a clean end, then SIGKILL. Says whether the end was clean.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Stop`] when the system refuses.
    pub async fn stop(mut self) -> Result<bool, SupervisorError> {
        let failed = |source| SupervisorError::Stop {
            name: self.program.name.clone(),
            source,
        };
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // SAFETY: kill(2) reads two integers. The id is our own child's and has not been waited for, so it is not reused.
            if unsafe { libc::kill(id, libc::SIGTERM) } != 0 {
                return Err(failed(io::Error::last_os_error()));
            }
        }
        match timeout(STOP_GRACE, self.child.wait()).await {
            Ok(status) => status.map(|status| status.success()).map_err(failed),
            Err(_) => self.child.kill().await.map(|()| false).map_err(failed),
        }
    }
}
