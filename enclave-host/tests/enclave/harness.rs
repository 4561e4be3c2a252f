//! Starts hosts, calls guests, finds worker processes.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

use bellgate_enclave_protocol::{Cause, Entry, HEAD_BYTES, Head, Invoke, Limits, Message, Module, ModuleDigest};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Longer than anything here takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A host with a folder of its own; ended when dropped.
pub(crate) struct Host {
    pub(crate) process: Child,
    pub(crate) socket: PathBuf,
    pub(crate) log: Arc<Mutex<String>>,
    _folder: tempfile::TempDir,
}

impl Host {
    pub(crate) fn start(workers: usize, queue: usize) -> Self {
        Self::start_for(rustix::process::geteuid().as_raw(), workers, queue)
    }

    pub(crate) fn start_for(uid: u32, workers: usize, queue: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("enclave").join("socket");
        let mut process = command(&socket, uid)
            .args(["--workers", &workers.to_string(), "--queue", &queue.to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (listening, is_listening) = mpsc::channel();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.contains("listening on") {
                    let _ = listening.send(());
                }
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        is_listening.recv_timeout(PATIENCE).expect("the host listens");
        Self { process, socket, log, _folder: folder }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.socket)
    }

    /// One call on a connection of its own.
    pub(crate) fn call(&self, call: &Call<'_>) -> Result<Vec<u8>, Cause> {
        self.connect().call(call)
    }

    /// The worker processes there are now.
    pub(crate) fn workers(&self) -> Vec<rustix::process::Pid> {
        let parent = format!("PPid:\t{}\n", self.process.id());
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.contains(&parent) && !status.contains("State:\tZ")
        })
        .filter_map(rustix::process::Pid::from_raw)
        .collect()
    }

    pub(crate) fn wait_for_log(&self, text: &str) {
        wait_until(text, || self.log.lock().unwrap().contains(text));
    }

    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        self.process.wait().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.process.try_wait().unwrap().is_none() {
            self.terminate();
        }
    }
}

pub(crate) fn command(socket: &Path, uid: u32) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellgate-enclave"));
    command.arg("--socket").arg(socket).args(["--allow-uid", &uid.to_string()]).stdin(Stdio::null());
    command
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A module and its digest.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) bytes: Bytes,
    pub(crate) digest: ModuleDigest,
}

impl Guest {
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let digest = ModuleDigest::new(Sha256::digest(&bytes).into());
        Self { bytes, digest }
    }

    /// A guest of `guests/attacks`.
    pub(crate) fn attack(name: &str) -> Self {
        let path = guests_folder().join("attacks").join(name).with_extension("wat");
        Self::new(wat::parse_file(path).unwrap())
    }

    /// A committed guest of `guests/`.
    pub(crate) fn committed(name: &str) -> Self {
        Self::new(fs::read(guests_folder().join(name).with_extension("wasm")).unwrap())
    }
}

pub(crate) fn guests_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guests")
}

/// One call, with the defaults of the limits but for the clock, which slow machines need longer.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) guest: &'a Guest,
    pub(crate) entry: &'a str,
    pub(crate) input: Bytes,
    pub(crate) memory: u64,
    pub(crate) fuel: u64,
    pub(crate) wall_ms: u64,
    pub(crate) input_most: u64,
    pub(crate) output_most: u64,
}

impl<'a> Call<'a> {
    pub(crate) fn new(guest: &'a Guest, entry: &'a str, input: impl Into<Bytes>) -> Self {
        let default = Limits::default();
        Self {
            guest,
            entry,
            input: input.into(),
            memory: default.memory_bytes(),
            fuel: default.fuel(),
            wall_ms: 20_000,
            input_most: default.input_bytes(),
            output_most: default.output_bytes(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits::new(self.memory, self.fuel, self.wall_ms, self.input_most, self.output_most).unwrap()
    }

    pub(crate) fn invoke(&self, number: u64) -> Message {
        Message::Invoke(Invoke {
            number,
            digest: self.guest.digest,
            limits: self.limits(),
            entry: Entry::new(self.entry).unwrap(),
            input: self.input.clone(),
        })
    }
}

/// A connection as the gateway has one, blocking.
pub(crate) struct Connection {
    pub(crate) stream: UnixStream,
    number: u64,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, number: 0 }
    }

    pub(crate) fn call(&mut self, call: &Call<'_>) -> Result<Vec<u8>, Cause> {
        self.number += 1;
        let number = self.number;
        self.send(call.invoke(number));
        let mut answer = self.receive().expect("an answer");
        if matches!(answer, Message::NeedModule(of) if of == number) {
            let Guest { bytes, digest } = call.guest.clone();
            self.send(Message::Module(Module { number, digest, bytes }));
            answer = self.receive().expect("an answer");
        }
        answer.into_answer(number).unwrap().map(|output| output.to_vec())
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.stream.write_all(&message.encode().unwrap().joined()).unwrap();
    }

    /// The next message; `None` when the host has closed.
    pub(crate) fn receive(&mut self) -> Option<Message> {
        let mut head = [0; HEAD_BYTES];
        self.stream.read_exact(&mut head).ok()?;
        let head = Head::parse(head).unwrap();
        let mut body = vec![0; head.length() as usize];
        self.stream.read_exact(&mut body).ok()?;
        Some(Message::parse(head, body.into()).unwrap())
    }
}
